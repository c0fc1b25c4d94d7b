"""Tensors in files are compared as bytes, in parts: the figures are numpy's, whatever the parts and threads."""

import os
import struct
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ckptread
from ckptread.values import comparison as compare_module
from ckptread.values.comparison import compare_values
from ckptread.values.difference import Tolerance
from tests import table_writer
from tests.operations.test_diff import check_floats

DT_NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "float16": 19}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stored")


def write(folder, name, array):
    number = DT_NUMBERS[array.dtype.name]
    return table_writer.write_bundle(folder / name, {"t": (number, array.shape, array.tobytes())})


@contextmanager
def sizes(piece_bytes, part_pieces):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_module, "PIECE_BYTES", piece_bytes)
        patch.setattr(compare_module, "PART_PIECES", part_pieces)
        yield


def compared(folder, a, b, *, threads=None, **tolerance):
    with ckptread.open(write(folder, "a", a)) as one, ckptread.open(write(folder, "b", b)) as other:
        return compare_values(one["t"], other["t"], Tolerance(**tolerance), threads=threads)


@st.composite
def alike(draw, dtypes=("float32", "float64", "float16")):
    """Two arrays, of which some runs of elements are equal."""
    dtype, size = draw(st.sampled_from(dtypes)), draw(st.integers(1, 60))
    a = draw(hnp.arrays(dtype, size))
    b = a.copy()
    for at in draw(st.lists(st.integers(0, size - 1), max_size=3)):
        b[at] = draw(hnp.arrays(dtype, ()))
    return a, b


@pytest.mark.slow
@given(alike(), st.sampled_from([(8, 1), (16, 2), (32, 3), (1 << 20, 8)]), st.sampled_from([1, 2]))
@settings(max_examples=200, deadline=None)
def test_figures_agree_with_numpy_whatever_the_parts(folder, pair, parts, threads):
    a, b = pair
    with sizes(*parts):
        found = compared(folder, a, b, threads=threads)
    check_floats(found, a.astype(float), b.astype(float), same_bits=a.tobytes() == b.tobytes())


@pytest.mark.slow
@given(alike(), st.floats(0, 2), st.floats(0, 10))
@settings(deadline=None)
def test_the_tolerance_is_numpys_in_parts_too(folder, pair, rtol, atol):
    a, b = (values.astype(np.float64) for values in pair)
    with np.errstate(all="ignore"):
        close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    with sizes(16, 2):
        found = compared(folder, *pair, rtol=rtol, atol=atol)
    assert (0 if found is None else found.beyond) == np.count_nonzero(~close)


@pytest.mark.parametrize("where", [0, 777, 39_999])
def test_the_number_of_threads_changes_no_figure(folder, where):
    a = np.random.default_rng(0).standard_normal(40_000, "float32")
    b = a.copy()
    b[where] += 1
    b[where // 2 :: 997] *= 1.5
    with sizes(4096, 2):
        found = [compared(folder, a, b, threads=threads) for threads in (1, 2, 3, 2, 2)]
    assert all(each == found[0] for each in found)
    assert found[0].changed == np.count_nonzero(a != b)


def test_figures_are_of_all_elements_where_only_the_last_differs(folder):
    a = np.arange(1, 100_001, dtype="float64")
    b = a.copy()
    b[-1] = -5.0
    with sizes(8192, 2):
        found = compared(folder, a, b, threads=2)
    assert found.count == a.size
    assert found.relative_l2 == pytest.approx(100_005 / np.linalg.norm(a), rel=1e-12)
    assert found.cosine == pytest.approx(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), rel=1e-12)


def test_values_of_two_sizes_are_compared_element_by_element(folder):
    a = np.arange(1000, dtype="float32")
    b = a.astype("float64")
    b[500] += 0.25
    with sizes(64, 3):
        found = compared(folder, a, b, threads=2)
    assert (found.changed, found.max_abs) == (1, 0.25)


def damage(prefix, at, nbytes):
    with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
        file.seek(at)
        file.write(b"\xee" * nbytes)


@pytest.mark.parametrize("sides", ["ab", "a", "b"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_wrong_checksum_of_either_side_is_an_error(folder, sides, threads):
    values = np.arange(4000, dtype="float32")
    paths = {side: write(folder, side, values) for side in "ab"}
    for side in sides:
        damage(paths[side], 9000, 4)  # where both are damaged, they are equal
    damaged = pytest.raises(ckptread.DamagedFileError, match="checksum")
    with sizes(1024, 2), ckptread.open(paths["a"]) as one, ckptread.open(paths["b"]) as other, damaged as raised:
        compare_values(one["t"], other["t"], Tolerance(), threads=threads)
    assert raised.value.path == paths[sides[0]]


def test_equal_values_are_read_once_and_in_large_pieces(folder, bytes_read):
    values = np.arange(1 << 20, dtype="float32")
    paths = [write(folder, side, values) for side in "ab"]
    with ckptread.open(paths[0]) as one, ckptread.open(paths[1]) as other:
        bytes_read.clear()
        assert compare_values(one["t"], other["t"], Tolerance()) is None
    assert sum(bytes_read) == 2 * values.nbytes
    assert len(bytes_read) == 2 * values.nbytes // compare_module.PIECE_BYTES


def test_where_all_differs_it_is_read_hardly_more_than_once(folder, bytes_read):
    values = np.arange(1 << 20, dtype="float32")
    paths = [write(folder, side, values + at) for at, side in enumerate("ab")]
    with ckptread.open(paths[0]) as one, ckptread.open(paths[1]) as other:
        bytes_read.clear()
        assert compare_values(one["t"], other["t"], Tolerance()).changed == values.size
    assert sum(bytes_read) <= 2 * (values.nbytes + 2 * compare_module.PIECE_BYTES)


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.slow
def test_memory_does_not_grow_with_the_tensor(folder, step):
    values = np.arange(12 << 20, dtype="float32")  # 48 MiB
    paths = [write(folder, side, values + step * at) for at, side in enumerate("ab")]
    with ckptread.open(paths[0]) as one, ckptread.open(paths[1]) as other:
        tracemalloc.start()
        compare_values(one["t"], other["t"], Tolerance(), threads=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


def test_checkpoints_that_are_the_same_are_told_without_numpy(folder):
    values = np.arange(1000, dtype="float32")
    paths = [write(folder, side, values) for side in "ab"]
    program = "import sys, ckptread.cli.startup as c\ntry: c.main()\nfinally: print('numpy' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program, "diff", *paths], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "False"


def test_a_file_that_is_cut_while_it_is_read_is_an_error(folder):
    path = write(folder, "cut", np.arange(1000, dtype="float32"))
    with ckptread.open(path) as one:
        stored = one["t"].stored
        os.truncate(f"{path}.data-00000-of-00001", 100)
        with pytest.raises(ckptread.DamagedFileError, match="it ends at byte 100"):
            stored.read(0, 4000)


def test_stored_bytes_are_the_values(folder):
    path = write(folder, "v", np.arange(7, dtype="int32"))
    with ckptread.open(path) as one:
        assert one["t"].stored.read(8, 8) == struct.pack("<2i", 2, 3)
