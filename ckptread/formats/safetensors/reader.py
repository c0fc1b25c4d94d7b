"""safetensors files, and checkpoints of several with an index.

What it is: 8 bytes, the length of the header; the header, a JSON object of ``{"dtype", "shape", "data_offsets"}`` by
name; the tensors' bytes, little-endian, in C order, one after another without a gap. A large checkpoint is several
such files, with a ``*.safetensors.index.json`` that says which file has which tensor.
Specification: https://github.com/huggingface/safetensors#format and safetensors/src/tensor.rs
Read here: every dtype of whole bytes. There are no checksums.
Not read: F4 and F6 values, several to a byte: the specification does not say in which order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.safetensors.dtypes import DTYPES
from ckptread.formats.weight_map import WeightMapReader
from ckptread.limits import MAX_ENTRIES, MAX_KEY_BYTES, MAX_RANK, SAFETENSORS_HEADER_BYTES
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection, normalize, read_box
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.tensors import Finding, Region, TensorInfo, element_count, shape_problem
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.untrusted.json_text import bounded_json, is_plain_text
from ckptread.wording import plural, quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array


def open_safetensors(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a .safetensors file.

    Raises DamagedFileError where a rule of the format is broken, UnsafeFileError where it is beyond the limits, and
    CheckpointError where the file cannot be read.
    """
    source = storage.open(name)
    with CloseOnError(source):
        return SafetensorsReader(source)


