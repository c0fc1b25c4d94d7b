"""Opaque elements, as numpy saves bfloat16 and float8, read as the numbers that the other checkpoint says they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from ckptread.reader import Reader
from ckptread.slicing import Selection
from ckptread.storage.source import Source, Stamp
from ckptread.tensors import Region
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import escape

if TYPE_CHECKING:
    from ckptread.model import ModelFacts
    from ckptread.tensors import Array

OPAQUE: Mapping[str, frozenset[str]] = {
    "|V2": frozenset({"bfloat16"}),
    "|V1": frozenset(
        ("int2", "uint2", "int4", "uint4", "float4_e2m1fn", "float8_e5m2", "float8_e4m3", "float8_e4m3fn",
         "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
    ),
}  # fmt: skip
"""The dtypes of ml_dtypes that numpy saves as opaque bytes of each size."""


def read_opaque_alike(a: Reader, b: Reader) -> tuple[Reader, Reader, list[str]]:
    """Return both checkpoints with opaque elements as numbers, if there is one dtype that they can be; and notes."""
    dtypes = {info.dtype for reader in (a, b) for info in reader.tensors.values()}
    known = {opaque: dtypes & names for opaque, names in OPAQUE.items() if opaque in dtypes}
    stated = {opaque: names.pop() for opaque, names in known.items() if len(names) == 1}
    notes = [note for reader in (a, b) for note in _notes(reader, stated)]
    return _restated(a, stated), _restated(b, stated), notes


def _notes(reader: Reader, stated: Mapping[str, str]) -> Iterator[str]:
    dtypes = {info.dtype for info in reader.tensors.values()}
    for opaque, dtype in stated.items():
        if opaque in dtypes:
            yield f"note: opaque elements ({opaque}) of {escape(reader.path)} are compared as {dtype}"


def _restated(reader: Reader, stated: Mapping[str, str]) -> Reader:
    return _Restated(reader, stated) if any(info.dtype in stated for info in reader.tensors.values()) else reader


class _Restated(Reader):
    """A checkpoint whose tensors of some dtypes are read as ones of another dtype. It does not own the other."""

    def __init__(self, reader: Reader, stated: Mapping[str, str]) -> None:
        self._reader = reader
        self.format, self.path, self.backend = reader.format, reader.path, reader.backend
        self.metadata, self.problems, self.asset_layout = reader.metadata, reader.problems, reader.asset_layout
        self.assets, self.load_order = reader.assets, reader.load_order
        self.tensors = {
            key: msgspec.structs.replace(info, dtype=stated.get(info.dtype, info.dtype))
            for key, info in reader.tensors.items()
        }

    @property
    def model(self) -> ModelFacts | None:
        """What the file's config records."""
        return self._reader.model

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        stored, wanted = self._reader.tensors[key].dtype, self.tensors[key].dtype
        if stored == wanted:
            return self._reader.read(key, selection, out=out)
        place = None if out is None else out.view(numpy_dtype(stored))
        values = self._reader.read(key, selection, out=place)
        return values.view(numpy_dtype(wanted)) if out is None else out

    def regions(self) -> Iterator[Region]:
        """Yield the regions of the file."""
        return self._reader.regions()

    def open_sources(self) -> Iterable[Source]:
        """Return the open files."""
        return self._reader.open_sources()

    def source(self, file: str) -> Source | None:
        """Return an open file."""
        return self._reader.source(file)

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the stamps of the files."""
        return self._reader.stamps()

    def close(self) -> None:
        """Close nothing: the other reader has an owner."""
