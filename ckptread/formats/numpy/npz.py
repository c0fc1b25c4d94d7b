"""numpy's .npz archives and .npy arrays.

What it is: .npy, one array behind a header; .npz, a zip archive with one .npy file per array.
Specification: see :mod:`ckptread.formats.numpy.npy_header` and :mod:`ckptread.formats.zip.archive`.
Read here: stored arrays in place, deflated ones as they are inflated, in C and in Fortran order. The CRC-32 of a
member is verified when the complete array is read; it covers the .npy header too, so it is seeded with the header's.
Not read: arrays of Python objects. These are listed with their problem, and pickle is never loaded. The
``model.weights.npz`` that Keras 3 can write is of this kind: it pickles its Variable objects, and cannot read them
back itself.

numpy has no bfloat16 of its own: such an array is stored as '|V2', two opaque bytes per element.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from posixpath import basename, splitext
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import CheckpointError
from ckptread.formats.numpy.characters import is_text, refuse_text
from ckptread.formats.numpy.fortran import FortranArray
from ckptread.formats.numpy.npy_header import MAGIC, NpyHeader, read_npy_header
from ckptread.formats.zip.archive import ZipArchive
from ckptread.formats.zip.members import Member, describe_member
from ckptread.limits import REORDERED_BYTES
from ckptread.reader import BLOCK_BYTES, Reader, Remains, Tensor, readable
from ckptread.slicing import ReadInto, Selection, normalize, read_box
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.storage.tensor_bytes import RunningChecksum
from ckptread.tensors import PICKLED, Checksum, Extent, Finding, Region, TensorInfo
from ckptread.untrusted.budget import within
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import plural, quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

OPEN_MEMBERS = 4
"""Members that stay open: a deflated one caches some 20 MiB."""
TOO_LARGE = (
    f"it is deflated and in Fortran order, and more than {REORDERED_BYTES >> 20} MiB: "
    "load it with numpy, and save it with 'np.savez'"
)


def open_npz(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a .npz archive; with ``Remains.accepted`` a damaged one too. Raises CheckpointError."""
    source = storage.open(name)
    with CloseOnError(source):
        return NpzReader(source, remains)


