"""Digests of tensors and of whole checkpoints that do not depend on the container.

The digest of a tensor is the SHA-256 of ``dtype[shape]`` and a newline, followed by its values in C order, little
endian. That of a checkpoint is the SHA-256 of the sorted distinct digests of its tensors, a line for each.
docs/digest.md has the definition in full, and a program that computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import UnsupportedError
from ckptread.operations.each_tensor import TensorResult, survey
from ckptread.reader import Reader, Tensor
from ckptread.select import filter_tensors, without_aliases
from ckptread.storage.progress import Meter, Progress
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.storage.threads import run_in_order
from ckptread.tensors import ITEM_BYTES, TensorInfo
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import escape

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

PART_BYTES = 1 << 20
LARGE_BYTES = 16 << 20
"""A smaller tensor is hashed before threads have begun to read it."""

Naming = Callable[[TensorInfo], str]
"""What a tensor is called where names count."""


class Digest(msgspec.Struct, frozen=True):
    """The digests of a checkpoint's tensors, and of the whole."""

    path: str
    tensors: tuple[TensorResult[str], ...]
    """The digest of each, as 64 hexadecimal digits; of what cannot be read, why."""
    whole: str | None
    """None where something could not be read."""

    @property
    def unreadable(self) -> list[TensorResult[str]]:
        """The tensors that could not be read."""
        return [entry for entry in self.tensors if entry.figure is None]


def digest(
    reader: Reader,
    tensors: Iterable[TensorInfo] | None = None,
    *,
    naming: Naming | None = None,
    progress: Progress | None = None,
) -> Digest:
    """Return the digests of a checkpoint's tensors and of the whole.

    ``tensors`` are those of the model where it is None. A second name for a tensor that is digested is left out. With
    ``naming`` the names go into the digest of the whole, and so the places; else it tells which tensors occur, but not
    where or how often.
    """
    chosen = without_aliases(
        filter_tensors(reader.tensors, reader.tensors.values(), "model") if tensors is None else tensors
    )
    sizes = [tensor.nbytes for tensor in chosen]
    threads = 1 if max(sizes, default=0) * 2 > sum(sizes) else None  # of one large tensor, the threads read parts
    found = tuple(survey(reader, chosen, digest_tensor, meter=Meter(progress, sum(sizes)), threads=threads))
    return Digest(reader.path, found, whole_digest(found, naming))


def whole_digest(tensors: Sequence[TensorResult[str]], naming: Naming | None = None) -> str | None:
    """Return the digest over the sorted distinct lines; None where a tensor has no digest."""
    import hashlib

    if any(entry.figure is None for entry in tensors):
        return None
    lines = {f"{e.figure}  {escape(naming(e.tensor))}" if naming else f"{e.figure}" for e in tensors}
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
    """Yield bytes that lie in the file as they are; those of a large tensor are read ahead by other threads."""

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
        return b"".join(_string(value, info) for value in block.reshape(-1).tolist())
    values = np.ascontiguousarray(block.astype(_little(block.dtype), copy=False)).reshape(-1)
    return values.view("u1").data if values.dtype.itemsize else b""


def _string(value: object, info: TensorInfo) -> bytes:
    if not isinstance(value, bytes):
        raise UnsupportedError(info.key, f"values of {escape(info.dtype)} that are no strings have no digest")
    return len(value).to_bytes(8, "little") + value
