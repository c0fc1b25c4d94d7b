"""Pickles, read and never run: nothing is imported, and nothing is called.

What it is: a program of opcodes. Specification: Lib/pickletools.py of CPython.
Read here: every opcode of protocols 0 to 5 but extensions and buffers out of band.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, error
from typing import Any

from ckptread.limits import PICKLE_NUMBER_BYTES, PICKLE_OPCODES
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.pickle_machine import CALL_COST, DICT_COST, PickledCall, PickledDict, PickleMachine

_U16, _I32, _U32, _U64, _F64 = Struct("<H"), Struct("<i"), Struct("<I"), Struct("<Q"), Struct(">d")
STOP = ord(".")


def run_pickle(machine: PickleMachine) -> Any:
    """Return what the pickle holds; the machine's ``at`` is behind it then.

    Raises Malformed where it is not a pickle, ends early, or is beyond the limits.
    """
    begun = machine.at
    try:
        for _ in range(PICKLE_OPCODES):
            begun, code = machine.at, machine.data[machine.at]
            machine.at += 1
            if code == STOP:
                return machine.stack.pop()
            OPCODES[code](machine)
    except (IndexError, error):
        problem = "it ends early" if machine.at >= len(machine.data) else "it takes what is not on its stack"
        raise Malformed(problem, begun) from None
    except KeyError:
        raise Malformed("it has an unknown opcode, or asks for what it has not stored", begun) from None
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise Malformed("an opcode does not fit what it is applied to", begun) from None
    raise Malformed(f"it has more than {PICKLE_OPCODES:,} opcodes", begun)


def _reduce(m: PickleMachine) -> None:
    m.push_call(m.stack.pop())


def _new_with_keywords(m: PickleMachine) -> None:
    m.stack.pop()
    m.push_call(m.stack.pop())


def _instance(m: PickleMachine) -> None:
    m.push_name(m.line(), m.line())
    name = m.stack.pop()
    m.push(PickledCall(name, tuple(m.marked())), CALL_COST)


def _marked_object(m: PickleMachine) -> None:
    function, *arguments = m.marked()
    m.push(PickledCall(function, tuple(arguments)), CALL_COST)


def _stack_name(m: PickleMachine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError
    m.push_name(module, name)


def _build(m: PickleMachine) -> None:
    state = m.stack.pop()
    if isinstance(m.stack[-1], PickledCall):
        m.stack[-1].state = state


def _append_all(m: PickleMachine, values: list[Any]) -> None:
    target = m.stack[-1]
    (target.items if isinstance(target, PickledCall) else target).extend(values)


def _append(m: PickleMachine) -> None:
    _append_all(m, [m.stack.pop()])


def _set_all(m: PickleMachine, values: list[Any]) -> None:
    m.stack[-1].pairs.extend(zip(values[::2], values[1::2], strict=True))


def _set(m: PickleMachine) -> None:
    values = m.stack[-2:]
    del m.stack[-2:]
    _set_all(m, values)


def _dictionary(m: PickleMachine) -> None:
    values = m.marked()
    m.push(PickledDict(list(zip(values[::2], values[1::2], strict=True))), DICT_COST)


def _tuple(count: int) -> Callable[[PickleMachine], None]:
    def make(m: PickleMachine) -> None:
        if len(m.stack) < count:
            raise IndexError
        values = tuple(m.stack[-count:])
        del m.stack[-count:]
        m.push(values)

    return make


def _text(size: Callable[[PickleMachine], int]) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(m.take(size(m)).decode("utf-8", "surrogatepass"))


def _bytes(size: Callable[[PickleMachine], int]) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(m.take(size(m)))


def _old_text(size: Callable[[PickleMachine], int]) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(m.take(size(m)).decode("latin-1"))


def _long(size: Callable[[PickleMachine], int]) -> Callable[[PickleMachine], None]:
    def push(m: PickleMachine) -> None:
        nbytes = size(m)
        if nbytes > PICKLE_NUMBER_BYTES:
            raise Malformed(f"it has a number of {nbytes:,} bytes", m.at)
        m.stack.append(int.from_bytes(m.take(nbytes), "little", signed=True))

    return push


def _decimal(m: PickleMachine) -> None:
    text = m.line().removesuffix("L")
    if len(text) > PICKLE_NUMBER_BYTES:
        raise Malformed(f"it has a number of {len(text):,} digits", m.at)
    m.stack.append({"00": False, "01": True}[text] if text in {"00", "01"} else int(text))


def _constant(value: Any) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(value)


def _u8(m: PickleMachine) -> int:
    return m.take(1)[0]


def _u16(m: PickleMachine) -> int:
    return int(m.number(_U16))


def _u32(m: PickleMachine) -> int:
    return int(m.number(_U32))


def _i32(m: PickleMachine) -> int:
    return int(m.number(_I32))


def _u64(m: PickleMachine) -> int:
    return int(m.number(_U64))


OPCODES: dict[int, Callable[[PickleMachine], Any]] = {
    ord("("): PickleMachine.mark,
    ord("0"): lambda m: m.stack.pop() if m.stack else m.marked(),
    ord("1"): PickleMachine.marked,
    ord("2"): lambda m: m.stack.append(m.stack[-1]),
    ord("N"): _constant(None), 0x88: _constant(True), 0x89: _constant(False), ord(")"): _constant(()),
    ord("I"): _decimal, ord("L"): _decimal,
    ord("F"): lambda m: m.stack.append(float(m.line()[:100])),
    ord("J"): lambda m: m.stack.append(_i32(m)),
    ord("K"): lambda m: m.stack.append(_u8(m)),
    ord("M"): lambda m: m.stack.append(_u16(m)),
    ord("G"): lambda m: m.stack.append(m.number(_F64)),
    0x8A: _long(_u8), 0x8B: _long(_i32),
    ord("S"): lambda m: m.stack.append(m.line().strip("'\"")),
    ord("V"): lambda m: m.stack.append(m.line_bytes().decode("raw-unicode-escape")),
    ord("T"): _old_text(_i32), ord("U"): _old_text(_u8),
    ord("X"): _text(_u32), 0x8C: _text(_u8), 0x8D: _text(_u64),
    ord("B"): _bytes(_u32), ord("C"): _bytes(_u8), 0x8E: _bytes(_u64), 0x96: _bytes(_u64),
    ord("}"): lambda m: m.push(PickledDict(), DICT_COST), ord("d"): _dictionary,
    ord("]"): lambda m: m.push([]), ord("l"): lambda m: m.push(m.marked()), 0x8F: lambda m: m.push([]),
    0x91: lambda m: m.push(m.marked()),
    ord("t"): lambda m: m.push(tuple(m.marked())), 0x85: _tuple(1), 0x86: _tuple(2), 0x87: _tuple(3),
    ord("a"): _append, ord("e"): lambda m: _append_all(m, m.marked()), 0x90: lambda m: _append_all(m, m.marked()),
    ord("s"): _set, ord("u"): lambda m: _set_all(m, m.marked()),
    ord("c"): lambda m: m.push_name(m.line(), m.line()), 0x93: _stack_name,
    ord("R"): _reduce, 0x81: _reduce, 0x92: _new_with_keywords, ord("i"): _instance, ord("o"): _marked_object,
    ord("b"): _build,
    ord("P"): lambda m: m.push_reference(m.line()), ord("Q"): lambda m: m.push_reference(m.stack.pop()),
    ord("g"): lambda m: m.recall(int(m.line()[:20])), ord("h"): lambda m: m.recall(_u8(m)),
    ord("j"): lambda m: m.recall(_u32(m)),
    ord("p"): lambda m: m.store(int(m.line()[:20])), ord("q"): lambda m: m.store(_u8(m)),
    ord("r"): lambda m: m.store(_u32(m)), 0x94: PickleMachine.store_next,
    0x80: _u8, 0x95: _u64,
}  # fmt: skip
"""What each opcode does, by its byte."""
