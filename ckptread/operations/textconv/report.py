"""The text of a checkpoint: a line for what changes together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptread.reports.cells import dtype_text, name_text, number_text, shape_text
from ckptread.reports.report import Line, Report, Table
from ckptread.wording import plural, short

if TYPE_CHECKING:
    from ckptread.operations.each_tensor import TensorResult
    from ckptread.operations.textconv.textconv import CheckpointText, TensorText


class TextReport(Report):
    """A checkpoint as stable text."""

    def __init__(self, found: CheckpointText) -> None:
        self._found = found

    def tables(self) -> list[Table]:
        """Return a row per tensor, and a table of the assets, if there are any."""
        rows = [
            [name_text(result.tensor.name), dtype_text(result.tensor.dtype_name), shape_text(result.tensor.shape),
             result.value.sha256 if result.value is not None else "", name_text(result.problem)]
            for result in self._found.tensors
        ]  # fmt: skip
        assets = [[name_text(asset.name), asset.sha256 or "", name_text(asset.problem)] for asset in self._found.assets]
        tensors = Table(["name", "dtype", "shape", "sha256", "problem"], rows)
        return [tensors, *([Table(["name", "sha256", "problem"], assets)] if assets else [])]

    def lines(self) -> Iterator[Line]:
        """Yield the lines of the text."""
        return map(Line, text_lines(self._found))


def text_lines(found: CheckpointText) -> Iterator[str]:
    """Yield the lines of the text."""
    if found.totals is None:
        yield f"cannot be read as a checkpoint: {found.problem}"
        return
    yield ", ".join([found.format, *map(name_text, found.metadata.values())])
    yield f"{plural(found.totals.tensors, 'tensor')}, {plural(found.totals.parameters, 'parameter')}"
    yield from (f"{finding.severity}: {name_text(finding.message)}" for finding in found.problems)
    for result in found.tensors:
        yield ""
        yield name_text(result.tensor.name)
        yield from _tensor_lines(result)
    for asset in found.assets:
        yield ""
        yield name_text(asset.name)
        yield f"  cannot be read: {name_text(asset.problem)}" if asset.problem else f"  sha256 {asset.sha256}"


def _tensor_lines(result: TensorResult[TensorText]) -> Iterator[str]:
    if result.value is None and not result.problem:
        yield f"  same as {short(result.tensor.repeats or '')}"
        return
    if result.tensor.copy_of is not None:
        yield f"  differs from {short(result.tensor.copy_of)}, of which it is a copy"
    yield f"  {dtype_text(result.tensor.dtype_name)} {shape_text(result.tensor.shape)}"
    if result.value is None:
        yield f"  cannot be read: {name_text(result.problem)}"
        return
    found = result.value.statistics
    if found.l2 is not None:
        values = {"min": found.minimum, "max": found.maximum, "mean": found.mean, "std": found.std, "L2": found.l2}
        yield "  " + "  ".join(f"{name} {number_text(value)}" for name, value in values.items() if value is not None)
    counts = {"zeros": found.zeros, "NaN": found.nans, "Inf": found.infs}
    counted = [f"{name} {count}" for name, count in counts.items() if count is not None]
    if counted or found.unjudged:
        yield "  " + "  ".join([*counted, *([f"{found.unjudged} cannot be judged"] if found.unjudged else [])])
    yield f"  sha256 {result.value.sha256}"
