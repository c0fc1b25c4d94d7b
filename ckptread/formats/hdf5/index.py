"""What the HDF5 worker tells of a file, checked: its words are no more to be believed than the file's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.storage.source import Source
from ckptread.tensors import Finding, Severity, TensorInfo, shape_problem

Attributes = dict[str, dict[str, Any]]

MAX_TENSORS = 200_000
TOLD_BYTES = 128 << 20
"""The most that a file may say of itself, each entry taken for 200 bytes beside its text."""
ENTRY_BYTES = 200
MAX_KEY_BYTES = 64 << 10
"""The longest path of a dataset."""
TEXTS = ("key", "group", "alias_of", "finding", "problem", "dtype")
"""What is text in an entry: a short link can tell the long path that it leads to again and again."""
LAYOUTS = frozenset(("contiguous", "compact", "chunked", "fill", "library", "none"))
MAX_FILTERS = 32
SEVERITIES: Mapping[str, Severity] = {"note": "note", "error": "error"}


class DatasetLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How a dataset's bytes lie."""

    kind: str
    """'contiguous', 'compact', 'chunked', 'fill' (no storage), 'library' (only it can decode them) or 'none'."""
    offset: int = 0
    """Of a contiguous dataset, in bytes from the beginning of the source."""
    chunk: tuple[int, ...] = ()
    filters: tuple[int, ...] = ()
    fill: bytes = b""
    """The bytes of one element where nothing was written."""


class Hdf5Index(msgspec.Struct):
    """All that is known of a file without reading its values."""

    source: Source
    path: str
    tensors: dict[str, TensorInfo] = msgspec.field(default_factory=dict)
    layouts: dict[str, DatasetLayout] = msgspec.field(default_factory=dict)
    attributes: Attributes = msgspec.field(default_factory=dict)
    problems: list[Finding] = msgspec.field(default_factory=list)
    _told: int = 0

    def take(self, message: Mapping[str, Any], raw: bytes) -> None:
        """Take in one message of the worker. Raises DamagedFileError where it makes no sense."""
        try:
            for entry in message["entries"]:
                self._take_entry(entry, raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFileError(self.path, "the process that runs the HDF5 library sent no sense") from error
        if len(self.tensors) > MAX_TENSORS or self._told > TOLD_BYTES:
            raise DamagedFileError(self.path, "the process that runs the HDF5 library sent too much")

    def _take_entry(self, entry: Mapping[str, Any], raw: bytes) -> None:
        self._told += ENTRY_BYTES + sum(len(str(entry.get(name) or "")) for name in TEXTS)
        if "finding" in entry:
            severity = SEVERITIES.get(str(entry.get("severity")), "warning")
            self.problems.append(
                Finding(severity=severity, message=str(entry["finding"]), key=str(entry["key"]) or None, file=self.path)
            )
        elif "text" in entry:
            text = raw.decode("utf-8", "surrogateescape")
            self.attributes.setdefault(str(entry["group"]), {})[str(entry["text"])] = text
            self._told += len(raw)
        elif "group" in entry:
            values = {str(name): _attribute(value) for name, value in entry["attributes"].items()}
            self.attributes.setdefault(str(entry["group"]), {}).update(values)
            self._told += sum(ENTRY_BYTES + _told_bytes(value) for value in values.values())
        else:
            self._take_dataset(str(entry["key"]), entry)

    def _take_dataset(self, key: str, entry: Mapping[str, Any]) -> None:
        if key in self.tensors:
            self.problems.append(
                Finding(
                    severity="error",
                    message=f"two datasets are called {key!r}; the first one is taken",
                    key=key,
                    file=self.path,
                )
            )
            return
        shape = None if entry["shape"] is None else _numbers(entry["shape"])
        problem = None if entry["problem"] is None else str(entry["problem"])
        problem = problem or (None if shape is None else shape_problem(shape))
        if len(key) > MAX_KEY_BYTES:
            problem = f"its path takes {len(key):,} characters"
        layout = self._layout(entry)
        if layout.kind == "chunked" and len(layout.chunk) != len(shape or ()):
            raise ValueError("a chunk of another rank than its dataset")
        nbytes = _number(entry["nbytes"]) if problem is None or shape is not None else 0
        if problem is None and layout.kind == "contiguous":
            problem = self._place_problem(layout, nbytes)
        extent = None
        if problem is None and layout.kind == "contiguous" and self.source.addressable:
            extent = self.source.extent(layout.offset, nbytes)
        alias = entry.get("alias_of")
        alias = None if alias is None or alias not in self.tensors else str(alias)
        self.layouts[key] = layout
        foreign, dtype = entry.get("unsupported") is True, str(entry["dtype"])
        info = TensorInfo(
            key=key,
            shape=shape,
            dtype=dtype,
            nbytes=nbytes,
            extent=extent,
            problem=problem,
            alias_of=alias,
            unsupported=foreign,
        )
        self.tensors[key] = info

    def _layout(self, entry: Mapping[str, Any]) -> DatasetLayout:
        filters = _numbers(entry.get("filters", ()))
        if len(filters) > MAX_FILTERS:
            raise ValueError("too many filters")
        if entry["layout"] not in LAYOUTS:
            raise ValueError("an unknown layout")
        return DatasetLayout(
            kind=str(entry["layout"]),
            offset=_number(entry.get("offset") or 0),
            chunk=_numbers(entry.get("chunk", ())),
            filters=filters,
            fill=bytes.fromhex(entry.get("fill", "")),
        )

    def _place_problem(self, layout: DatasetLayout, nbytes: int) -> str | None:
        if layout.offset + nbytes <= self.source.size:
            return None
        return f"its {nbytes:,} bytes at byte {layout.offset:,} lie outside the file's {self.source.size:,}"


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("no number of bytes")
    return value


def _numbers(values: object) -> tuple[int, ...]:
    return tuple(_number(value) for value in cast(list[object], values))


def _told_bytes(value: object) -> int:
    """Return about what an attribute takes in memory."""
    return sum(60 + len(item) for item in value) if isinstance(value, list) else len(str(value))


def _attribute(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    return [str(item) for item in cast(list[object], value)]
