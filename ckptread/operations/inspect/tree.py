"""A listing as a tree of path components, with the totals of every branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ckptread.limits import MAX_NAME_DEPTH, ROWS_BYTES
from ckptread.reports.cells import bytes_text, dtype_text, name_text, shape_text
from ckptread.reports.report import Table
from ckptread.tensors import TensorInfo

BRANCH_BYTES = 400
"""What a branch counts for beside its path: what it takes in memory, with its row."""


class Branch(msgspec.Struct):
    """One component of the names: the tensors that end here, and the branches that go on."""

    name: str
    tensors: list[TensorInfo] = msgspec.field(default_factory=list)
    branches: dict[str, Branch] = msgspec.field(default_factory=dict)
    parameters: int = 0
    nbytes: int = 0


def tree_table(
    tensors: Sequence[TensorInfo], *, by_key: bool, depth: int | None, exact: bool = False, mark: str = "/"
) -> Table:
    """Return the rows of a tree; branches below ``depth`` are summed up in their parent's row.

    ``exact`` gives whole paths and plain numbers, for machines; a row without a dtype is a branch.
    """
    root = grow(tensors, by_key=by_key, mark=mark)
    rows = _paths(root, depth, mark) if exact else _drawn(root, depth, mark)
    return Table(["name", "dtype", "shape", ">parameters", ">bytes"], list(rows), ("bytes", "parameters", "dtype"))


def grow(tensors: Iterable[TensorInfo], *, by_key: bool, mark: str = "/") -> Branch:
    """Return the tree of these tensors' names."""
    root, left = Branch(""), ROWS_BYTES
    for tensor in tensors:
        name, branch, end = tensor.key if by_key else tensor.name, root, 0
        for part in name.split(mark, MAX_NAME_DEPTH) if left > 0 else [name]:
            end += len(part) + 1
            if part not in branch.branches:
                branch.branches[part] = Branch(part)
                left -= BRANCH_BYTES + end
            branch = branch.branches[part]
            if tensor.repeats is None:
                branch.parameters += tensor.size
                branch.nbytes += tensor.nbytes
        branch.tensors.append(tensor)
    return root


def _paths(root: Branch, depth: int | None, mark: str) -> Iterator[list[str]]:
    """Yield a row per branch with its path, for programs. It walks with a stack: names may have many components."""
    stack = [(child, "", depth) for child in reversed(root.branches.values())]
    while stack:
        node, before, left = stack.pop()
        yield [name_text(before + node.name), *_cells(node, exact=True)]
        if left is None or left > 1:
            deeper = None if left is None else left - 1
            stack += [(child, f"{before}{node.name}{mark}", deeper) for child in reversed(node.branches.values())]


def _drawn(root: Branch, depth: int | None, mark: str) -> Iterator[list[str]]:
    """Yield a row per branch as a tree is drawn: each with a line to the branch that it belongs to."""
    stack = [(child, "", "", depth) for child in reversed(root.branches.values())]
    while stack:
        node, before, below, left = stack.pop()
        yield [before + _label(node, left, mark), *_cells(node, exact=False)]
        if left is None or left > 1:
            deeper = None if left is None else left - 1
            stack += reversed(
                [(child, below + line, below + next_lines, deeper) for child, line, next_lines in _lines(node)]
            )


def _lines(node: Branch) -> Iterator[tuple[Branch, str, str]]:
    """Yield the branches of a branch, each with what is drawn before its name, and before all that is in it."""
    branches = list(node.branches.values())
    yield from ((child, "├─ ", "│  ") for child in branches[:-1])
    yield from ((child, "└─ ", "   ") for child in branches[-1:])


def _label(node: Branch, left: int | None, mark: str) -> str:
    folded = node.branches and left == 1
    return name_text(node.name) + (mark if node.branches else "") + (" …" if folded else "")


def _cells(node: Branch, *, exact: bool) -> list[str]:
    only = node.tensors[0] if node.tensors else None
    described = [dtype_text(only.dtype_name), shape_text(only.shape)] if only else ["", ""]
    if exact:
        return [*described, str(node.parameters), str(node.nbytes)]
    return [*described, f"{node.parameters:,}", bytes_text(node.nbytes)]
