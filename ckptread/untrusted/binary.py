"""Numbers and messages in untrusted bytes.

A reader of bytes is ``f(data, at) -> (value, next_at)``; none reads past the end of ``data``, and all raise
:class:`Malformed` with the position where the bytes stop making sense. Protocol buffer messages are read by a
table of their fields (https://protobuf.dev/programming-guides/encoding/), so that neither the protobuf runtime
nor generated code is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, TypeVar

import msgspec

from ckptread.limits import MESSAGE_COST

Bytes = bytes | memoryview
Buffer = TypeVar("Buffer", bytes, memoryview)
Decoder = Callable[[int | Bytes], Any]

_U32 = Struct("<I")
_U64 = Struct("<Q")
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5


class Malformed(Exception):  # noqa: N818 - caught where the file is known, and told as a DamagedFileError
    """These bytes are not what they should be, from position ``at`` of the buffer."""

    def __init__(self, problem: str, at: int) -> None:
        self.problem = problem
        self.at = at
        super().__init__(f"{problem} at byte {at}")


class Allowance:
    """How much of something may still be taken: one for all that a command reads, so that small ones add up."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.taken = 0
        self._what = what

    def take(self, count: int, at: int = 0) -> None:
        """Take so many. Raises Malformed where there are more in all than are read."""
        self.taken += count
        if self.taken > self.most:
            raise Malformed(f"it states more than {self.most:,} {self._what}: more than is read", at)


def varint(data: Bytes, at: int) -> tuple[int, int]:
    """Read a base-128 number of at most 64 bits."""
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("a number is cut short", at)
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
        raise Malformed("a number is cut short", at)
    return _U32.unpack_from(data, at)[0], at + 4


def fixed64(data: Bytes, at: int) -> tuple[int, int]:
    """Read eight little-endian bytes."""
    if at + 8 > len(data):
        raise Malformed("a number is cut short", at)
    return _U64.unpack_from(data, at)[0], at + 8


def take(data: Buffer, at: int, nbytes: int) -> tuple[Buffer, int]:
    """Read ``nbytes`` bytes; of a memoryview, without a copy."""
    if nbytes < 0 or at + nbytes > len(data):
        raise Malformed(f"{nbytes:,} bytes are stated where {max(0, len(data) - at):,} are left", at)
    return data[at : at + nbytes], at + nbytes


def text(data: Bytes) -> str:
    """Decode UTF-8, keeping bytes that are none as surrogates."""
    return str(data, "utf-8", "surrogateescape")


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a message: its name in the result, its wire type, and how its value is decoded."""

    name: str
    wire: int
    decode: Decoder
    repeated: bool = False
    message: Message | None = None
    """What a field holds that is itself a message."""

    def decoded(self, value: int | Bytes, allowance: Allowance) -> Any:
        """Return a value of this field's wire type, decoded."""
        if self.message is not None and isinstance(value, memoryview):
            return self.message.decode(value, allowance)
        return self.decode(value)


class Message(msgspec.Struct, frozen=True):
    """A message's fields by number. Fields that are not in the table are passed over."""

    fields: Mapping[int, Field] = msgspec.field(default_factory=dict)

    @property
    def cost(self) -> int:
        """What a message takes in memory, however few bytes it has: a dictionary, and a list per repeated field."""
        return 2 + sum(each.repeated for each in self.fields.values())

    def decode(self, data: Bytes, allowance: Allowance | None = None) -> dict[str, Any]:
        """Return the fields that are present; a repeated field is a list, and always there.

        Every value counts against the ``allowance``, which may be that of many messages; None is one of its own.
        """
        allowance = allowance or Allowance(MESSAGE_COST, "values")
        allowance.take(self.cost)
        data = memoryview(data)  # what is passed over is not copied
        result: dict[str, Any] = {f.name: [] for f in self.fields.values() if f.repeated}
        at, end = 0, len(data)
        while at < end:
            tag, at = varint(data, at)
            value, at = _wire_value(data, at, tag & 7)
            entry = self.fields.get(tag >> 3)
            if entry is None:
                continue
            allowance.take(1, at)
            if entry.wire != tag & 7:
                numbers = _packed(entry, value, tag & 7, at, allowance)
                result[entry.name] += numbers
            elif entry.repeated:
                result[entry.name].append(entry.decoded(value, allowance))
            else:
                result[entry.name] = entry.decoded(value, allowance)
        return result


def _packed(entry: Field, value: int | Bytes, wire: int, at: int, allowance: Allowance) -> list[Any]:
    """Read a packed list of numbers; any other wire type than the table's is an error."""
    if not (entry.repeated and entry.wire == VARINT and wire == DELIMITED and isinstance(value, memoryview)):
        raise Malformed(f"the field {entry.name!r} has the wire type {wire}", at)
    numbers, inner = [], 0
    while inner < len(value):
        allowance.take(1, at)
        number, inner = varint(value, inner)
        numbers.append(entry.decode(number))
    return numbers


def _wire_value(data: memoryview, at: int, wire: int) -> tuple[int | Bytes, int]:
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


def _number(value: int | Bytes) -> Any:
    return value


def _bytes(value: Bytes) -> bytes:
    return bytes(value)


def int_field(name: str, *, repeated: bool = False) -> Field:
    """Describe an int64, int32 or enum field."""
    return Field(name=name, wire=VARINT, decode=signed, repeated=repeated)  # type: ignore[arg-type]


def bool_field(name: str) -> Field:
    """Describe a bool field."""
    return Field(name=name, wire=VARINT, decode=bool)


def fixed32_field(name: str) -> Field:
    """Describe a fixed32 field."""
    return Field(name=name, wire=FIXED32, decode=_number)


def bytes_field(name: str, *, repeated: bool = False) -> Field:
    """Describe a bytes field."""
    return Field(name=name, wire=DELIMITED, decode=_bytes, repeated=repeated)  # type: ignore[arg-type]


def text_field(name: str, *, repeated: bool = False) -> Field:
    """Describe a string field."""
    return Field(name=name, wire=DELIMITED, decode=text, repeated=repeated)  # type: ignore[arg-type]


def message_field(name: str, message: Message, *, repeated: bool = False) -> Field:
    """Describe a field that holds another message."""
    return Field(name=name, wire=DELIMITED, decode=_bytes, repeated=repeated, message=message)  # type: ignore[arg-type]
