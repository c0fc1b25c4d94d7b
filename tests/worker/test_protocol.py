"""The messages between a worker and its parent: every one travels exactly, and nothing else is taken for one."""

import io
import math
import types
import typing
from itertools import cycle, islice

import msgspec
import pytest

from ckptread.worker import protocol

TEXTS = ["w", "", "caf\u00e9", "\udcff\udc80/w:0", "\ud800", "a\0b\x1b[31m", "\U0001f600"]
NUMBERS = [0, 1, 2**63, 2**64 + 1, 10**30]
FLOATS = [math.nan, math.inf, -math.inf, -0.0, 5e-324]
MESSAGES = typing.get_args(protocol.Opening) + typing.get_args(protocol.Question) + typing.get_args(protocol.Reply)


def samples(kind):
    """Return some values of a type: whatever is hard to send."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return [value for each in inner for value in samples(each)]
    if origin is typing.Literal:
        return list(inner)
    if origin is typing.Annotated:
        return samples(inner[0])
    if origin is list:
        return [[], samples(inner[0])]
    if origin is tuple:
        return [(), tuple(samples(inner[0]))] if inner[-1] is ... else list(zip(*map(samples, inner), strict=True))
    if origin is dict:
        named = {f"{number}\udc80": value for number, value in enumerate(samples(inner[1]))}
        return [{}, named, dict.fromkeys(TEXTS, samples(inner[1])[0])]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return filled(kind)
    return {str: TEXTS, int: NUMBERS, float: FLOATS, bool: [False, True], bytes: [b"", bytes(range(256))],
            type(None): [None]}[kind]  # fmt: skip


def filled(struct):
    """Return messages of a type in which every field takes each of its samples at least once."""
    fields = {name: samples(kind) for name, kind in typing.get_type_hints(struct, include_extras=True).items()}
    count = max(map(len, fields.values()), default=1)
    columns = {name: list(islice(cycle(values), count)) for name, values in fields.items()}
    return [struct(**{name: column[row] for name, column in columns.items()}) for row in range(count)]


def same(one, other):
    """Whether two values are equal in type and to the bit; NaN is itself."""
    return repr(msgspec.to_builtins(one)) == repr(msgspec.to_builtins(other))


def sent(message, kinds):
    pipe = io.BytesIO()
    protocol.write_message(pipe, message)
    frame = pipe.getvalue()
    assert int.from_bytes(frame[:4], "little") == len(frame) - 4
    return protocol.parse_message(frame[4:], kinds)


@pytest.mark.parametrize("struct", MESSAGES, ids=lambda struct: struct.__name__)
def test_every_message_travels_exactly(struct):
    kinds = next(k for k in (protocol.Opening, protocol.Question, protocol.Reply) if struct in typing.get_args(k))
    for message in filled(struct):
        received = sent(message, kinds)
        assert type(received) is struct
        assert same(received, message)


def test_the_samples_hold_what_is_hard():
    entries = [entry for message in filled(protocol.Entries) for entry in message.entries]
    values = [v for e in entries if isinstance(e, protocol.FoundAttributes) for v in e.attributes.values()]
    floats = [value for value in values if isinstance(value, float)]
    assert any(map(math.isnan, floats))
    assert {math.inf, -math.inf} <= set(floats)
    assert 2**64 + 1 in values
    assert any(isinstance(value, str) and "\udcff" in value for value in values)
    assert any(isinstance(e, protocol.FoundDataset) and "\udcff" in e.key for e in entries)


@pytest.mark.parametrize("data", [
    b"", b"[]", b"null", b"{}", b"{", b"[}", b'"Ready"', b'{"type": "x"}', b'{"type": 5}', b'{"type": "ListDatasets"}',
    b'{"type": "Values"}', b'{"type": "Values", "nbytes": -1}', b'{"type": "Values", "nbytes": true}',
    b'{"type": "Values", "nbytes": 1.5}', b'{"type": "Values", "nbytes": NaN}', b'{"type": "Values", "nbytes": "1"}',
    b'{"type": "\\udc80"}', b'{"type": "Values", "nbytes": 1, "\\udc80": 1}',
    b'{"type": "Entries", "entries": [{"type": "Ready"}]}', b"[" * 100_000, b"\xff\xfe", b"9" * 5000,
    b'{"type": "Values", "nbytes": %s}' % (b"9" * 5000),
], ids=lambda data: repr(data[:40]))  # fmt: skip
def test_what_is_no_reply_is_a_value_error(data):
    with pytest.raises(ValueError):  # noqa: PT011 - json's and msgspec's own, of whatever wording
        protocol.parse_message(data, protocol.Reply)
