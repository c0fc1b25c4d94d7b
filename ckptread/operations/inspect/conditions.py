"""Conditions on tensors, such as ``nan>0`` or ``dtype=bfloat16``: one comparison each."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import UsageError
from ckptread.tensors import TensorInfo
from ckptread.wording import quoted

if TYPE_CHECKING:
    from ckptread.values.running_statistics import Statistics

TEXTS: dict[str, Callable[[TensorInfo], str]] = {
    "dtype": lambda tensor: tensor.dtype_name, "name": lambda tensor: tensor.name, "key": lambda tensor: tensor.key,
    "layer": lambda tensor: tensor.layer or "", "role": lambda tensor: tensor.role or "",
    "shape": lambda tensor: str(tensor.shape),
    "trainable": lambda tensor: {True: "yes", False: "no", None: "unknown"}[tensor.trainable],
}  # fmt: skip
NUMBERS: dict[str, Callable[[TensorInfo], int]] = {
    "size": lambda tensor: tensor.nbytes, "bytes": lambda tensor: tensor.nbytes,
    "parameters": lambda tensor: tensor.size, "rank": lambda tensor: len(tensor.shape or ()),
}  # fmt: skip
STATISTICS = {
    "nan": "nans", "inf": "infs", "zeros": "zeros", "min": "minimum", "max": "maximum", "mean": "mean", "std": "std",
    "l2": "l2",
}  # fmt: skip
"""Fields that need all values, and what they are called in Statistics."""
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
WRITTEN = re.compile(r"\s*(\w+)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
MULTIPLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
"""Sizes are shown in KiB and MiB: 1M of bytes is 1 MiB."""
AMOUNT = re.compile(r"([-+]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)


class Condition(msgspec.Struct, frozen=True):
    """One comparison of a field with a value."""

    field: str
    compare: Callable[[Any, Any], bool]
    value: str | float

    @property
    def needs_values(self) -> bool:
        """Whether the field is a statistic: then all values are read."""
        return self.field in STATISTICS

    def holds(self, tensor: TensorInfo, statistics: Statistics | None) -> bool:
        """Whether a tensor meets the condition; one without such a statistic does not."""
        if self.field in TEXTS:
            return self.compare(_plain(TEXTS[self.field](tensor)), self.value)
        if self.field in NUMBERS:
            return self.compare(NUMBERS[self.field](tensor), self.value)
        found = getattr(statistics, STATISTICS[self.field], None)
        return found is not None and self.compare(found, self.value)


def parse_conditions(texts: Iterable[str]) -> list[Condition]:
    """Return the conditions that a user typed. Raises UsageError.

    >>> [condition] = parse_conditions(["size > 1.5M"])
    >>> condition.field, condition.value
    ('size', 1572864.0)
    """
    return [_parse(text) for text in texts]


def _parse(text: str) -> Condition:
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"--where {quoted(text)} is not a comparison: write FIELD OP VALUE, as in 'size>1M'")
    field, sign, value = found[1].lower(), found[2], found[3].strip("'\"")
    if field in TEXTS:
        if sign not in {"=", "==", "!="}:
            raise UsageError(f"--where {quoted(text)}: {field} is text: compare it with = or !=")
        return Condition(field, COMPARISONS[sign], _plain(value))
    if field not in NUMBERS and field not in STATISTICS:
        fields = ", ".join((*TEXTS, *NUMBERS, *STATISTICS))
        raise UsageError(f"--where {quoted(text)}: there is no field {quoted(found[1])}. The fields are {fields}")
    return Condition(field, COMPARISONS[sign], _amount(text, value, BYTES if field in {"size", "bytes"} else MULTIPLES))


def _amount(text: str, value: str, multiples: dict[str, int]) -> float:
    found = AMOUNT.fullmatch(value)
    if found is None:
        raise UsageError(f"--where {quoted(text)}: {quoted(value)} is not a number")
    return float(found[1].replace(",", "").replace("_", "")) * multiples[found[2].lower()]


def _plain(text: str) -> str:
    """Return a text without what users write in several ways: case and blanks."""
    return re.sub(r"\s", "", text).lower()


def meets_all(conditions: Sequence[Condition], tensor: TensorInfo, statistics: Statistics | None = None) -> bool:
    """Whether a tensor meets every condition."""
    return all(condition.holds(tensor, statistics) for condition in conditions)
