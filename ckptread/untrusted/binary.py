"""Numbers and messages in untrusted bytes.

Each reading function is ``f(data, at) -> (value, next_at)``. None reads past the end of ``data``; all raise
:class:`Malformed` with the position of the first invalid byte. Protocol buffer messages are read by a table of their
fields (https://protobuf.dev/programming-guides/encoding/), so that neither the protobuf runtime nor generated code is
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, TypeVar, cast

import msgspec

from ckptread.limits import MESSAGE_COST

Bytes = bytes | memoryview
Buffer = TypeVar("Buffer", bytes, memoryview)

_U32 = Struct("<I")
_U64 = Struct("<Q")
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5


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
        self._what = what

    def take(self, count: int, at: int = 0) -> None:
        """Count values. Raises Malformed once there are more than the limit in all."""
        self.taken += count
        if self.taken > self.most:
            raise Malformed(f"it states more than {self.most:,} {self._what}: more than is read", at)


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


class NumberField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a message that holds numbers, and how they are converted."""

    name: str
    wire: int
    """The wire type: VARINT, FIXED32 or FIXED64."""
    convert: Callable[[int], Any]
    repeated: bool = False


class BytesField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a message that holds bytes, and how they are converted."""

    name: str
    convert: Callable[[memoryview, Allowance], Any]
    repeated: bool = False
    merged: bool = False
    """Whether it is a message of which each occurrence adds to the one before."""


class Message(msgspec.Struct, frozen=True):
    """A message's fields by number. Other fields are skipped."""

    fields: Mapping[int, NumberField | BytesField] = msgspec.field(default_factory=dict)

    @property
    def cost(self) -> int:
        """What even an empty message takes in memory: a dictionary, and a list per repeated field."""
        return 2 + sum(each.repeated for each in self.fields.values())

    def decode(self, data: Bytes, allowance: Allowance | None = None) -> dict[str, Any]:
        """Return the values of the fields that are present; a repeated field is always present, as a list.

        Every value counts against the ``allowance``, which many messages may share; None is a new one.
        """
        allowance = allowance or Allowance(MESSAGE_COST, "values")
        allowance.take(self.cost)
        data = memoryview(data)  # so that skipped fields are not copied
        result: dict[str, Any] = {f.name: [] for f in self.fields.values() if f.repeated}
        parts: dict[int, list[memoryview]] = {}
        at, end = 0, len(data)
        while at < end:
            tag, at = varint(data, at)
            value, at = _wire_value(data, at, tag & 7)
            field = self.fields.get(tag >> 3)
            if field is None:
                continue
            allowance.take(1, at)
            if isinstance(field, BytesField) and isinstance(value, memoryview):
                if field.merged:
                    parts.setdefault(tag >> 3, []).append(value)
                    continue
                converted = field.convert(value, allowance)
            elif isinstance(field, NumberField) and isinstance(value, int) and field.wire == tag & 7:
                converted = field.convert(value)
            else:
                numbers = _read_packed(field, value, tag & 7, at, allowance)
                result[field.name] += numbers
                continue
            if field.repeated:
                result[field.name].append(converted)
            else:
                result[field.name] = converted
        result |= {self.fields[number].name: self._merged(number, found, allowance) for number, found in parts.items()}
        return result

    def _merged(self, number: int, parts: list[memoryview], allowance: Allowance) -> Any:
        """Return a message that occurs several times: it is what its parts are when they are joined."""
        joined = parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
        return cast(BytesField, self.fields[number]).convert(joined, allowance)


def _read_packed(
    field: NumberField | BytesField, value: int | memoryview, wire: int, at: int, allowance: Allowance
) -> list[Any]:
    """Read a packed list of numbers; any other wire type than the table's is an error."""
    listed = isinstance(field, NumberField) and field.repeated and field.wire == VARINT
    if not (isinstance(field, NumberField) and listed and isinstance(value, memoryview)):
        raise Malformed(f"the field {field.name!r} has the wire type {wire}", at)
    numbers, inner = [], 0
    while inner < len(value):
        allowance.take(1, at)
        number, inner = varint(value, inner)
        numbers.append(field.convert(number))
    return numbers


def _wire_value(data: memoryview, at: int, wire: int) -> tuple[int | memoryview, int]:
    if wire == VARINT:
        return varint(data, at)
    if wire == DELIMITED:
        nbytes, at = varint(data, at)
        return take(data, at, nbytes)
    if wire == FIXED32:
        return fixed32(data, at)
    if wire == FIXED64:
        return fixed64(data, at)
    raise Malformed(f"there is no wire type {wire}", at)


def int_field(name: str, *, repeated: bool = False) -> NumberField:
    """Describe an int64, int32 or enum field."""
    return NumberField(name=name, wire=VARINT, convert=signed, repeated=repeated)


def bool_field(name: str) -> NumberField:
    """Describe a bool field."""
    return NumberField(name=name, wire=VARINT, convert=bool)


def fixed32_field(name: str) -> NumberField:
    """Describe a fixed32 field."""
    return NumberField(name=name, wire=FIXED32, convert=int)


def bytes_field(name: str, *, repeated: bool = False) -> BytesField:
    """Describe a bytes field."""
    return BytesField(name=name, convert=lambda data, _: bytes(data), repeated=repeated)


def text_field(name: str, *, repeated: bool = False) -> BytesField:
    """Describe a string field."""
    return BytesField(name=name, convert=lambda data, _: text(data), repeated=repeated)


def message_field(name: str, message: Message, *, repeated: bool = False) -> BytesField:
    """Describe a field that holds another message."""
    return BytesField(name=name, convert=message.decode, repeated=repeated, merged=not repeated)
