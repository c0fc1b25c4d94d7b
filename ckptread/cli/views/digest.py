"""Digests, and what came of checking them, as rows and lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ckptread.cli.documents import SCHEMA
from ckptread.operations.digest.digest import Digest, Naming, canonical_dtype
from ckptread.operations.digest.listing import LineResult
from ckptread.reports.cells import name_text
from ckptread.reports.report import Table

WORDS = {"ok": "OK", "unreadable": "FAILED to read", "missing": "FAILED, missing", "unlisted": "FAILED, not listed"}
"""What differs is plainly FAILED, as sha256sum has it."""


def digest_table(found: Digest, naming: Naming) -> Table:
    """Return a row per tensor that could be read, and the whole's as the last."""
    rows = [[entry.figure, name_text(naming(entry.tensor))] for entry in found.tensors if entry.figure is not None]
    last = [] if found.whole is None else [[found.whole, name_text(found.path)]]
    return Table(["sha256", "name"], [*rows, *last])


def check_lines(checked: Sequence[LineResult]) -> Iterator[str]:
    """Yield a line per digest, as ``sha256sum --check`` does."""
    for entry in checked:
        note = f" ({entry.note})" if entry.note and entry.verdict == "ok" else ""
        yield f"{entry.name}: {WORDS.get(entry.verdict, 'FAILED')}{note}"


def check_table(checked: Sequence[LineResult]) -> Table:
    """Return a row per digest."""
    return Table(["name", "verdict", "note"], [[entry.name, entry.verdict, entry.note] for entry in checked])


def digest_document(found: Digest, names: str | None, role: str) -> dict[str, Any]:
    """Return the digests of a checkpoint's tensors, and of the whole."""
    return {
        "role": role,
        "names": names,
        "digest": found.whole,
        "tensors": [
            {
                "key": entry.tensor.key,
                "variable": entry.tensor.variable,
                "shape": None if entry.tensor.shape is None else list(entry.tensor.shape),
                "dtype": entry.tensor.dtype if entry.figure is None else canonical_dtype(entry.tensor.dtype),
                "digest": entry.figure,
                "problem": entry.problem or None,
            }
            for entry in found.tensors
        ],
    }


def check_document(found: Digest, checked: Sequence[LineResult]) -> dict[str, Any]:
    """Return what came of checking a listing."""
    agrees = all(entry.verdict == "ok" for entry in checked)
    return {
        "schema": SCHEMA,
        "path": found.path,
        "digest": found.whole,
        "verdict": "same" if agrees else "different",
        "checked": [{**msgspec.to_builtins(entry), "note": entry.note or None} for entry in checked],
    }
