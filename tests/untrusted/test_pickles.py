"""Pickles: read as Python reads them, and never run."""

import collections
import os
import pickle
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.pickle_machine import PickledCall, PickledDict, PickleMachine
from ckptread.untrusted.pickles import run_pickle

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read(data):
    return run_pickle(PickleMachine(data))


def plainly(value):
    """Return what a pickle holds, with Python's own dictionaries."""
    if isinstance(value, PickledDict):
        return {plainly(key): plainly(child) for key, child in value.pairs}
    if isinstance(value, PickledCall) and value.name == "_codecs.encode":
        return value.arguments[0].encode(value.arguments[1])
    if isinstance(value, PickledCall) and value.name in {"__builtin__.bytes", "builtins.bytes"}:
        return b""
    return type(value)(map(plainly, value)) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("protocol", range(6))
@given(value=PLAIN)
def test_plain_values_are_those_that_were_pickled(protocol, value):
    assert plainly(read(pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_a_record(protocol):
    found = read(pickle.dumps(collections.OrderedDict(a=1), protocol))
    assert isinstance(found, PickledCall)
    assert found.name == "collections.OrderedDict"


class Evil:
    """Would run a command."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_called_and_what_would_be_is_named(protocol, tmp_path):
    target = tmp_path / "ran"
    machine = PickleMachine(pickle.dumps([Evil(os.system, (f"touch {target}",)), Evil(eval, ("1",))], protocol))
    run_pickle(machine)
    assert not target.exists()
    assert set(machine.names) & {"posix.system", "nt.system"}
    assert set(machine.names) & {"builtins.eval", "__builtin__.eval"}


def test_objects_within_themselves_are_read():
    loop = []
    loop.append(loop)
    found = read(pickle.dumps(loop))
    assert found[0] is found


@given(st.binary(max_size=200))
def test_any_bytes_are_a_pickle_or_malformed(data):
    with suppress(Malformed):
        read(data)


@given(value=PLAIN, at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_is_a_pickle_or_malformed(value, at, byte):
    data = bytearray(pickle.dumps(value))
    data[at % len(data)] = byte
    with suppress(Malformed):
        read(bytes(data))


BOMBS = {
    "tuples": b"(" + b")" * 10 + b"0" * 10 + b"]" * 3_000_000 + b".",
    "marks": b"(" * 3_000_000 + b".",
    "opcodes": b"N0" * 5_000_000,
    "memo": b"N" + b"".join(b"r" + struct.pack("<I", 1000 + i) for i in range(3_000_000)) + b".",
    "calls": b"cos\nsystem\n" + b")R" * 1_500_000 + b".",
    "number": b"\x8b" + struct.pack("<i", 1 << 20) + b"\xff" * (1 << 20) + b".",
    "decimal": b"I" + b"9" * 100_000 + b"\n.",
    "text": b"X\xff\xff\xff\xff.",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name):
    with pytest.raises(Malformed):
        read(BOMBS[name])


def test_what_nests_a_million_times_is_taken_apart_again():
    read(b"cos\nsystem\n" + b")R" * 600_000 + b".")
    read(b"N" + b"\x85" * 2_000_000 + b".")
