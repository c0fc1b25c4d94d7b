"""The rows of safetensors in the table of formats."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate
from ckptread.formats.format import Format, Located, on_first_use
from ckptread.formats.json_index import index_in, is_weight_map, list_shards
from ckptread.formats.mistakes import find_mistake
from ckptread.formats.safetensors.dtypes import WRITTEN
from ckptread.storage.source import Storage


def _is_file(c: Candidate) -> bool:
    named = c.name.endswith(".safetensors") and not is_weight_map(c) and not find_mistake(c)
    return named or (c.head[8:9] == b"{" and int.from_bytes(c.head[:8], "little") < c.size)


def _is_index(c: Candidate) -> bool:
    return is_weight_map(c) and c.mentions(b".safetensors")


def _resolve_index(storage: Storage, name: str) -> Located | None:
    return index_in(storage, name, SHARDS)


SHARDS = Format(
    name="safetensors-shards",
    about="sharded safetensors",
    endings=(".safetensors.index.json",),
    recognise=_is_index,
    open=on_first_use("safetensors.reader", "open_safetensors_shards"),
    resolve=_resolve_index,
    parts=list_shards,
)
SAFETENSORS = Format(
    name="safetensors",
    about=".safetensors files",
    endings=(".safetensors",),
    recognise=_is_file,
    open=on_first_use("safetensors.reader", "open_safetensors"),
    write=on_first_use("safetensors.writing", "write_safetensors"),
    native=True,
    dtypes=frozenset(WRITTEN),
)
ROWS = (SHARDS, SAFETENSORS)