def open_npy(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a .npy array, whose key is the file's name without its ending. Raises CheckpointError."""
    source = storage.open(name)
    with CloseOnError(source):
        return NpyReader(source)


class _Stored(msgspec.Struct, frozen=True):
    """An array: its header, how its bytes are opened, and the run of bytes that its checksum covers."""

    header: NpyHeader
    open: Callable[[], Source]
    covered: Extent
    inflated: bool = False
    """Whether its bytes are deflated, so that none is read without all before it."""

    def is_too_large_to_reorder(self) -> bool:
        """Whether reading it in C order would inflate all of it again and again."""
        header = self.header
        mixed = header.fortran and sum(dim > 1 for dim in header.shape or ()) > 1
        return self.inflated and mixed and header.nbytes > REORDERED_BYTES


class _Last(threading.local):
    """The array in Fortran order that a thread is reading, and its cached band of rows."""

    key = ""
    array: FortranArray | None = None


class _ArrayReader(Reader):
    """Reads arrays behind .npy headers."""

    format = "npz"

    def __init__(self, source: Source) -> None:
        self.path = source.name
        self.metadata: Mapping[str, str] = {}
        self.tensors: dict[str, TensorInfo] = {}
        self.problems: list[Finding] = []
        self._source = source
        self._arrays: dict[str, _Stored] = {}
        self._last = _Last()

    def _add(self, key: str, stored: _Stored, source: Source) -> None:
        """List an array; ``source`` has its header and its bytes, and nothing else."""
        header = stored.header
        problem, left = header.problem, source.size - header.offset - header.nbytes
        if problem is None and left < 0:
            problem = f"{-left:,} of its {header.nbytes:,} bytes are missing"
        elif problem is None and left:
            message = f"{plural(left, 'byte', 'follow')} the array {quoted(key)}"
            file, offset = source.locate(header.offset + header.nbytes)
            self.problems.append(
                Finding(code="npy-extra-bytes", severity="warning", message=message, key=key, file=file, offset=offset)
            )
            stored = msgspec.structs.replace(stored, covered=msgspec.structs.replace(stored.covered, checksum=None))
        extent = None if problem or header.fortran or not source.addressable else stored.covered
        nbytes = header.nbytes or (source.size - header.offset if problem else 0)
        if problem is None and stored.is_too_large_to_reorder():
            problem = TOO_LARGE
        unsupported = problem in (PICKLED, TOO_LARGE)
        self.tensors[key] = TensorInfo(
            key=key,
            shape=header.shape,
            dtype=header.dtype,
            nbytes=nbytes,
            extent=extent,
            problem=problem,
            unsupported=unsupported,
        )
        self._arrays[key] = stored

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of an array, or of the selected part."""
        import numpy as np

        info = readable(self, key)
        shape, stored = info.shape or (), self._arrays[info.key]
        slicing, dtype = normalize(selection, shape), numpy_dtype(info.dtype, self.path)
        box = np.empty(slicing.box, dtype) if out is None else out.reshape(slicing.box)
        if stored.header.fortran:
            self._fortran(info, stored, dtype).fill(slicing.ranges, box)
        else:
            read_box(_reading(stored), shape, slicing.ranges, box)
            if slicing.is_whole(shape):
                self._verify(info.key, stored, box)
        refuse_text(self.path, info.key, box)
        return slicing.finish(box) if out is None else out

    def _fortran(self, info: TensorInfo, stored: _Stored, dtype: np.dtype[Any]) -> FortranArray:
        """Return the array that this thread read last, or start another one."""
        if self._last.array is None or self._last.key != info.key:
            verify = partial(self._verify, info.key, stored)
            self._last.array = FortranArray(info.shape or (), dtype, _reading(stored), verify, inflated=stored.inflated)
            self._last.key = info.key
        return self._last.array

    def _verify(self, key: str, stored: _Stored, values: Array | None) -> None:
        """Check the values of an array, in the order of the file; None reads them, block by block."""
        if stored.covered.checksum is None:
            return
        running = RunningChecksum(self.path, key, stored.covered)
        for block in _blocks(stored) if values is None else [values]:
            running.update(block)
        running.verify()

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source.whole_file(),)

    def close(self) -> None:
        """Close the file."""
        self._last = _Last()
        self._source.close()
        super().close()


class NpyReader(_ArrayReader):
    """An open .npy file: one array."""

    format = "npy"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        key = splitext(basename(self.path))[0]
        header = read_npy_header(lambda nbytes: source.read(0, min(nbytes, source.size)), source.name)
        covered = source.extent(header.offset, header.nbytes)
        self._add(key, _Stored(header, lambda: source, covered), source)

    def regions(self) -> Iterator[Region]:
        """Yield the array, which has no checksum in this format."""
        for stored in self._arrays.values():
            read_into = self._source.from_offset(stored.header.offset)
            yield Region(
                key=None,
                file=stored.covered.file,
                offset=stored.covered.offset,
                nbytes=stored.covered.nbytes,
                read_into=read_into,
            )


class NpzReader(_ArrayReader):
    """An open .npz archive."""

    def __init__(self, source: Source, remains: Remains = Remains.refused) -> None:
        super().__init__(source)
        self._archive = ZipArchive(source, remains, tensor_of=_tensor_of)
        self._open = lru_cache(OPEN_MEMBERS)(self._archive.source)
        self.problems += self._archive.problems
        for member in self._archive.members.values():
            if member.name.endswith(".npy") or self._is_unnamed_array(member):
                self._add_member(member)
            elif not member.name.endswith("/"):
                message = f"the member {quoted(member.name)} is not an array, and is skipped"
                self.problems.append(Finding(code="npz-other-member", severity="note", message=message))
        listed = within(self.tensors.values(), source.whole_file().size)
        self.tensors = {info.key: info for info in listed}

    def _is_unnamed_array(self, member: Member) -> bool:
        """Whether a member is an array whose name has no ending; numpy reads it by its complete name."""
        return member.problem is None and self._archive.head(member.name, len(MAGIC)) == MAGIC

    def _add_member(self, member: Member) -> None:
        """List an array; one that cannot be read says why, and does not hide the others."""
        key = member.name.removesuffix(".npy")
        if key in self._archive.members and key + ".npy" in self._archive.members:
            self.tensors[key] = _ambiguous(key)
            return
        try:
            source = self._archive.source(member.name)
            header = read_npy_header(partial(self._archive.head, member.name), source.name)
            state = zlib.crc32(source.read(0, header.offset)) if source.addressable else 0
        except CheckpointError as error:
            self.tensors[key] = TensorInfo(
                key=key, shape=None, dtype="unknown", nbytes=0, problem=member.problem or error.problem
            )
            return
        checksum = Checksum("crc32", member.crc32, state) if source.addressable else None
        covered = source.extent(header.offset, header.nbytes, checksum)
        opened = partial(self._open, member.name)
        self._add(key, _Stored(header, opened, covered, inflated=not source.addressable), source)

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return that a member is deflated, and how much it takes."""
        return describe_member(self._archive.members.get(key + ".npy") or self._archive.members[key])

    def regions(self) -> Iterator[Region]:
        """Yield the members, each with its array."""
        for region, member in self._archive.located():
            key = member.name.removesuffix(".npy")
            yield region.belonging_to(key if key in self.tensors else None)
            info = self.tensors.get(key)
            if info is not None and info.problem is None and is_text(info.dtype):
                yield Region(
                    key=None,
                    file=region.file,
                    offset=region.offset,
                    nbytes=region.nbytes,
                    check=partial(self._check_text, info),
                )

    def _check_text(self, info: TensorInfo) -> bool:
        """Read an array of strings, and check every character."""
        for _ in Tensor(self, info).blocks():
            continue
        return False  # the member has the checksum


def _ambiguous(key: str) -> TensorInfo:
    """Return the entry of two members of one name, which are not read: numpy takes the one without an ending."""
    problem = f"ambiguous: there are two members of this name, {quoted(key)} and {quoted(key + '.npy')}"
    return TensorInfo(key=key, shape=None, dtype="unknown", nbytes=0, problem=problem)


def _reading(stored: _Stored) -> ReadInto:
    """Return what fills a buffer from an offset in the array's bytes."""
    source, start = stored.open(), stored.header.offset
    return lambda at, buffer: source.read_into(start + at, buffer)


def _blocks(stored: _Stored) -> Iterator[Array]:
    """Read an array's bytes in their order."""
    import numpy as np

    read_into = _reading(stored)
    for at in range(0, stored.header.nbytes, BLOCK_BYTES):
        block = bytearray(min(BLOCK_BYTES, stored.header.nbytes - at))
        read_into(at, memoryview(block))
        yield np.frombuffer(block, np.uint8)


def _tensor_of(member: str) -> str | None:
    """Return the key of the array that a member of an archive holds, or None for any other member."""
    return member.removesuffix(".npy") if member.endswith(".npy") else None
