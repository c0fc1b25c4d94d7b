"""Digests of tensors and of whole checkpoints that do not depend on the container.

The digest of a tensor is the SHA-256 of ``dtype[shape]`` and a newline, followed by its values in C order, little
endian. That of a checkpoint is the SHA-256 of the sorted distinct digests of its tensors, a line for each.
docs/digest.md has the definition in full, and a program that computes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.errors import UnsupportedError
from ckptread.operations.copies import copy_notes, tensors_to_judge
from ckptread.operations.digest.listing import LineResult, check_listing, read_listing
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
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import escape, plural, quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

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
    checked: tuple[LineResult, ...] | None = None
    """The result for each line of the listing that was given to compare with; None where none was given."""
    notes: tuple[str, ...] = ()
    """What a user should know of the choice of tensors."""

    @property
    def unreadable(self) -> list[TensorResult[str]]:
        """The tensors that could not be read."""
        return [entry for entry in self.tensors if entry.value is None]

    @property
    def agrees(self) -> bool:
        """Whether every line of the listing agrees; true where none was given."""
        return all(line.verdict == "ok" for line in self.checked or ())

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, 1 where the listing disagrees, 2 where a tensor could not be read."""
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
    how often. ``check`` is a saved listing to compare with, as a path or as its bytes.

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
        recent = has_recent_file(reader)
        meter = Meter(progress, sum(tensor.nbytes for tensor in chosen))
        found = digest_tensors(reader, chosen, meter=meter)
        naming = NAMINGS[names or "variable"]
        whole = whole_digest(found, naming if names else None)
        checked = None
        if lines is not None:
            checked = tuple(check_listing(reader.path, found, whole, lines, naming, by_name=bool(names)))
        return Digest(
            **checkpoint_fields(reader), role=role or "model", names=names, tensors=found, whole=whole, checked=checked,
            notes=tuple(_notes(reader, chosen, role, recent)),
        )  # fmt: skip


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
            yield _bytes(block, tensor.info)


def _shape(info: TensorInfo) -> str:
    return "null" if info.shape is None else ",".join(map(str, info.shape))


def canonical_dtype(name: str) -> str:
    """Return the one spelling of a dtype, whatever the order of its bytes in a file.

    >>> canonical_dtype(">f4")
    'float32'
    >>> canonical_dtype("|V2")
    'V2'
    """
    if name in ITEM_BYTES:
        return name
    dtype = numpy_dtype(name)
    if dtype.hasobject and dtype.names is None:
        return "string"
    if dtype.names is not None:
        return str(_little(dtype))
    return dtype.str[1:] if dtype.kind in "SU" or dtype.type.__name__ == "void" else dtype.name


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in little-endian order, the fields of a record without gaps."""
    if dtype.names is None:
        return dtype.newbyteorder("<")
    from numpy.lib.recfunctions import repack_fields

    packed: np.dtype[Any] = repack_fields(dtype.newbyteorder("<"), recurse=True)
    return packed


def _bytes(block: Array, info: TensorInfo) -> memoryview | bytes:
    """Return the values in C order, little endian; each string as its length in eight bytes, and itself."""
    import numpy as np

    if block.dtype.hasobject:
        flat, names = block.reshape(-1), block.dtype.names
        if names is None:
            return b"".join(_object(value, info) for value in flat.tolist())
        return b"".join(bytes(_bytes(flat[n : n + 1][name], info)) for n in range(flat.size) for name in names)
    values = np.ascontiguousarray(block.astype(_little(block.dtype), copy=False)).reshape(-1)
    return values.view("u1").data if values.dtype.itemsize else b""


def _object(value: object, info: TensorInfo) -> bytes:
    """Return a value of variable length: its length in eight bytes, and its bytes."""
    data = _object_bytes(value, info)
    return len(data).to_bytes(8, "little") + data


def _object_bytes(value: object, info: TensorInfo) -> bytes:
    """Return a string as it is, a list as a tensor is digested, and the path that a reference leads to."""
    import numpy as np

    if isinstance(value, bytes):
        return value
    if isinstance(value, np.ndarray):
        return f"{_dtype_of(value)}[{value.size}]\n".encode() + bytes(_bytes(value, info))
    path = getattr(value, "path", None)
    if path is None and not getattr(value, "null", False):
        raise UnsupportedError(info.key, f"there is no digest of such values of {escape(info.dtype)}")
    return b"" if path is None else f"/{path}".encode("utf-8", "surrogateescape")


def _dtype_of(values: Array) -> str:
    """Return the canonical dtype of a list's values."""
    dtype = values.dtype
    if dtype.names is not None:
        return str(_little(dtype))
    if dtype.hasobject:
        return "string"
    return dtype.str[1:] if dtype.kind in "SUV" and dtype.type.__module__ == "numpy" else str(dtype.name)
