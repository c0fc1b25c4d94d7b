"""What a pickle is made of, and the machine that it is a program for: a stack, marks in it, and a memo.

Every name in a pickle stays a name, and every call a record of what would be called. Dictionaries are lists of pairs,
so that nothing of the file is hashed or compared.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from ckptread.limits import PICKLE_CONTAINERS
from ckptread.untrusted.binary import Allowance

CALL_COST, DICT_COST = 3, 2

CALL_COST, DICT_COST = 3, 2
"""The memory of a call and a dictionary, compared with that of a tuple."""


class PickledName:
    """A class or a function that a pickle names: it is not looked for."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class PickledCall:
    """What a pickle would make by a call, with what it would put into the result."""

    __slots__ = ("arguments", "function", "items", "pairs", "state")

    def __init__(self, function: Any, arguments: Any) -> None:
        self.function = function
        self.arguments = arguments
        self.state: Any = None
        self.pairs: list[tuple[Any, Any]] = []
        self.items: list[Any] = []

    @property
    def name(self) -> str:
        """What is called; "" where that is not a name."""
        return self.function.text if isinstance(self.function, PickledName) else ""


class PickledDict:
    """A dictionary, as pairs in the order of the file."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[Any, Any]] | None = None) -> None:
        self.pairs: list[tuple[Any, Any]] = [] if pairs is None else pairs


class PickledReference:
    """A persistent id: something that the program which wrote the pickle stored elsewhere."""

    __slots__ = ("identity",)

    def __init__(self, identity: Any) -> None:
        self.identity = identity


class PickleMachine:
    """The state of a pickle in ``data`` that is read from byte ``at`` on."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at
        self.stack: list[Any] = []
        self.names: dict[str, None] = {}
        """The classes and functions that it names, in order."""
        self.references: list[PickledReference] = []
        self._marks: list[list[Any]] = []
        self._memo: list[Any] = []
        self._far: dict[int, Any] = {}  # what is stored out of order
        self._containers = Allowance(PICKLE_CONTAINERS, "objects")

    def take(self, nbytes: int) -> bytes:
        """Return the next bytes of the pickle."""
        end = self.at + nbytes
        if nbytes < 0 or end > len(self.data):
            self.at = len(self.data)
            raise IndexError
        part = self.data[self.at : end]
        self.at = end
        return part

    def number(self, kind: Struct) -> Any:
        """Return the next number."""
        value = kind.unpack_from(self.data, self.at)[0]
        self.at += kind.size
        return value

    def line_bytes(self) -> bytes:
        """Return the bytes up to the end of the line."""
        begun, end = self.at, self.data.index(b"\n", self.at)
        self.at = end + 1
        return self.data[begun:end]

    def line(self) -> str:
        """Return the text up to the end of the line."""
        return self.line_bytes().decode("utf-8", "surrogateescape")

    def push(self, value: Any, cost: int = 1) -> None:
        """Put a new object onto the stack, and count it: ``cost`` is its memory, compared with that of a tuple."""
        self._containers.take(cost, self.at)
        self.stack.append(value)

    def mark(self) -> None:
        """Begin a list of values."""
        self._containers.take(1, self.at)
        self._marks.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        """Return the values since the last mark, and take them from the stack."""
        values, self.stack = self.stack, self._marks.pop()
        return values

    def store(self, index: int) -> None:
        """Remember what is on top of the stack."""
        value = self.stack[-1]
        if index == len(self._memo):
            self._memo.append(value)
        elif index < len(self._memo):
            self._memo[index] = value
        else:
            self._containers.take(1, self.at)
            self._far[index] = value

    def store_next(self) -> None:
        """Remember what is on top of the stack under the next number."""
        self.store(len(self._memo) + len(self._far))

    def recall(self, index: int) -> None:
        """Put what was remembered onto the stack."""
        self.stack.append(self._memo[index] if index < len(self._memo) else self._far[index])

    def push_name(self, module: str, name: str) -> None:
        """Put the name of a class or a function onto the stack."""
        text = f"{module}.{name}"
        self.names[text] = None
        self.push(PickledName(text))

    def push_reference(self, identity: Any) -> None:
        """Put a persistent id onto the stack."""
        reference = PickledReference(identity)
        self.references.append(reference)
        self.push(reference)

    def push_call(self, arguments: Any) -> None:
        """Put a call of what is on top of the stack in its place."""
        self.push(PickledCall(self.stack.pop(), arguments), CALL_COST)
