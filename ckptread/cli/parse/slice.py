"""numpy's slices, as they are typed on a command line."""

from __future__ import annotations

import re

from ckptread.errors import UsageError
from ckptread.slicing import Index
from ckptread.wording import quoted

_INTEGER = r"[-+]?\d{1,99}"
_ITEM = re.compile(
    rf"(?P<index>{_INTEGER})|(?P<dots>\.\.\.)"
    rf"|(?P<start>({_INTEGER})?):(?P<stop>({_INTEGER})?)(:(?P<step>({_INTEGER})?))?"
)


def parse_slice(text: str | None) -> tuple[Index, ...]:
    """Return the selection that ``text`` means: ``'0:10, :'``; None is everything. Raises UsageError.

    >>> parse_slice("3, ::2, ...")
    (3, slice(None, None, 2), Ellipsis)
    """
    if text is None or not text.strip(" []"):
        return ()
    return tuple(_item(part.strip()) for part in text.strip().strip("[]").rstrip(", ").split(","))


def _item(text: str) -> Index:
    found = _ITEM.fullmatch(text.replace(" ", ""))
    if found is None:
        raise UsageError(f"{quoted(text)} is not a slice. Use numpy syntax: '0:10, :, 3'")
    if found["index"]:
        return int(found["index"])
    if found["dots"]:
        return ...
    start, stop, step = (int(part) if part else None for part in (found["start"], found["stop"], found["step"]))
    if step == 0:
        raise UsageError("a slice's step is not 0")
    return slice(start, stop, step)
