"""PyTorch's rows in the table of formats."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate
from ckptread.formats.format import Format, Located, on_first_use
from ckptread.formats.json_index import index_in, is_weight_map, list_shards
from ckptread.formats.zip.signature import is_zip
from ckptread.storage.source import Storage

LEGACY_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""The magic number of torch.save, as every protocol of pickle writes it."""


def _is_archive(c: Candidate) -> bool:
    return is_zip(c) and c.mentions(b"data.pkl")


def _is_legacy(c: Candidate) -> bool:
    return c.head.startswith(b"\x80") and LEGACY_MAGIC in c.head[:32]


ENDINGS = (".pt", ".pth")


def _is_index(c: Candidate) -> bool:
    return is_weight_map(c) and c.mentions(b'.bin"')


def _resolve_index(storage: Storage, name: str) -> Located | None:
    return index_in(storage, name, SHARDS)


SHARDS = Format(
    name="pytorch-shards",
    about="files of torch.save with an index",
    endings=(".bin.index.json",),
    recognise=_is_index,
    open=on_first_use("pytorch.archive", "open_pytorch_shards"),
    resolve=_resolve_index,
    parts=list_shards,
)
PYTORCH = Format(
    name="pytorch",
    about="files of torch.save",
    endings=ENDINGS,
    recognise=_is_archive,
    open=on_first_use("pytorch.archive", "open_pytorch"),
)
LEGACY = Format(
    name="pytorch-legacy",
    about="files of torch.save before PyTorch 1.6",
    endings=ENDINGS,
    recognise=_is_legacy,
    open=on_first_use("pytorch.legacy", "open_pytorch_legacy"),
)
ROWS = (SHARDS, PYTORCH, LEGACY)
