"""The parts of JSON documents that verbs share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ckptread.reader import Reader
from ckptread.reports.document import Document
from ckptread.tensors import Finding, Severity, TensorInfo


class CheckpointDocument(Document, kw_only=True):
    """What was opened, as what, and who reads the values."""

    path: str
    format: str
    backend: str
    metadata: dict[str, str]
    """What the file says of itself: text by name."""


class TensorDocument(msgspec.Struct, kw_only=True):
    """One tensor of a listing."""

    key: str
    variable: str | None
    layer: str | None
    role: str | None
    trainable: bool | None
    shape: tuple[int, ...] | None
    dtype: str
    parameters: int
    nbytes: int
    file: str | None
    """Where its bytes are, if they are one run."""
    offset: int | None
    alias_of: str | None
    """The key of the tensor whose bytes in the file these are."""
    copy_of: str | None
    """The key of the tensor that is the same variable, stored a second time."""
    problem: str | None
    """Why it cannot be read."""


class FindingDocument(msgspec.Struct, kw_only=True):
    """Something that is wrong with a file, or worth knowing of it."""

    code: str
    """What it is, by a stable word: docs/verify.md lists them."""
    severity: Severity
    message: str
    key: str | None
    file: str | None
    offset: int | None
    advice: str


def checkpoint_fields(reader: Reader) -> dict[str, Any]:
    """Return the fields of a CheckpointDocument."""
    return {
        "path": reader.path, "format": reader.format, "backend": reader.backend, "metadata": dict(reader.metadata)
    }  # fmt: skip


def tensor_fields(info: TensorInfo) -> dict[str, Any]:
    """Return the fields of a TensorDocument."""
    extent = info.extent
    return {
        "key": info.key, "variable": info.variable, "layer": info.layer, "role": info.role,
        "trainable": info.trainable, "shape": info.shape, "dtype": info.dtype_name, "parameters": info.size,
        "nbytes": info.nbytes, "file": extent.file if extent else None, "offset": extent.offset if extent else None,
        "alias_of": info.alias_of, "copy_of": info.copy_of, "problem": info.problem,
    }  # fmt: skip


def finding_documents(found: Iterable[Finding]) -> list[FindingDocument]:
    """Return what is wrong with a file."""
    fields = FindingDocument.__struct_fields__
    return [FindingDocument(**{name: getattr(finding, name) for name in fields}) for finding in found]
