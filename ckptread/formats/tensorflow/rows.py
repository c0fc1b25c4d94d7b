"""TensorFlow's rows in the table of formats, and what else users type for its checkpoints."""

from __future__ import annotations

from posixpath import join, split

from ckptread.errors import CheckpointError, UnknownFormatError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format, Located, Opener, on_first_use
from ckptread.formats.mistakes import find_mistake
from ckptread.formats.signatures import begins_as
from ckptread.formats.tensorflow.paths import (
    SHOWN,
    LatestStep,
    has_data,
    latest_in,
    only_data_in,
    prefix_of_shard,
    read_state,
    v1_files,
)
from ckptread.reader import Reader, Remains
from ckptread.storage.source import Storage
from ckptread.wording import escape, plural, quoted

_STATE_HEADS = (b"model_checkpoint_path", b"all_model_checkpoint_paths")


def _is_table(c: Candidate) -> bool:
    from ckptread.formats.tensorflow.leveldb_table import MAGIC

    return c.tail.endswith(MAGIC) and begins_as(c) is None


def _is_v1(c: Candidate) -> bool:
    """A V1 table begins with an entry of an empty key whose value is a message (field 1, of bytes)."""
    return _is_table(c) and not c.name.endswith(".index") and (b"\x0a" in c.head[2:12])


def _is_saved_model(c: Candidate) -> bool:
    return c.has("saved_model.pb") or c.has("saved_model.pbtxt")


def _resolve_v1(storage: Storage, name: str) -> Located | None:
    """Return the checkpoint whose files begin with a name that is not a file."""
    if storage.kind(name) in {None, "folder"} and storage.kind(name + ".index") is None and v1_files(storage, name):
        return Located(storage, name, V1)
    return None


def _resolve_bundle(storage: Storage, name: str) -> Located | None:
    """Return the checkpoint of a prefix, of one of its files, of a state file, or the latest one of a folder."""
    kind = storage.kind(name)
    if kind is None:
        return _resolve_prefix(storage, name)
    if kind != "folder":
        return _resolve_file(look(storage, name))
    latest = latest_in(storage, name)
    if latest is not None:
        return _step(storage, latest)
    same = _same_name(storage, name)
    if same is None:
        _refuse_only_data(storage, name)
    return same


def _refuse_only_data(storage: Storage, folder: str) -> None:
    """Raise CheckpointError for a folder that has the data of checkpoints, and no index."""
    prefixes = only_data_in(storage, folder)
    if prefixes:
        names = " and ".join(f"{escape(prefix)}.index" for prefix in prefixes[:SHOWN])
        problem = f"the folder has the data of {plural(len(prefixes), 'checkpoint')}, but no .index"
        raise CheckpointError(storage.address(folder), problem, advice=f"download {names} too, into the same folder")


def _resolve_prefix(storage: Storage, name: str) -> Located | None:
    """Return the checkpoint of a name that is not a file: its prefix, or a file that is missing."""
    shard_of = prefix_of_shard(name)
    if shard_of is not None and storage.kind(shard_of + ".index") is not None:
        whole = quoted(storage.address(shard_of))
        raise CheckpointError(storage.address(name), "there is no such shard", advice=f"the checkpoint is {whole}")
    prefix = name.removesuffix(".index") if shard_of is None else shard_of
    if storage.kind(prefix + ".index") is None and not has_data(storage, prefix):
        if storage.kind(prefix + ".meta") == "file":
            problem = "only the graph of this checkpoint (.meta) is here, which has no values"
            raise CheckpointError(storage.address(prefix), problem, advice="download its .index and .data-… files too")
        return None
    return Located(storage, prefix, BUNDLE)


def _resolve_file(candidate: Candidate) -> Located | None:
    """Return the checkpoint of one of its files, or the latest one of a state file."""
    storage, name = candidate.storage, candidate.path
    if candidate.head.lstrip().startswith(_STATE_HEADS):
        return _step(storage, read_state(storage, name))
    shard_of = prefix_of_shard(name)
    if shard_of is not None:
        return Located(storage, shard_of, BUNDLE)
    if name.endswith(".index"):
        return _resolve_index(candidate)
    if _is_table(candidate):
        problem = "this is the index of a TensorFlow checkpoint, but its name is not that of one"
        advice = "name it PREFIX.index, next to its PREFIX.data-… files"
        raise UnknownFormatError(storage.address(name), problem, advice=advice)
    return _same_name(storage, name)


def _resolve_index(candidate: Candidate) -> Located | None:
    """Return the checkpoint of an index, also of a damaged one that has its data next to it."""
    prefix = candidate.path.removesuffix(".index")
    damaged = find_mistake(candidate) is None and has_data(candidate.storage, prefix)
    return Located(candidate.storage, prefix, BUNDLE) if _is_table(candidate) or damaged else None


def _same_name(storage: Storage, name: str) -> Located | None:
    """Return the checkpoint of a prefix that is also the name of a file or folder."""
    return Located(storage, name, BUNDLE) if storage.kind(name + ".index") is not None else None


def _step(storage: Storage, latest: LatestStep) -> Located:
    """Return the checkpoint that something led to: of the second version where there is an index."""
    row = BUNDLE if storage.kind(latest.name + ".index") is not None else V1
    return Located(storage, latest.name, row, latest.note)


def _list_bundle(storage: Storage, prefix: str) -> list[str]:
    folder, base = split(prefix)
    data = [join(folder, name) for name in storage.list(folder) if prefix_of_shard(name) == base]
    return [prefix + ".index", *data]


def _list_v1(storage: Storage, name: str) -> list[str]:
    return v1_files(storage, name) or [name]


def _list_saved_model(storage: Storage, folder: str) -> list[str]:
    described = [name for name in storage.list(folder) if name.startswith("saved_model.")]
    return [join(folder, name) for name in described] + _list_bundle(storage, join(folder, "variables", "variables"))


_open_complete_bundle: Opener = on_first_use("tensorflow.bundle", "open_bundle")


def _open_bundle(storage: Storage, prefix: str, remains: Remains) -> Reader:
    if storage.kind(prefix + ".index") is None:
        problem = f"{escape(split(prefix)[1])}.index is missing, without which the data cannot be read"
        raise CheckpointError(storage.address(prefix), problem, advice="download it too")
    return _open_complete_bundle(storage, prefix, remains)


def _by_tensorflow(format_name: str) -> Opener:
    def open_it(storage: Storage, name: str, remains: Remains) -> Reader:
        from ckptread.formats.tensorflow.reference import TfCheckpointReader

        return TfCheckpointReader(storage.address(name), format_name)

    return open_it


SAVED_MODEL = Format(
    name="saved-model",
    about="SavedModels",
    endings=(),
    recognise=_is_saved_model,
    open=on_first_use("tensorflow.saved_model", "open_saved_model"),
    parts=_list_saved_model,
    backends={"tensorflow": _by_tensorflow("saved-model")},
)
V1 = Format(
    name="tf-v1",
    about="TensorFlow V1 checkpoints",
    endings=(),
    recognise=_is_v1,
    open=on_first_use("tensorflow.v1", "open_v1"),
    resolve=_resolve_v1,
    parts=_list_v1,
    backends={"tensorflow": _by_tensorflow("tf-v1")},
)
BUNDLE = Format(
    name="tf-bundle",
    about="TensorFlow checkpoints",
    endings=(".index",),
    recognise=_is_table,
    open=_open_bundle,
    resolve=_resolve_bundle,
    parts=_list_bundle,
    backends={"tensorflow": _by_tensorflow("tf-bundle")},
)
ROWS = (SAVED_MODEL, V1, BUNDLE)
