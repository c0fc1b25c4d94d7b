"""Save what is intact of a damaged checkpoint: a .npy file per tensor, and a manifest that lists what was lost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from ckptread.errors import CheckpointError
from ckptread.formats.registry import ONE_ARRAY
from ckptread.operations.extract.file_names import file_names
from ckptread.operations.extract.files import write_or_skip
from ckptread.operations.extract.outgoing import Writing
from ckptread.operations.extract.written import SkippedTensor
from ckptread.operations.opening import Checkpoint, opened_remains
from ckptread.operations.verify.verify import Verification, bytes_to_verify, verify_reader
from ckptread.reader import BLOCK_BYTES, Reader, Tensor
from ckptread.reports.json import as_json
from ckptread.reports.report import Report, Reportable
from ckptread.storage.addresses import find_storage, kind_of
from ckptread.storage.progress import SILENT, Meter, Progress
from ckptread.storage.writing import make_folder, open_complete
from ckptread.tensors import Finding, TensorInfo
from ckptread.wording import quoted

MANIFEST = "manifest.json"
_CIRCULAR = re.compile(r"[,;][^,;]*'ckptread salvage'[^,;]*")

Trust = Literal["checked", "unchecked", "doubtful"]


class SavedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor that was saved."""

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


class Salvage(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """What was saved of a checkpoint, and what was lost. It is true where nothing is lost or in doubt."""

    path: str
    format: str
    folder: str
    """Where the .npy files and the manifest were written."""
    saved: tuple[SavedTensor, ...]
    lost: tuple[LostTensor, ...]
    findings: tuple[Finding, ...]
    """Errors and warnings on the file as a whole, and on tensors."""

    @property
    def manifest(self) -> str:
        """The path of the manifest."""
        return os.path.join(self.folder, MANIFEST)

    @property
    def whole(self) -> bool:
        """Whether nothing is lost or in doubt, as far as that is known."""
        errors = [finding for finding in self.findings if finding.severity == "error"]
        return not self.lost and not errors and all(saved.trust != "doubtful" for saved in self.saved)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 where everything is intact, else 1."""
        return int(not self.whole)

    def __bool__(self) -> bool:
        return self.whole

    def report(self) -> Report:
        """Return what ``ckptread salvage`` prints."""
        from ckptread.operations.salvage.report import SalvageReport

        return SalvageReport(self)

    def __repr__(self) -> str:
        return f"<Salvage of {quoted(self.path)}: {len(self.saved):,} saved, {len(self.lost):,} lost>"


def salvage(
    checkpoint: Checkpoint,
    output: str | os.PathLike[str],
    *,
    raw: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Salvage:
    """Save what is intact of a damaged checkpoint into the folder ``output``: a .npy file per tensor, and a manifest.

    The folder is made if needed. ``raw`` keeps the bits of dtypes that .npy cannot hold (bfloat16) as unsigned
    integers; ``force`` replaces existing files. Raises CheckpointError where nothing can be found in the checkpoint,
    where the folder cannot be written, and where a file exists.

    >>> import ckptread, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ckptread.salvage("fixtures/tf-object/ckpt-1", folder)
    <Salvage of 'fixtures/tf-object/ckpt-1': 17 saved, 0 lost>
    """
    folder = os.fspath(output)
    with _advising_nothing_circular(), opened_remains(checkpoint) as reader:
        meter = Meter(progress, 2 * bytes_to_verify(reader))
        verification = verify_reader(reader, meter)
        results = list(save_tensors(reader, verification, folder, raw=raw, force=force, meter=meter))
    found = Salvage(
        path=reader.path,
        format=reader.format,
        folder=folder,
        saved=tuple(result for result in results if isinstance(result, SavedTensor)),
        lost=tuple(result for result in results if isinstance(result, LostTensor)),
        findings=tuple(
            msgspec.structs.replace(finding, advice=_not_circular(finding.advice))
            for finding in verification.findings
            if finding.severity != "note"
        ),
    )
    _write_manifest(found, force)
    return found


def _not_circular(advice: str) -> str:
    """Return advice without the part that recommends the command that is running."""
    return _CIRCULAR.sub("", advice)


@contextmanager
def _advising_nothing_circular() -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        error.advice = _not_circular(error.advice)
        raise


def save_tensors(
    reader: Reader,
    verification: Verification,
    folder: str,
    *,
    raw: bool = False,
    force: bool = False,
    meter: Meter = SILENT,
) -> Iterator[SavedTensor | LostTensor]:
    """Save each readable tensor into a folder; second names are left out.

    ``verification`` is of the same reader. A tensor with an error of its own is lost; one among wrong bytes is saved
    as doubtful. Raises CheckpointError only where the folder cannot be written, or a file exists.
    """
    make_folder(folder)
    if kind_of(os.path.join(folder, MANIFEST)) and not force:
        raise CheckpointError(os.path.join(folder, MANIFEST), "the file exists", advice="--force replaces it")
    reasons = {f.key: f.message for f in verification.findings if f.key is not None and f.severity == "error"}
    trust = _trust(verification)
    tensors = [info for info in reader.tensors.values() if info.alias_of is None]
    for info, name in zip(tensors, file_names(tensors), strict=True):
        if info.key in reasons or info.problem is not None:
            yield LostTensor(info, reasons.get(info.key, info.problem or ""))
        else:
            target = os.path.join(folder, name + ONE_ARRAY.endings[0])
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
    written = write_or_skip(tensor, target, Writing(raw=raw, force=force, meter=meter))
    if isinstance(written, SkippedTensor):
        return LostTensor(info, written.error.problem)
    name = os.path.basename(target)
    return SavedTensor(
        tensor=info, file=name, dtype=written.dtype, note=written.note, sha256=_sha256(target), trust=trust
    )


def _trust(verification: Verification) -> dict[str | None, Trust]:
    """Return, by key, the trust in tensors that is less than 'checked'."""
    trust: dict[str | None, Trust] = {info.key: "unchecked" for info in verification.unchecked}
    trust |= dict.fromkeys(verification.doubtful, "doubtful")
    return trust | {f.key: "doubtful" for f in verification.findings if f.severity == "warning"}


def _sha256(path: str) -> str:
    import hashlib

    found = hashlib.sha256()
    storage, name = find_storage(path)
    with storage.open(name) as source:
        for at in range(0, source.size, BLOCK_BYTES):
            found.update(source.read(at, min(BLOCK_BYTES, source.size - at)))
    return found.hexdigest()


def _write_manifest(found: Salvage, force: bool) -> None:
    """Write the manifest into the folder. Raises CheckpointError."""
    with open_complete(found.manifest, force) as file:
        for piece in as_json(found.report()):
            file.write(piece.encode())
