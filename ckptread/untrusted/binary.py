"""Numbers and messages in untrusted bytes.

Each reading function is ``f(data, at) -> (value, next_at)``. None reads past the end of ``data``; all raise
:class:`Malformed` with the position of the first invalid byte. Protocol buffer messages are read by a table of their
fields (https://protobuf.dev/programming-guides/encoding/), so that neither the protobuf runtime nor generated code is
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import Any, TypeVar

import msgspec

from ckptread.limits import MESSAGE_COST, SKIPPED_FIELDS

Bytes = bytes | memoryview
Buffer = TypeVar("Buffer", bytes, memoryview)

_U32 = Struct("<I")
_U64 = Struct("<Q")
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
_WITH_VARINT = (VARINT, DELIMITED)
"""The wire types that begin with a varint."""


class Malformed(Exception):  # noqa: N818 - always caught, and raised again as a DamagedFileError with the file's name
    """Bytes are invalid from position ``at`` of the buffer on."""

    def __init__(self, problem: str, at: int) -> None:
        self.problem = problem
        self.at = at
        super().__init__(f"{problem} at byte {at}")


class Allowance:
    """A limit on how many values are read: one for all messages of a command, so that many small ones add up."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.taken = 0
        self.skipped = 0
        self._what = what

    def take(self, count: int, at: int = 0) -> None:
        """Count values. Raises Malformed once there are more than the limit in all."""
        self.taken += count
        if self.taken > self.most:
            raise Malformed(f"it states more than {self.most:,} {self._what}: more than is read", at)

    def skip(self, at: int) -> None:
        """Count a field that nothing is read from. Raises Malformed once there are more than SKIPPED_FIELDS."""
        self.skipped += 1
        if self.skipped > SKIPPED_FIELDS:
            raise Malformed(f"it states more than {SKIPPED_FIELDS:,} fields that nothing is read from", at)


def varint(data: Bytes, at: int) -> tuple[int, int]:
    """Read a base-128 number of at most 64 bits."""
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("a number is truncated", at)
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            if result >= 1 << 64:
                break
            return result, at
    raise Malformed("a number is longer than 64 bits", at)


def signed(value: int) -> int:
    """Return the two's complement reading of 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fixed32(data: Bytes, at: int) -> tuple[int, int]:
    """Read four little-endian bytes."""
    if at + 4 > len(data):
        raise Malformed("a number is truncated", at)
    return _U32.unpack_from(data, at)[0], at + 4


def fixed64(data: Bytes, at: int) -> tuple[int, int]:
    """Read eight little-endian bytes."""
    if at + 8 > len(data):
        raise Malformed("a number is truncated", at)
    return _U64.unpack_from(data, at)[0], at + 8


def take(data: Buffer, at: int, nbytes: int) -> tuple[Buffer, int]:
    """Read ``nbytes`` bytes; of a memoryview, without a copy."""
    if nbytes < 0 or at + nbytes > len(data):
        raise Malformed(f"{nbytes:,} bytes are stated, but only {max(0, len(data) - at):,} are left", at)
    return data[at : at + nbytes], at + nbytes


def text(data: Bytes) -> str:
    """Decode UTF-8; invalid bytes become surrogates."""
    return str(data, "utf-8", "surrogateescape")


Convert = Callable[[bytes, int, int, Allowance], Any]
"""Returns a field's value; gets the buffer, the number or the position of the first byte, and the position after it."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a message."""

    name: str
    wire: int
    """The wire type: VARINT, FIXED64, DELIMITED or FIXED32."""
    convert: Convert
    repeated: bool = False
    merged: bool = False
    """Whether it is a message of which each occurrence adds to the one before."""


