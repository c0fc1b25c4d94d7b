"""Digests of tensors and of whole checkpoints that do not depend on the container.

The digest of a tensor is the SHA-256 of ``dtype[shape]`` and a newline, followed by its values in C order, little
endian. That of a checkpoint is the SHA-256 of the sorted distinct digests of its tensors, a line for each.
That of an asset is the SHA-256 of its bytes. docs/digest.md has the definition in full, and a program.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Literal

import msgspec

from ckptread.operations.assets import Asset, digest_assets, wanted_assets
from ckptread.operations.copies import copy_notes, tensors_to_judge
from ckptread.operations.digest.canonical import canonical_bytes, canonical_dtype
from ckptread.operations.digest.listing import KnownDigests, LineResult, ListingLine, read_listing
from ckptread.operations.documents import checkpoint_fields
from ckptread.operations.each_tensor import TensorResult, for_each_tensor
from ckptread.operations.notes import role_notes
from ckptread.operations.opening import Checkpoint, as_texts, has_recent_file, opened
from ckptread.reader import Reader, Tensor
from ckptread.reports.report import Report, Reportable
from ckptread.select import filter_tensors, match_tensors
from ckptread.storage.progress import SILENT, Meter, Progress
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.storage.threads import run_in_order
from ckptread.tensors import ITEM_BYTES, TensorInfo
from ckptread.wording import escape, plural, quoted

PART_BYTES = 1 << 20
LARGE_BYTES = 16 << 20
"""A smaller tensor is hashed before threads have begun to read it."""

Naming = Callable[[TensorInfo], str]
"""What a tensor is called where names count."""
NAMINGS: dict[str, Naming] = {"key": attrgetter("key"), "variable": attrgetter("name")}


class Digest(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """The digests of a checkpoint's tensors, and of all together."""

    path: str
    format: str
    backend: str
    metadata: Mapping[str, str]
    role: str
    """The role of the tensors, or 'all'."""
    names: str | None
    """Which names count in ``whole``: 'key' or 'variable'; None for no names."""
    tensors: tuple[TensorResult[str], ...]
    """The digest of each, as 64 hexadecimal digits; of an unreadable tensor, the reason."""
    whole: str | None
    """The digest of all together; None where a tensor could not be read."""
    assets: tuple[Asset, ...] = ()
    """The model's assets, with the digests of their bytes."""
    with_assets: str | None = None
    """The digest of all tensors and assets; None where there are no assets, or one could not be read."""
    checked: tuple[LineResult, ...] | None = None
    """The result for each line of the listing that was given to compare with; None where none was given."""
    notes: tuple[str, ...] = ()
    """What a user should know of the choice of tensors."""

    @property
    def unreadable(self) -> list[TensorResult[str] | Asset]:
        """The tensors and assets that could not be read."""
        return [*(e for e in self.tensors if e.value is None), *(asset for asset in self.assets if asset.problem)]

    @property
    def agrees(self) -> bool:
        """Whether every line of the listing agrees; true where none was given."""
        return all(line.verdict == "ok" for line in self.checked or ())

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, 1 where the listing disagrees, 2 where something could not be read."""
        return 2 if self.unreadable else int(not self.agrees)

    def report(self, *, quiet: bool = False) -> Report:
        """Return what ``ckptread digest`` prints; with ``quiet`` only the lines of a listing that do not agree."""
        from ckptread.operations.digest.report import DigestCheckReport, DigestReport

        return DigestReport(self) if self.checked is None else DigestCheckReport(self, quiet=quiet)

    def __repr__(self) -> str:
        return f"<Digest of {quoted(self.path)}: {plural(len(self.tensors), 'tensor')}, {self.whole or 'unreadable'}>"


def digest(
    checkpoint: Checkpoint,
    patterns: str | Sequence[str] = (),
    *,
    exclude: str | Sequence[str] = (),
    role: str | None = None,
    names: Literal["key", "variable"] | None = None,
    check: str | os.PathLike[str] | bytes | None = None,
    backend: str = "auto",
    progress: Progress | None = None,
) -> Digest:
    """Return a SHA-256 of each tensor's values, and of all together. It is the same in every container.

    ``patterns`` and ``exclude`` are keys, names, paths or globs; ``role`` None takes the model's tensors, 'all' those
    of every role. An alias is left out, and so is a copy that is the same as its original. With ``names`` the names
    count in the digest of all together, and so the places; without, it shows which tensors there are, but not where or
    how often. The assets of the model have digests too, unless patterns or another role leave them out. ``check`` is a
    saved listing to compare with, as a path or as its bytes.

    Raises CheckpointError where the checkpoint cannot be opened or the listing is invalid, TensorNotFoundError for a
    pattern that matches nothing. An unreadable tensor is part of the result.

    >>> import ckptread
    >>> found = ckptread.digest("fixtures/tf-object/ckpt-1")
    >>> found.whole[:16]
    '815e105abd112000'
    >>> found.whole == ckptread.digest("fixtures/tf-object/ckpt-1", names="key").whole
    False
    """
    lines = None if check is None else read_listing(check)
    with opened(checkpoint, backend=backend) as reader:
        matching = match_tensors(reader.path, reader.tensors, as_texts(patterns), as_texts(exclude))
        chosen = tensors_to_judge(reader, filter_tensors(reader.tensors, matching, role or "model"))
        files = wanted_assets(reader, as_texts(patterns), as_texts(exclude), role)
        recent = has_recent_file(reader)
        meter = Meter(progress, sum(tensor.nbytes for tensor in chosen))
        found = digest_tensors(reader, chosen, meter=meter)
        assets = digest_assets(reader, files, meter)
        naming = NAMINGS[names or "variable"]
        whole = whole_digest(found, naming if names else None)
        made = Digest(
            **checkpoint_fields(reader), role=role or "model", names=names, tensors=found, whole=whole, assets=assets,
            with_assets=digest_with_assets(whole, assets), notes=tuple(_notes(reader, chosen, role, recent)),
        )  # fmt: skip
    return made if lines is None else _checked(made, lines)


def _checked(found: Digest, lines: Sequence[ListingLine]) -> Digest:
    """Add the result of comparing with a listing. That of a file without assets is of the tensors alone."""
    naming = NAMINGS[found.names or "variable"]
    tensors = [(escape(naming(entry.tensor)), entry.value) for entry in found.tensors]
    assets = [(escape(asset.name), asset.sha256) for asset in found.assets]
    known = KnownDigests(found.path, tensors, assets, by_name=found.names is not None)
    notes = list(found.notes)
    if assets and len(known.totals_in(lines)) == 1:
        notes.append(f"note: the listing has no assets: {plural(len(assets), 'asset', 'were', 'was')} not compared")
    checked = tuple(known.compare(lines, found.whole, found.with_assets))
    return msgspec.structs.replace(found, checked=checked, notes=tuple(notes))


def _notes(reader: Reader, chosen: Sequence[TensorInfo], role: str | None, recent: bool) -> Iterator[str]:
    yield from role_notes([reader], role)
    if recent and any(info.nbytes and (info.extent is None or info.extent.checksum is None) for info in chosen):
        yield f"note: {escape(reader.path)} changed in the last two seconds: a write during the reading is not detected"
    yield from copy_notes(chosen)
    if not chosen:
        yield f"note: there is no tensor of the role {role or 'model'}; --role all takes all"


def digest_tensors(
    reader: Reader, tensors: Sequence[TensorInfo], *, meter: Meter = SILENT
) -> tuple[TensorResult[str], ...]:
    """Return the digest of each tensor, in order."""
    sizes = [tensor.nbytes for tensor in tensors]
    threads = 1 if max(sizes, default=0) * 2 > sum(sizes) else None  # of one large tensor, the threads read parts
    return tuple(for_each_tensor(reader, tensors, digest_tensor, meter=meter, threads=threads))


def whole_digest(tensors: Sequence[TensorResult[str]], naming: Naming | None = None) -> str | None:
    """Return the digest over the sorted distinct lines; None where a tensor has no digest."""
    import hashlib

    if any(entry.value is None for entry in tensors):
        return None
    lines = {f"{e.value}  {escape(naming(e.tensor))}" if naming else f"{e.value}" for e in tensors}
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


def digest_with_assets(whole: str | None, assets: Sequence[Asset]) -> str | None:
    """Return the digest over that of the tensors and the sorted lines of the assets; None if there is none of one."""
    import hashlib

    if whole is None or not assets or any(asset.problem for asset in assets):
        return None
    lines = [whole, *sorted(f"{asset.sha256}  {escape(asset.name)}" for asset in assets)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def digest_tensor(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor, in hexadecimal digits. Raises CheckpointError as reading does."""
    import hashlib

    info, stored = tensor.info, tensor.stored
    running = hashlib.sha256(f"{canonical_dtype(info.dtype)}[{_shape(info)}]\n".encode())
    plain = stored is not None and info.dtype in ITEM_BYTES
    for values in _parts(stored) if stored is not None and plain else _blocks(tensor):
        running.update(values)
    return running.hexdigest()


def _parts(stored: TensorBytes) -> Iterator[bytes]:
    """Yield the stored bytes; those of a large tensor are read ahead by other threads."""

    def read(at: int) -> tuple[bytes, int]:
        data = stored.read(at, min(PART_BYTES, stored.nbytes - at))
        return data, stored.extend(0, data)

    sums: list[tuple[int, int]] = []
    threads = 1 if stored.nbytes <= LARGE_BYTES else None
    for data, checksum in run_in_order(read, range(0, stored.nbytes, PART_BYTES), threads=threads):
        sums.append((checksum, len(data)))
        yield data
    stored.verify(sums)


def _blocks(tensor: Tensor) -> Iterator[memoryview | bytes]:
    """Yield the values as they are defined to be digested, in C order."""
    for block in tensor.blocks(out=tensor.buffer()):
        if tensor.info.shape is not None:
            yield canonical_bytes(block, tensor.info)


def _shape(info: TensorInfo) -> str:
    return "null" if info.shape is None else ",".join(map(str, info.shape))
