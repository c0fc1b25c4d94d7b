"""What a user's path means, and which format opens it: :func:`locate` and :func:`open_checkpoint`.

The formats themselves are in the table of ``registry.py``, a module each.
"""

from __future__ import annotations

import os

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnknownFormatError, UnsupportedError, UsageError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.mistakes import find_mistake
from ckptread.formats.registry import BY_NAME, FORMATS, Format
from ckptread.formats.tensorflow.paths import from_state, is_checkpoint, latest_in, listing, prefix_of_shard, v1_files
from ckptread.reader import Reader
from ckptread.tensors import trouble
from ckptread.wording import escape

BACKENDS = ("auto", "native", "tensorflow")


class Located(msgspec.Struct, frozen=True):
    """What a user's path turned out to be."""

    path: str
    """What is opened: a file, a folder, or the prefix of a TensorFlow checkpoint."""
    format: Format
    note: str = ""
    """How it was arrived at, where that is worth saying."""


def open_checkpoint(path: str | bytes | os.PathLike[str], *, backend: str = "auto") -> Reader:
    """Open a checkpoint of any format, of which only the index is read.

    ``path`` is a file, a folder, or the prefix of a TensorFlow checkpoint. ``backend`` is 'auto' or 'native', or
    'tensorflow' to have TensorFlow read the values. Raises CheckpointError (see ckptread.errors), and UsageError
    for an unknown backend.
    """
    if backend not in BACKENDS:
        raise UsageError(f"there is no backend {backend!r}; there are {', '.join(BACKENDS)}")
    located = locate(os.fsdecode(path))
    if backend == "tensorflow":
        return _open_by_tensorflow(located)
    reader = located.format.open(located.path)
    if located.note:
        reader.metadata = {**reader.metadata, "opened": located.note}
    return reader


def open_remains(path: str | os.PathLike[str]) -> Reader:
    """Open a checkpoint as ``open_checkpoint`` does; of one that is refused as damaged, what is left of it.

    Raises CheckpointError where nothing can be found in it.
    """
    located = locate(os.fsdecode(path))
    try:
        return located.format.open(located.path)
    except DamagedFileError as error:
        if located.format.remains is None:
            raise
        reader = located.format.remains(located.path)
        if all(finding.severity != "error" for finding in reader.problems):
            reader.problems = [trouble(error), *reader.problems]
        return reader


def locate(path: str) -> Located:
    """Return what a path means, told by bytes and not by the name's extension.

    Raises UnknownFormatError, which says what the file is instead where that can be told.
    """
    if not os.path.lexists(path):
        return _locate_prefix(path)
    candidate = look(path)
    found = next((row for row in FORMATS if row.recognise(candidate)), None)
    if found is not None:
        return Located(_prefix(path) if found.name == "tf-bundle" else path, found)
    if candidate.folder:
        return _locate_in(path)
    return _locate_beside(candidate)


def _locate_prefix(path: str) -> Located:
    """The path of nothing that exists: a prefix, or a mistake."""
    if os.path.exists(path + ".index"):
        return Located(path, BY_NAME["tf-bundle"])
    if v1_files(path):
        return Located(path, BY_NAME["tf-v1"])
    whole = prefix_of_shard(path)
    if whole is not None and os.path.exists(whole + ".index"):
        raise CheckpointError(path, "there is no such shard", advice=f"the checkpoint is {escape(whole)!r}")
    folder, base = os.path.split(path)
    prefix = base.removesuffix(".index")
    if any(name.startswith(prefix + ".data-") for name in listing(folder)):
        raise CheckpointError(path, f"{escape(prefix)}.index is missing, without which the data mean nothing",
                              advice="fetch it too")  # fmt: skip
    raise CheckpointError(path, "there is no such file or checkpoint", advice=_suggest(folder, base))


def _suggest(folder: str, base: str) -> str:
    from ckptread.select import nearest

    if not os.path.isdir(folder or "."):
        return f"there is no folder {escape(folder)!r} either"
    near = nearest(base, [name.removesuffix(".index") for name in listing(folder) if ".data-" not in name])
    return f"did you mean {' or '.join(escape(os.path.join(folder, n)) for n in near)}?" if near else "check the path"


def _locate_in(folder: str) -> Located:
    """A folder that is no SavedModel: the latest checkpoint in it, or the one file that is one."""
    latest = latest_in(folder)
    if latest is not None:
        located = locate(latest.path)
        return Located(located.path, located.format, latest.note)
    if is_checkpoint(folder.rstrip("/")):
        return _locate_prefix(folder.rstrip("/"))
    files = [os.path.join(folder, name) for name in listing(folder)]
    found = [(file, row) for file in files if os.path.isfile(file) and (row := recognised(file))]
    indexes = [(file, row) for file, row in found if row.sharded]
    if len(found) == 1 or len(indexes) == 1:
        file, row = (indexes or found)[0]
        what = (
            f"the index of the shards in {escape(folder)!r}"
            if indexes
            else f"the only checkpoint in {escape(folder)!r}"
        )
        return Located(file, row, what)
    if found:
        names = ", ".join(escape(os.path.basename(file)) for file, _ in found[:3])
        names += " …" if len(found) > 3 else ""
        raise UnknownFormatError(folder, f"the folder holds {len(found)} checkpoints", advice=f"name one: {names}")
    raise UnknownFormatError(folder, "the folder holds no checkpoint", advice="give the checkpoint itself")


def recognised(file: str) -> Format | None:
    """Return the format of a file by its bytes; None where it is of none, or cannot be read."""
    try:
        candidate = look(file)
    except CheckpointError:
        return None
    return next((row for row in FORMATS if row.recognise(candidate)), None)


def _locate_beside(candidate: Candidate) -> Located:
    """A file that is no checkpoint itself, but leads to one; or a mistake, which is named."""
    path = candidate.path
    if candidate.head.lstrip().startswith((b"model_checkpoint_path", b"all_model_checkpoint_paths")):
        found = from_state(path)
        located = locate(found.path)
        return Located(located.path, located.format, found.note)
    prefix = prefix_of_shard(path)
    if prefix is not None:
        return _locate_prefix(prefix)
    if os.path.exists(path + ".index"):  # a prefix that is also the name of a file
        return Located(path, BY_NAME["tf-bundle"])
    mistake = find_mistake(candidate)
    if mistake is not None:
        raise UnknownFormatError(path, f"this is {mistake.what}", advice=mistake.advice)
    prefix = path.removesuffix(".index")
    folder, base = os.path.split(prefix)
    if prefix != path and any(name.startswith(base + ".data-") for name in listing(folder)):
        return Located(prefix, BY_NAME["tf-bundle"])  # whose reader says what is wrong with it
    raise UnknownFormatError(
        path, "its bytes are those of no checkpoint that is known here",
        advice="it may be damaged, or cut short: fetch it again",
    )  # fmt: skip


def _prefix(path: str) -> str:
    """Return the prefix of an index. Raises UnknownFormatError where its name would not lead to the data."""
    if not path.endswith(".index"):
        raise UnknownFormatError(
            path,
            "this is the index of a TensorFlow checkpoint, but not named so",
            advice="name it PREFIX.index, beside its PREFIX.data-… files",
        )
    return path.removesuffix(".index")


def _open_by_tensorflow(located: Located) -> Reader:
    if not located.format.tensorflow:
        raise UnsupportedError(
            located.path,
            f"TensorFlow's checkpoint reader does not read {located.format.about}",
            advice="leave --backend tensorflow off",
        )
    from ckptread.formats.tensorflow.reference import TfCheckpointReader

    return TfCheckpointReader(located.path, located.format.name)