class Message:
    """A message's fields by number. Other fields are skipped."""

    def __init__(self, fields: Mapping[int, Field]) -> None:
        self.fields = fields
        self._by_tag = {number << 3 | field.wire: field for number, field in fields.items()}
        self._lists = [field.name for field in fields.values() if field.repeated]
        self._cost = 2 + len(self._lists)
        """What even an empty message takes in memory: a dictionary, and a list per repeated field."""

    def decode(self, data: Bytes, allowance: Allowance | None = None) -> dict[str, Any]:
        """Return the values of the fields that are present; a repeated field is always present, as a list.

        Every value counts against the ``allowance``, which many messages may share; None is a new one.
        """
        return self.decode_part(bytes(data), 0, len(data), allowance or Allowance(MESSAGE_COST, "values"))

    def decode_part(self, data: bytes, at: int, end: int, allowance: Allowance) -> dict[str, Any]:
        """Return the values of a message within another one, which is not copied: see ``decode``."""
        allowance.take(self._cost, at)
        result: dict[str, Any] = {}
        for name in self._lists:
            result[name] = []
        parts: dict[Field, list[tuple[int, int]]] = {}
        for tag, value, stop in _wire_values(data, at, end):
            field = self._by_tag.get(tag)
            if field is None:
                self._add_packed(result, data, tag, value, stop, allowance)
                continue
            allowance.take(1, stop)
            if field.repeated:
                result[field.name].append(field.convert(data, value, stop, allowance))
            elif field.merged:
                parts.setdefault(field, []).append((value, stop))
            else:
                result[field.name] = field.convert(data, value, stop, allowance)
        for field, found in parts.items():
            result[field.name] = _join_parts(field, data, found, allowance)
        return result

    def _add_packed(
        self, result: dict[str, Any], data: bytes, tag: int, at: int, stop: int, allowance: Allowance
    ) -> None:
        """Add a packed list of numbers; any other known field has a wire type that is not its own."""
        field = self.fields.get(tag >> 3)
        if field is None:
            allowance.skip(stop)
            return
        if not field.repeated or field.wire != VARINT or tag & 7 != DELIMITED:
            raise Malformed(f"the field {field.name!r} has the wire type {tag & 7}", stop)
        allowance.take(1, stop)  # an empty list costs time too
        while at < stop:
            allowance.take(1, at)
            number, at = varint(data, at)
            result[field.name].append(field.convert(data, number, at, allowance))
        if at > stop:
            raise Malformed("a number is truncated", stop)


def _join_parts(field: Field, data: bytes, parts: list[tuple[int, int]], allowance: Allowance) -> Any:
    """Return a message that occurs several times: it is what its parts are when they are joined."""
    if len(parts) > 1:
        data = b"".join(data[at:stop] for at, stop in parts)
        parts = [(0, len(data))]
    return field.convert(data, *parts[0], allowance)


def _wire_values(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field's tag, its number or the position of its first byte, and the position after it.

    Numbers below 128 are one byte, and nearly all: they are read here.
    """
    while at < end:
        tag, at = (data[at], at + 1) if data[at] < 0x80 else varint(data, at)
        wire = tag & 7
        if wire not in _WITH_VARINT:
            value, at = _read_fixed(data, at, wire)
        elif at < end and data[at] < 0x80:
            value, at = data[at], at + 1
        else:
            value, at = varint(data, at)
        if wire == DELIMITED:
            value, at = at, at + value
        if at > end:
            raise Malformed(f"a field ends {at - end:,} bytes after the message that it is in", end)
        yield tag, value, at


def _read_fixed(data: bytes, at: int, wire: int) -> tuple[int, int]:
    if wire == FIXED32:
        return fixed32(data, at)
    if wire == FIXED64:
        return fixed64(data, at)
    raise Malformed(f"there is no wire type {wire}", at)


def int_field(name: str, *, repeated: bool = False) -> Field:
    """Describe an int64, int32 or enum field."""
    return Field(
        name=name, wire=VARINT, convert=lambda _data, value, _end, _allowance: signed(value), repeated=repeated
    )


def bool_field(name: str) -> Field:
    """Describe a bool field."""
    return Field(name=name, wire=VARINT, convert=lambda _data, value, _end, _allowance: bool(value))


def fixed32_field(name: str) -> Field:
    """Describe a fixed32 field."""
    return Field(name=name, wire=FIXED32, convert=lambda _data, value, _end, _allowance: value)


def bytes_field(name: str, *, repeated: bool = False) -> Field:
    """Describe a bytes field."""
    return Field(name=name, wire=DELIMITED, convert=lambda data, at, end, _: data[at:end], repeated=repeated)


def text_field(name: str, *, repeated: bool = False) -> Field:
    """Describe a string field."""
    return Field(name=name, wire=DELIMITED, convert=lambda data, at, end, _: text(data[at:end]), repeated=repeated)


def message_field(name: str, message: Message, *, repeated: bool = False) -> Field:
    """Describe a field that holds another message."""
    return Field(name=name, wire=DELIMITED, convert=message.decode_part, repeated=repeated, merged=not repeated)
