"""What each command says in JSON: one documented schema per command, with its number.

docs/cli.md has the schemas. Numbers that JSON cannot hold are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.reader import Reader
from ckptread.tensors import Finding, TensorInfo

if TYPE_CHECKING:  # a listing needs neither, and each takes milliseconds to import
    from ckptread.model import ModelFacts
    from ckptread.operations.diff.diff import Difference, TensorDifference
    from ckptread.operations.inspect.layers import ModelSummary
    from ckptread.operations.inspect.totals import PathTotals, Totals
    from ckptread.values.statistics import Statistics

SCHEMA = 1

Document = dict[str, Any]


def checkpoint(reader: Reader) -> Document:
    """Return what was opened."""
    return {
        "schema": SCHEMA,
        "path": reader.path,
        "format": reader.format,
        "backend": reader.backend,
        "metadata": dict(reader.metadata),
    }


def tensor(info: TensorInfo) -> Document:
    """Return one tensor."""
    return {
        "key": info.key,
        "variable": info.variable,
        "layer": info.layer,
        "role": info.role,
        "trainable": info.trainable,
        "shape": None if info.shape is None else list(info.shape),
        "dtype": info.dtype,
        "parameters": info.size,
        "nbytes": info.nbytes,
        "file": info.extent.file if info.extent else None,
        "offset": info.extent.offset if info.extent else None,
        "alias_of": info.alias_of,
        "problem": info.problem,
    }


def totals(counted: Totals) -> Document:
    """Return what a number of tensors come to."""
    document: Document = msgspec.to_builtins(counted)
    return document


def findings(found: Iterable[Finding]) -> list[Document]:
    """Return what is wrong with a file."""
    return [msgspec.to_builtins(finding) for finding in found]


def inspection(reader: Reader, tensors: Sequence[TensorInfo], counted: Totals) -> Document:
    """Return a listing."""
    return {
        **checkpoint(reader),
        "totals": totals(counted),
        "problems": findings(reader.problems),
        "tensors": [tensor(info) for info in tensors],
    }


def groups(reader: Reader, found: Sequence[PathTotals], counted: Totals) -> Document:
    """Return the totals of path prefixes."""
    return {**checkpoint(reader), "totals": totals(counted), "groups": [msgspec.to_builtins(group) for group in found]}


def model(facts: ModelFacts | None) -> Document | None:
    """Return what a config says of its model, or None where the file holds none."""
    return None if facts is None else msgspec.to_builtins(facts)


def layers(summary: ModelSummary) -> Document:
    """Return the layers of a model, and what they come to."""
    return {
        "totals": msgspec.to_builtins(summary.totals),
        "layers": [msgspec.to_builtins(layer) for layer in summary.layers],
    }


def figures(stats: Statistics) -> Document:
    """Return a tensor's figures."""
    return {
        "count": stats.count,
        "min": number(stats.minimum),
        "max": number(stats.maximum),
        "mean": number(stats.mean),
        "std": number(stats.std),
        "l2": number(stats.l2),
        "zeros": stats.zeros,
        "nan": stats.nans,
        "inf": stats.infs,
    }


def difference(found: Difference, tensors: Sequence[TensorDifference], verdict: str) -> Document:
    """Return a comparison."""
    return {
        "schema": SCHEMA,
        "a": found.a,
        "b": found.b,
        "verdict": "same" if found.same else "different",
        "summary": verdict,
        "tolerance": msgspec.to_builtins(found.tolerance),
        "counts": dict(found.counts),
        "tensors": [tensor_difference(entry) for entry in tensors],
    }


def tensor_difference(entry: TensorDifference) -> Document:
    """Return one compared pair; the figures are null where no values were compared, or all are the same."""
    from ckptread.values.difference import FIGURES

    document: Document = {
        "a": entry.a.key if entry.a else None,
        "b": entry.b.key if entry.b else None,
        "variable": entry.name if (entry.a or entry.b) is not None else None,
        "status": entry.status,
        "differs": entry.differs,
        "reason": entry.reason or None,
        "matched_by": entry.by,
        "certainty": entry.certainty,
        "reshape": list(entry.arrangement.shape) if entry.arrangement else None,
        "axes": list(entry.arrangement.axes) if entry.arrangement else None,
        "suspect": entry.suspect,
        "shape_a": _shape(entry.a),
        "shape_b": _shape(entry.b),
        "dtype_a": entry.a.dtype if entry.a else None,
        "dtype_b": entry.b.dtype if entry.b else None,
    }
    figures = msgspec.to_builtins(entry.change) if entry.change else dict.fromkeys(FIGURES)
    return {**document, **{name: number(value) for name, value in figures.items()}}


def _shape(info: TensorInfo | None) -> list[int] | None:
    return list(info.shape) if info is not None and info.shape is not None else None


def number(value: float | None) -> float | int | str | None:
    """Return a figure as JSON can hold it."""
    if value is None or isinstance(value, int) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
