"""Slices of an array that lies somewhere else agree with numpy's, and read little more than they need."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptread import slicing
from ckptread.slicing import normalize, overlap, read_box, split

SHAPES = st.lists(st.integers(0, 9), max_size=4).map(tuple)


def index_of(dim):
    step = st.integers(-3, 4).filter(bool) | st.none()
    bound = st.integers(-dim - 2, dim + 2) | st.none()
    slices = st.builds(slice, bound, bound, step)
    return slices | st.integers(-dim, dim - 1) if dim else slices


@st.composite
def selections(draw):
    shape = draw(SHAPES)
    chosen = [draw(index_of(dim)) for dim in shape[: draw(st.integers(0, len(shape)))]]
    if draw(st.booleans()):
        chosen.append(...)
    return shape, tuple(chosen)


def reader_of(array):
    raw = array.tobytes()
    read = []

    def read_into(offset, buffer):
        assert offset >= 0
        assert offset + buffer.nbytes <= len(raw)
        read.append(buffer.nbytes)
        buffer[:] = raw[offset : offset + buffer.nbytes]

    return read_into, read


@pytest.mark.slow
@given(selections(), st.sampled_from(["u1", "<f4", "<c16"]), st.sampled_from([(1 << 22, 1 << 16), (64, 8), (16, 1)]))
@settings(max_examples=400)
def test_any_selection_agrees_with_numpy(case, dtype, limits):
    shape, selection = case
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    settled = normalize(selection, shape)
    out = np.empty(settled.box, array.dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slicing, "SPAN_BYTES", limits[0])
        patch.setattr(slicing, "GAP_BYTES", limits[1])
        read_box(reader_of(array)[0], shape, settled.ranges, out)
    np.testing.assert_array_equal(settled.finish(out), array[selection])
    assert settled.shape == array[selection].shape


@given(SHAPES, st.integers(1, 64))
def test_the_blocks_of_a_split_are_the_array_in_order(shape, max_bytes):
    array = np.arange(np.prod(shape, dtype=int), dtype="<u4").reshape(shape)
    blocks = [array[selection] for selection in split(shape, 4, max_bytes)]
    assert all(block.nbytes <= max(4, max_bytes) for block in blocks)
    joined = np.concatenate([block.ravel() for block in blocks]) if blocks else array.ravel()
    np.testing.assert_array_equal(joined, array.ravel())


@given(selections(), st.data())
def test_a_block_of_a_selection_means_the_same_of_the_array(case, data):
    shape, selection = case
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    settled = normalize(selection, shape)
    for block in split(settled.shape, 8, data.draw(st.integers(8, 64))):
        np.testing.assert_array_equal(array[settled.part(block)], array[selection][block])


@given(st.integers(0, 20), st.integers(1, 5), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_an_overlap_takes_each_wanted_element_of_the_piece(start, step, count, low, length):
    wanted = range(start, start + step * count, step)
    whole = np.arange(200)
    result = np.full(len(wanted), -1)
    found = overlap(wanted, low, low + length)
    if found is not None:
        result[found[0]] = whole[low : low + length][found[1]]
    expected = [index if low <= index < low + length else -1 for index in wanted]
    assert result.tolist() == expected


@pytest.mark.parametrize("selection", [(0, 0, 0), 7, (..., ...), -4])
def test_what_numpy_refuses_is_refused(selection):
    with pytest.raises(IndexError):
        normalize(selection, (3, 2))


@pytest.mark.parametrize("selection", [None, [0, 1], np.array([True]), "0", 1.5, True])
def test_what_is_no_basic_slice_is_refused(selection):
    with pytest.raises(TypeError):
        normalize(selection, (3, 2))


def test_a_column_far_apart_reads_little():
    array = np.arange(64 * 100_000, dtype="<f4").reshape(64, 100_000)
    read_into, read = reader_of(array)
    settled = normalize((slice(None), 5), array.shape)
    out = np.empty(settled.box, array.dtype)
    read_box(read_into, array.shape, settled.ranges, out)
    np.testing.assert_array_equal(settled.finish(out), array[:, 5])
    assert sum(read) == 64 * 4


def test_whole_rows_are_read_in_one_go():
    array = np.arange(1000 * 1000, dtype="<f4").reshape(1000, 1000)
    read_into, read = reader_of(array)
    settled = normalize(slice(10, 900), array.shape)
    out = np.empty(settled.box, array.dtype)
    read_box(read_into, array.shape, settled.ranges, out)
    assert read == [890 * 1000 * 4]


@pytest.mark.parametrize("index", [np.array([True, False]), np.array([0, 1]), [0, 1], True, 1.0])
def test_what_is_no_basic_slice_is_called_by_its_type(index):
    with pytest.raises(TypeError, match=f"not by {type(index).__name__}"):
        normalize(index, (2, 2))
