"""The names of a checkpoint's tensors that begin with what a user typed."""

from __future__ import annotations

from collections.abc import Iterable

from ckptread.errors import CheckpointError, UsageError
from ckptread.wording import escape

MOST = 50
"""Names that are offered complete; of more, only their next parts are, as of files in folders."""


def complete_tensor(path: str, typed: str) -> list[str]:
    """Return the names that begin with ``typed``, as they are printed; of many, up to the next separator of parts.

    Nothing is returned of a checkpoint that cannot be opened: a line that is being typed gets no errors. Nor is one
    opened that is on another machine.
    """
    try:
        return [] if "://" in path else _complete(path, typed)
    except (CheckpointError, UsageError, OSError):
        return []


def _complete(path: str, typed: str) -> list[str]:
    from ckptread.formats.locate import locate
    from ckptread.reader import Remains
    from ckptread.tensors import separator

    found = locate(path)
    paths = [escape(each) for each in found.format.paths(found.storage, found.name, typed) or ()]
    if paths:
        return paths
    with found.format.open(found.storage, found.name, Remains.refused) as reader:
        tensors = [tensor for tensor in reader.tensors.values() if tensor.repeats is None]
        names = _starting(typed, (tensor.name for tensor in tensors)) or _starting(typed, (t.key for t in tensors))
        return names if len(names) <= MOST else _next_parts(names, typed, separator(tensors))


def _starting(typed: str, names: Iterable[str]) -> list[str]:
    if "\\" not in typed:  # which all that is escaped has
        names = (name for name in names if name.startswith(typed))
    return list(dict.fromkeys(name for each in names if (name := escape(each)).startswith(typed)))


def _next_parts(names: list[str], typed: str, mark: str) -> list[str]:
    """Return names up to the first separator behind ``typed``; further where all have it in common."""
    while True:
        ends = [name.find(mark, len(typed)) + 1 or len(name) for name in names]
        parts = list(dict.fromkeys(name[:end] for name, end in zip(names, ends, strict=True)))
        if len(parts) > 1 or not parts or parts[0] in names:
            return parts
        typed = parts[0]