def open_safetensors_shards(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a checkpoint of several files by its index. Raises CheckpointError."""
    return WeightMapReader(storage, name, "safetensors-shards", open_safetensors)


class SafetensorsReader(Reader):
    """An open .safetensors file."""

    format = "safetensors"

    def __init__(self, source: Source) -> None:
        self.path = source.name
        self.problems: list[Finding] = []
        self._source = source
        text = self._header_text()
        self._data = 8 + len(text)
        header = self._parse(text)
        self.metadata: Mapping[str, str] = self._free_text(header.pop("__metadata__", None))
        if len(header) > MAX_ENTRIES:
            raise UnsafeFileError(source.name, f"it lists {len(header):,} tensors; at most {MAX_ENTRIES:,} are read")
        spans = {key: self._span(key, entry) for key, entry in header.items()}
        self._check_spans(spans)
        self._begins = {key: begin for key, (begin, _) in spans.items()}
        self.tensors = {key: self._describe(key, entry, spans[key]) for key, entry in header.items()}

    def _header_text(self) -> bytes:
        if self._source.size < 8:
            raise self._broken(f"it has {self._source.size} bytes, where the header's length alone takes 8")
        nbytes = int.from_bytes(self._source.read(0, 8), "little")
        if nbytes > SAFETENSORS_HEADER_BYTES:
            raise self._broken(f"its header claims {nbytes:,} bytes; the format allows {SAFETENSORS_HEADER_BYTES:,}")
        missing = 8 + nbytes - self._source.size
        if missing > 0:
            raise self._broken(f"it is truncated: its header alone takes {plural(missing, 'byte')} more")
        text = self._source.read(8, nbytes)
        if not text.startswith(b"{"):
            raise self._broken("its header does not begin with '{'")
        if not text.rstrip(b" ").endswith(b"}"):
            raise self._broken("its header does not end with '}' and spaces")
        return text

    def _parse(self, text: bytes) -> dict[str, Any]:
        try:
            header = bounded_json(text, max_bytes=SAFETENSORS_HEADER_BYTES, unique=True)
        except Malformed as error:
            raise self._broken(f"its header: {error.problem}") from error
        if not isinstance(header, dict):
            raise self._broken("its header is not a JSON object")
        return header

    def _free_text(self, value: Any) -> dict[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._broken("its __metadata__ holds something else than text")
        return value

    def _span(self, key: str, entry: Any) -> tuple[int, int]:
        """Return where a tensor's bytes begin and end, once its entry is checked to be valid."""
        if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
            raise self._broken(f"the entry of {quoted(key)} gives no dtype")
        if not is_plain_text(key) or len(key) > MAX_KEY_BYTES:
            raise self._broken(f"the name {quoted(key[:100])} is too long, or no text")
        if not _is_counts(entry.get("shape")):
            raise self._broken(f"the shape of {quoted(key)} is not a list of non-negative integers")
        span = entry.get("data_offsets")
        if not _is_counts(span) or len(span) != 2 or span[1] < span[0]:
            raise self._broken(f"the offsets of {quoted(key)} are not a begin and an end")
        self._check_size(key, entry, span[1] - span[0])
        return span[0], span[1]

    def _check_size(self, key: str, entry: dict[str, Any], nbytes: int) -> None:
        """Raise where the size does not follow from shape and dtype; an unknown dtype is the tensor's own problem."""
        if entry["dtype"] in DTYPES and len(entry["shape"]) <= MAX_RANK:
            bits = element_count(tuple(entry["shape"])) * DTYPES[entry["dtype"]][1]
            if bits != 8 * nbytes:
                what = f"{entry['dtype']} of shape {entry['shape']}"
                raise self._broken(f"{quoted(key)} is stored in {nbytes:,} bytes, but is {what}")

    def _check_spans(self, spans: Mapping[str, tuple[int, int]]) -> None:
        """Raise where the tensors overlap, leave a hole, or do not reach the end of the file."""
        end = 0
        for key, span in sorted(spans.items(), key=lambda item: item[1]):
            if span[0] != end:
                what = (
                    "overlap those of another tensor"
                    if span[0] < end
                    else f"leave a hole of {plural(span[0] - end, 'byte')}"
                )
                raise self._broken(f"the bytes of {quoted(key)} {what}")
            end = span[1]
        left = self._source.size - self._data - end
        if left > 0:
            raise self._broken(f"{plural(left, 'byte', 'follow')} the last tensor")
        if left < 0:
            message = f"the file is truncated: {plural(-left, 'byte', 'are', 'is')} missing at its end"
            file, offset = self._source.locate(self._source.size)
            self.problems.append(
                Finding(
                    code="safetensors-truncated",
                    severity="error",
                    message=message,
                    file=file,
                    offset=offset,
                    advice="download it again",
                )
            )

    def _describe(self, key: str, entry: dict[str, Any], span: tuple[int, int]) -> TensorInfo:
        shape, nbytes = tuple(entry["shape"]), span[1] - span[0]
        dtype, bits = DTYPES.get(entry["dtype"], (entry["dtype"], 0))
        problem = shape_problem(shape) or _values_problem(dtype, bits)
        missing = self._data + span[1] - self._source.size
        if problem is None and missing > 0 and nbytes:
            problem = f"the file ends before it: {min(missing, nbytes):,} of its {nbytes:,} bytes are missing"
        extent = None
        if problem is None and self._source.addressable:
            extent = self._source.extent(self._data + span[0], nbytes)
        return TensorInfo(
            key=key,
            shape=shape,
            dtype=dtype,
            nbytes=nbytes,
            extent=extent,
            problem=problem,
            unsupported=bits == 0 or bits % 8 > 0,
        )

    def _broken(self, problem: str) -> DamagedFileError:
        return DamagedFileError(self._source.name, problem, advice="download it again")

    def regions(self) -> Iterator[Region]:
        """Yield the header and the tensors: the format has no checksums."""
        yield Region(None, *self._source.locate(0), self._data, name="the header")
        for info in self.tensors.values():
            if info.extent is not None:
                read_into = self._source.from_offset(self._data + self._begins[info.key])
                yield Region(
                    key=info.key,
                    file=info.extent.file,
                    offset=info.extent.offset,
                    nbytes=info.nbytes,
                    read_into=read_into,
                )

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        import numpy as np

        info = readable(self, key)
        shape = info.shape or ()
        slicing, start = normalize(selection, shape), self._data + self._begins[info.key]
        box = np.empty(slicing.box, numpy_dtype(info.dtype, self.path)) if out is None else out.reshape(slicing.box)
        read_box(lambda at, buffer: self._source.read_into(start + at, buffer), shape, slicing.ranges, box)
        return slicing.finish(box) if out is None else out

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source.whole_file(),)

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()


def _values_problem(dtype: str, bits: int) -> str | None:
    """Return why no array can have such values, or None."""
    if bits == 0:
        return f"its dtype {quoted(dtype)} is not one that the format names"
    if bits % 8:
        return f"its {bits}-bit values share bytes, and the format does not say in which order"
    return None


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    """Whether this is a list of whole numbers of 64 bits that are not negative."""
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 64 for each in value)
