"""Entries of a TensorFlow index: the fast way to decode the usual ones agrees with the message's own table."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ckptread.formats.tensorflow import entries as tf_entries
from ckptread.formats.tensorflow.entries import decode_entries
from ckptread.untrusted.binary import Allowance
from tests import table_writer

numbers = st.one_of(st.integers(0, 200), st.integers(0, 1 << 40))
entries = st.builds(
    table_writer.entry,
    st.integers(0, 300),
    st.lists(numbers, max_size=9),
    numbers,
    numbers,
    st.integers(0, (1 << 32) - 1),
    shard=st.integers(0, 1000),
    slices=st.sampled_from([b"", table_writer.field(7, b""), table_writer.field(9, 1)]),
)


def by_the_table(data):
    return tf_entries._decode_entry(data, Allowance(1000, "values"))


@pytest.mark.slow
@given(entries)
@settings(max_examples=500)
def test_an_entry_is_what_its_fields_say(data):
    assert decode_entries({b"k": data})[b"k"] == by_the_table(data)


@pytest.mark.slow
@given(entries, st.data())
@settings(max_examples=500)
@example(bytes.fromhex("08011200280435aabbccdd"), None)
def test_a_damaged_entry_is_taken_for_the_same_either_way(data, draw):
    if draw is not None:
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw.draw(st.binary(max_size=3)) + data[at + draw.draw(st.integers(0, 3)) :]
    assert decode_entries({b"k": data})[b"k"] == by_the_table(data)


def test_the_usual_entry_is_decoded_the_fast_way():
    data = table_writer.entry(1, (3, 3, 64, 128), 1 << 33, 294912, 12345, shard=2)
    assert tf_entries._decode_usual(data) == by_the_table(data)
