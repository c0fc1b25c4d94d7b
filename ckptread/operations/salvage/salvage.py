"""What is whole of a damaged checkpoint, saved: a .npy file per tensor, and a manifest that says what was lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ckptread.errors import CheckpointError
from ckptread.operations.extract.conversion_plan import Conversion
from ckptread.operations.extract.file_names import file_names
from ckptread.operations.extract.npy_files import write_or_skip
from ckptread.operations.extract.written import SkippedTensor
from ckptread.operations.verify.verify import Verification
from ckptread.reader import Reader, Tensor
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.writing import make_folder, written_whole
from ckptread.tensors import Finding, TensorInfo
from ckptread.untrusted.json_text import as_json

MANIFEST = "manifest.json"

Trust = Literal["checked", "unchecked", "doubtful"]


class SavedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor that was written."""

    tensor: TensorInfo
    file: str
    """Its name in the folder."""
    dtype: str
    """The dtype in the file."""
    note: str
    """What was done to the values, or ""."""
    sha256: str
    """Of the file, in hexadecimal."""
    trust: Trust
    """'checked': a checksum agrees; 'unchecked': there is none; 'doubtful': one over it, or over its name, is wrong."""


class LostTensor(msgspec.Struct, frozen=True):
    """A tensor that could not be saved."""

    tensor: TensorInfo
    reason: str


class Salvage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a checkpoint."""

    path: str
    format: str
    saved: tuple[SavedTensor, ...]
    lost: tuple[LostTensor, ...]
    findings: tuple[Finding, ...]
    """Errors and warnings on the file as a whole, and on tensors."""

    @property
    def whole(self) -> bool:
        """Whether nothing is lost or in doubt, as far as that can be told."""
        errors = [finding for finding in self.findings if finding.severity == "error"]
        return not self.lost and not errors and all(saved.trust != "doubtful" for saved in self.saved)


def salvage(
    reader: Reader,
    verification: Verification,
    folder: str,
    *,
    raw: bool = False,
    force: bool = False,
    meter: Meter = SILENT,
) -> Iterator[SavedTensor | LostTensor]:
    """Save each tensor that can be read into a folder, which is made if need be; second names are left out.

    ``verification`` is what ``verify`` found of the same reader. A tensor with an error of its own is lost; one that
    lies within wrong bytes is saved, and called doubtful. ``raw`` keeps the bits of what .npy cannot hold. Raises
    CheckpointError only where the folder cannot be written, or a file is there and not to be replaced.
    """
    make_folder(folder)
    if os.path.lexists(os.path.join(folder, MANIFEST)) and not force:
        raise CheckpointError(os.path.join(folder, MANIFEST), "the file exists", advice="--force replaces it")
    reasons = {f.key: f.message for f in verification.findings if f.key is not None and f.severity == "error"}
    trust = _trust(verification)
    tensors = [info for info in reader.tensors.values() if info.alias_of is None]
    for info, name in zip(tensors, file_names(tensors), strict=True):
        if info.key in reasons or info.problem is not None:
            yield LostTensor(info, reasons.get(info.key, info.problem or ""))
        else:
            target = os.path.join(folder, name + ".npy")
            yield _save(reader, trust.get(info.key, "checked"), info, target, raw, force, meter)


def _save(
    reader: Reader,
    trust: Trust,
    info: TensorInfo,
    target: str,
    raw: bool,
    force: bool,
    meter: Meter,
) -> SavedTensor | LostTensor:
    tensor = Tensor(reader, info)
    written = write_or_skip(tensor, target, conversion=Conversion(raw=raw), force=force, meter=meter)
    if isinstance(written, SkippedTensor):
        return LostTensor(info, written.error.problem)
    name = os.path.basename(target)
    return SavedTensor(
        tensor=info, file=name, dtype=written.dtype, note=written.note, sha256=_sha256(target), trust=trust
    )


def _trust(verification: Verification) -> dict[str | None, Trust]:
    """Return, by key, what is not to be trusted as what is checked is."""
    trust: dict[str | None, Trust] = {info.key: "unchecked" for info in verification.unchecked}
    trust |= dict.fromkeys(verification.doubtful, "doubtful")
    return trust | {f.key: "doubtful" for f in verification.findings if f.severity == "warning"}


def _sha256(path: str) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def gathered(reader: Reader, verification: Verification, outcomes: Sequence[SavedTensor | LostTensor]) -> Salvage:
    """Return what became of a checkpoint as a whole."""
    return Salvage(
        path=reader.path,
        format=reader.format,
        saved=tuple(outcome for outcome in outcomes if isinstance(outcome, SavedTensor)),
        lost=tuple(outcome for outcome in outcomes if isinstance(outcome, LostTensor)),
        findings=tuple(finding for finding in verification.findings if finding.severity != "note"),
    )


def write_manifest(document: Mapping[str, Any], folder: str, *, force: bool = False) -> str:
    """Write the manifest into the folder, and return its path. Raises CheckpointError."""
    target = os.path.join(folder, MANIFEST)
    with written_whole(target, force) as file:
        for piece in as_json(document):
            file.write(piece.encode())
    return target
