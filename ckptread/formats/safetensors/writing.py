"""Writes .safetensors files: the header of all tensors first, and then their bytes.

The format: :mod:`ckptread.formats.safetensors.reader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from ckptread.errors import UnsupportedError
from ckptread.formats.format import Add, Outgoing
from ckptread.formats.safetensors.dtypes import DTYPES, WRITTEN
from ckptread.tensors import element_count
from ckptread.wording import quoted

ALIGNMENT = 8
METADATA = "__metadata__"
WRITER = {"format": "np"}
"""What readers of other frameworks look for."""


@contextmanager
def write_safetensors(stream: IO[bytes], metadata: Mapping[str, str]) -> Iterator[Add]:
    """Write a file. Its bytes are written at the end of the ``with`` block: the header has the sizes of all."""
    tensors: dict[str, Outgoing] = {}

    def add(name: str, tensor: Outgoing) -> None:
        if tensor.dtype_name not in WRITTEN or name == METADATA:
            raise UnsupportedError("", f"{quoted(name)}: a .safetensors file cannot hold {tensor.dtype_name}")
        tensors[name] = tensor

    yield add
    stream.write(safetensors_header(tensors, {**WRITER, **metadata}))
    for tensor in tensors.values():
        for piece in tensor.pieces():
            stream.write(piece)


def safetensors_header(tensors: Mapping[str, Outgoing], metadata: Mapping[str, str]) -> bytes:
    """Return the header of a file with these tensors, one after another, with its length before it."""
    import json

    entries: dict[str, object] = {METADATA: dict(metadata)}
    at = 0
    for name, tensor in tensors.items():
        code = WRITTEN[tensor.dtype_name]
        end = at + element_count(tensor.shape) * DTYPES[code][1] // 8
        entries[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
