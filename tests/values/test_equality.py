"""Whether arrays are the same in every bit, and how many of their objects differ."""

import numpy as np
import pytest

from ckptread.values.equality import count_changed_objects, same_bits


def objects(*values):
    """Return an array of these objects, as a list of an HDF5 file holds them."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8", "c16", "V3", ">f4", "S5"])
def test_one_bit_is_enough(dtype):
    for order in ("C", "F"):
        one = np.frombuffer(np.random.default_rng(0).bytes(77 * np.dtype(dtype).itemsize), dtype).reshape(7, 11)
        other = np.array(one, order=order)
        assert same_bits(one, other)
        flipped = np.array(one).view("u1")
        flipped[-1, -1] ^= 1
        assert not same_bits(np.array(flipped.view(dtype), order=order), one)


def test_the_order_of_bytes_does_not_count_but_the_dtype_does():
    one = np.arange(5, dtype="<f4")
    assert same_bits(one, one.astype(">f4"))
    assert not same_bits(one, one.astype("f8"))
    assert not same_bits(np.zeros(2, "i4"), np.zeros(2, "f4"))


def test_negative_zero_and_nan_are_compared_by_their_bits():
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    assert same_bits(np.array([np.nan]), np.array([np.nan]))


def test_a_difference_in_the_middle_of_a_long_list_counts():
    one, other = objects(*["x"] * 3000), objects(*["x"] * 1500, "y", *["x"] * 1499)
    nested = [objects(each, b"end") for each in (one, other)]
    assert count_changed_objects(one, other) == 1
    assert count_changed_objects(*nested) == 1
    assert not same_bits(*nested)


@pytest.mark.parametrize(
    ("one", "other", "changed"),
    [
        ((1, "a"), (1, "a"), 0), ((1, "a"), (1, "b"), 1), ((1,), (1, 2), 1), (b"a", "a", 1), (1, True, 1),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), 0), (np.zeros(2, "f4"), np.zeros(2, "f8"), 1),
        (np.zeros(2), np.zeros(3), 1), (np.zeros(2), b"", 1),
    ],
)  # fmt: skip
def test_objects_are_compared_by_type_and_value(one, other, changed):
    assert count_changed_objects(objects(one, 0), objects(other, 0)) == changed
