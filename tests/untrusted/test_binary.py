"""Numbers and messages in bytes: each rule by literal bytes."""

import pytest

from ckptread.untrusted.binary import (
    Malformed,
    Message,
    bool_field,
    bytes_field,
    fixed32,
    fixed32_field,
    int_field,
    message_field,
    signed,
    take,
    text,
    text_field,
    varint,
)

INNER = Message({1: int_field("number")})
OUTER = Message(
    {
        1: int_field("count"),
        2: message_field("inner", INNER),
        3: message_field("many", INNER, repeated=True),
        4: text_field("name"),
        5: bytes_field("raw"),
        6: fixed32_field("fixed"),
        7: int_field("numbers", repeated=True),
    }
)


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"\x00", 0), (b"\x7f", 127), (b"\x80\x01", 128), (b"\xac\x02", 300), (b"\xff" * 9 + b"\x01", 2**64 - 1)],
)
def test_a_varint_is_read(data, value):
    assert varint(data + b"rest", 0) == (value, len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, b"\xff" * 11, b"\xff" * 9 + b"\x02"])
def test_a_varint_that_ends_early_or_is_too_long_is_refused(data):
    with pytest.raises(Malformed):
        varint(data, 0)


def test_a_negative_number_is_twos_complement():
    assert signed(2**64 - 1) == -1
    assert INNER.decode(b"\x08" + b"\xff" * 9 + b"\x01") == {"number": -1}


def test_nothing_is_read_past_the_end():
    for call in (lambda: fixed32(b"\0\0\0", 0), lambda: take(b"abc", 1, 3), lambda: take(b"abc", 0, -1)):
        with pytest.raises(Malformed):
            call()


def test_a_message_is_read_by_its_table():
    data = bytes.fromhex("0803 12020801 1a020802 1a00 220161 2a0100 350a000000 3801 3802")
    assert OUTER.decode(data) == {
        "count": 3, "inner": {"number": 1}, "many": [{"number": 2}, {}], "name": "a", "raw": b"\0", "fixed": 10,
        "numbers": [1, 2],
    }  # fmt: skip


def test_packed_numbers_are_read():
    assert OUTER.decode(bytes.fromhex("3a03 01ac02"))["numbers"] == [1, 300]


def test_unknown_fields_are_passed_over():
    assert INNER.decode(bytes.fromhex("5001 590000000000000000 6201ff 6d00000000 0805")) == {"number": 5}


@pytest.mark.parametrize(
    "data",
    ["0a0100", "08", "1205", "0b", "120100", "3a0180", "0f", "12010805", "1a0208ff01", "1a03120561", "1201ad000000ff00",
     "3a01ff01"],
)  # fmt: skip
def test_what_is_no_such_message_is_refused(data):
    with pytest.raises(Malformed):
        OUTER.decode(bytes.fromhex(data))


def test_bytes_that_are_no_utf8_survive():
    assert text(b"\xff") == "\udcff"


def test_a_message_that_occurs_twice_is_merged_as_protobuf_does():
    from google.protobuf import descriptor_pb2

    first = descriptor_pb2.FieldDescriptorProto(name="a", options=descriptor_pb2.FieldOptions(packed=True))
    second = descriptor_pb2.FieldDescriptorProto(options=descriptor_pb2.FieldOptions(deprecated=True))
    data = first.SerializeToString() + second.SerializeToString()
    merged = descriptor_pb2.FieldDescriptorProto.FromString(data)
    options = Message({2: bool_field("packed"), 3: bool_field("deprecated")})
    found = Message({1: text_field("name"), 8: message_field("options", options)}).decode(data)
    assert (merged.options.packed, merged.options.deprecated) == (True, True)
    assert found == {"name": "a", "options": {"packed": True, "deprecated": True}}
