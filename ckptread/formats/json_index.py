"""JSON indexes that name the files of a checkpoint: how they are recognised and found."""

from __future__ import annotations

from posixpath import dirname, join

from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format, Located
from ckptread.storage.source import Storage
from ckptread.wording import quoted


def is_weight_map(c: Candidate) -> bool:
    """Whether these are the bytes of an index: a JSON object with a weight_map."""
    return c.head.lstrip().startswith(b"{") and c.mentions(b'"weight_map"')


def index_in(storage: Storage, folder: str, row: Format) -> Located | None:
    """Return the only index of this format in a folder, or None."""
    if storage.kind(folder) != "folder":
        return None
    names = [join(folder, name) for name in storage.list(folder) if name.endswith(".json")]
    found = [name for name in names if storage.kind(name) == "file" and row.recognise(look(storage, name))]
    note = f"the index of the shards in {quoted(storage.address(folder))}"
    return Located(storage, found[0], row, note) if len(found) == 1 else None


def list_shards(storage: Storage, name: str) -> list[str]:
    """Return an index and the files that it names, without looking for them. Raises CheckpointError."""
    from ckptread.formats.json_shards import read_index

    weights = read_index(storage, name).get("weight_map")
    values = weights.values() if isinstance(weights, dict) else ()
    files = [file for value in values for file in (value if isinstance(value, list) else [value])]
    return [name, *(join(dirname(name), file) for file in dict.fromkeys(map(str, files)))]
