"""What numpy makes of an array by permuting, squeezing and merging axes is found, and is what the words say."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptread.operations.diff.match.layouts import (
    MOST_ARRANGEMENTS,
    Arrangement,
    arrangements,
    box,
    plain,
    runs,
    select,
)

shapes = st.lists(st.integers(1, 4), max_size=5).map(tuple)


def applied(arrangement, array, shape):
    return array.reshape(arrangement.shape).transpose(arrangement.axes).reshape(shape)


def results(a, shape):
    return [applied(each, a, shape).tolist() for each in arrangements(a.shape, shape)]


@given(shapes, st.randoms())
def test_every_permutation_of_axes_is_found(shape, random):
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    axes = random.sample(range(len(shape)), len(shape))
    b = a.transpose(axes)
    found = arrangements(a.shape, b.shape)
    assert all(applied(each, a, b.shape).shape == b.shape and each.fits(a.shape, b.shape) for each in found)
    assert len(found) == MOST_ARRANGEMENTS or b.tolist() in results(a, b.shape)


@given(shapes, shapes, st.randoms())
def test_unit_axes_come_and_go(shape, units, random):
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    b = a.transpose(random.sample(range(len(shape)), len(shape))).squeeze()
    for at in sorted(random.sample(range(6), len(units)), reverse=True):
        b = np.expand_dims(b, min(at, b.ndim))
    assert len(arrangements(a.shape, b.shape)) == MOST_ARRANGEMENTS or b.tolist() in results(a, b.shape)


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 3, 8, 2), (2, 3, 0, 1)), ((5, 4, 2), (1, 2, 0)), ((6, 2, 3), (1, 2, 0))]
)
def test_two_axes_are_merged_and_split(shape, axes):
    a = np.arange(np.prod(shape)).reshape(shape)
    b = a.transpose(axes)
    merged = b.reshape(b.shape[0] * b.shape[1], *b.shape[2:])
    assert merged.tolist() in results(a, merged.shape)
    assert a.tolist() in results(merged, a.shape)


def test_flattened_rows_are_not_guessed():
    """A Flatten between convolution and Dense orders rows as (H, W, C) here, (C, H, W) there: three axes in one."""
    a = np.arange(2 * 3 * 4 * 5).reshape(24, 5)
    b = a.reshape(2, 3, 4, 5).transpose(3, 2, 0, 1).reshape(5, 24)
    assert b.tolist() not in results(a, b.shape)


@pytest.mark.parametrize("shape", [(2,) * 64, (1,) * 64, (2,) * 20, (9, 0, 9)])
def test_hostile_shapes_take_no_time(shape):
    assert len(arrangements(shape, shape)) <= 1
    assert len(arrangements((2,) * 8, (2,) * 8)) <= MOST_ARRANGEMENTS


def test_words_say_what_was_done():
    conv, dense = arrangements((3, 3, 8, 16), (16, 8, 3, 3))[1], arrangements((1, 1, 5, 6), (6, 5))[0]
    assert conv.text((3, 3, 8, 16)) == "axes [3, 2, 0, 1]"
    assert dense.text((1, 1, 5, 6)) == "as [5, 6], axes [1, 0]"
    assert not plain((3, 4)).permutes
    assert not Arrangement((3, 1), (1, 0)).permutes


@given(shapes, st.randoms(), st.integers(1, 40))
def test_blocks_of_either_side_hold_the_same_values(shape, random, elements):
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    b = a.transpose(random.sample(range(len(shape)), len(shape))).squeeze()
    for arrangement in arrangements(a.shape, b.shape):
        other = applied(arrangement, a, b.shape)
        runs_a, runs_b = runs(a.shape, arrangement.shape), runs(b.shape, arrangement.turned)
        of_b = [[arrangement.axes[axis] for axis in run] for run in runs_b]
        extents = box(arrangement, runs_a, of_b, elements)
        assert np.prod(extents, dtype=int) <= elements
        seen = 0
        for starts in itertools.product(*map(range, [0] * len(shape), arrangement.shape, extents)):
            stops = [min(x + y, dim) for x, y, dim in zip(starts, extents, arrangement.shape, strict=True)]
            one = a[select(runs_a, arrangement.shape, starts, stops)]
            turned = [[values[axis] for axis in arrangement.axes] for values in (starts, stops)]
            two = other[select(runs_b, arrangement.turned, *turned)]
            size = [y - x for x, y in zip(starts, stops, strict=True)]
            same = one.reshape(size).transpose(arrangement.axes).ravel() == two.ravel()
            assert same.all()
            seen += one.size
        assert seen == a.size
