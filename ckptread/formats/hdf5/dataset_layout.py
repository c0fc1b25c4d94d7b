"""How the elements of a dataset are stored, as its reader needs it."""

from __future__ import annotations

from typing import Literal

import msgspec

Layout = Literal["contiguous", "chunked", "fill", "library", "none"]
"""Where a dataset's bytes are; 'fill' has no storage, 'library' only HDF5 can decode, 'none' cannot be read."""


class DatasetLayout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a dataset's bytes are stored."""

    kind: Layout
    offset: int = 0
    """Of a contiguous dataset, in bytes from the beginning of the source."""
    chunk: tuple[int, ...] = ()
    """The shape of a chunk."""
    filters: tuple[int, ...] = ()
    """The filters' numbers, in the order in which they were applied."""
    shuffled: int = 0
    """Bytes of what the shuffle filter took for an element; not the type's where the writer's machine was another."""
    fill: bytes = b""
    """The bytes of one element where nothing was written; b"" for zeros, however large the file says elements are."""
    dims: tuple[int, ...] = ()
    """Of elements that are arrays: the last axes of the shape and of the chunk."""
    encoded: bool = False
    """Whether elements are decoded after they are read: strings, lists and references."""


UNREADABLE = DatasetLayout(kind="none")
