"""What a user's path stands for, and which format opens it: :func:`locate` and :func:`open_checkpoint`.

The formats themselves are in the table of ``registry.py``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from posixpath import basename, dirname, join

from ckptread.errors import CheckpointError, DamagedFileError, UnknownFormatError, UnsupportedError, UsageError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format, Located
from ckptread.formats.mistakes import find_mistake
from ckptread.formats.registry import FORMATS, installed_formats, recognise_candidate, recognise_name
from ckptread.formats.signatures import find_second_format
from ckptread.reader import Reader, Remains
from ckptread.storage.addresses import find_storage
from ckptread.storage.source import CHANGED, CloseOnError, Storage
from ckptread.tensors import trouble
from ckptread.wording import escape, quoted

BACKENDS = ("auto", "native", *dict.fromkeys(name for row in FORMATS for name in row.backends))
READ_HERE = (
    "these are read: checkpoints of TensorFlow, TensorFlow.js, Keras and PyTorch, HDF5, .npz, .npy and safetensors"
)
MOST_OPENINGS = 5
"""How often a checkpoint of several files is opened that is replaced while it is opened."""
MOST_SUGGESTED = 1000
"""Names of a folder that are compared with a misspelt one."""


def open_checkpoint(
    path: str | bytes | os.PathLike[str], *, backend: str = "auto", remains: Remains = Remains.refused
) -> Reader:
    """Open a checkpoint of any format. Only its index is read.

    ``path`` is a file, a folder, or the prefix of a TensorFlow checkpoint. ``backend`` is 'auto' or 'native', or the
    library that wrote the file: 'tensorflow', or 'h5py' for HDF5 and Keras, run in another process. With
    ``Remains.accepted``, a damaged checkpoint is opened with what is left of it. Raises CheckpointError (see
    ckptread.errors), and UsageError for an unknown backend.
    """
    if backend not in BACKENDS:
        raise UsageError(f"there is no backend {backend!r}; there are {', '.join(BACKENDS)}")
    located = locate(os.fsdecode(path))
    reader = _open_remains(located) if remains is Remains.accepted else _open(located, backend)
    reader.reopen = partial(open_checkpoint, located.path, backend=backend, remains=remains)
    if located.note:
        reader.metadata = {**reader.metadata, "opened": located.note}
    return reader


def open_in(storage: Storage, name: str) -> Reader:
    """Open what a name in a storage stands for, as ``open_checkpoint`` does."""
    return _open(locate_in(storage, name), "native")


def _open(located: Located, backend: str) -> Reader:
    row = located.format
    if backend in {"auto", "native"}:
        return _with_warnings(_open_one_save(located), located)
    if backend not in row.backends:
        problem = f"the {backend} backend does not read {row.about}"
        raise UnsupportedError(located.path, problem, advice=f"leave --backend {backend} off")
    return row.backends[backend](located.storage, located.name, Remains.refused)


def _open_one_save(located: Located) -> Reader:
    """Open all files of a checkpoint as they are at one time; again, where one was replaced meanwhile."""
    for left in reversed(range(MOST_OPENINGS)):
        try:
            return located.format.open(located.storage, located.name, Remains.refused)
        except DamagedFileError as error:
            if error.code != CHANGED or not left:
                raise
    raise AssertionError("the last time returns or raises")


def _with_warnings(reader: Reader, located: Located) -> Reader:
    """Return a reader that also warns of the files that other programs may take for another format."""
    with CloseOnError(reader):
        sources = reader.open_sources()
        found = [find_second_format(source, located.storage, located.name) for source in sources]
    reader.problems = [*reader.problems, *(finding for finding in found if finding is not None)]
    return reader


def _open_remains(located: Located) -> Reader:
    """Open a checkpoint; one that is refused as damaged, with what is left of it and with what refused it."""
    try:
        reader = _open(located, "native")
        if not _hides_tensors(reader):
            return reader
        reader.close()
        return located.format.open(located.storage, located.name, Remains.accepted)
    except DamagedFileError as error:
        reader = located.format.open(located.storage, located.name, Remains.accepted)
        if all(finding.severity != "error" for finding in reader.problems):
            reader.problems = [trouble(error), *reader.problems]
        return reader


def _hides_tensors(reader: Reader) -> bool:
    """Whether something in it is damaged so that it may be a group of tensors."""
    return any(info.problem and info.dtype == "unknown" and not info.unsupported for info in reader.tensors.values())


def locate(path: str) -> Located:
    """Return what a path stands for, by the bytes and not by the ending of its name.

    Raises UnknownFormatError for what has no known format, and says what it is instead where that is known.
    """
    return locate_in(*find_storage(path))


def locate_in(storage: Storage, name: str) -> Located:
    """Return what a name in a storage stands for, as ``locate`` does."""
    candidate = None if storage.kind(name) is None else look(storage, name)
    row = None if candidate is None else recognise_candidate(candidate)
    if row is not None:
        return row.resolve(storage, name) or Located(storage, name, row)
    found = next((found for row in FORMATS if (found := row.resolve(storage, name)) is not None), None)
    if found is not None:
        return found
    if candidate is not None and candidate.folder and (only := _only_in(candidate)) is not None:
        return only
    return _locate_installed(storage, name, candidate)


def _locate_installed(storage: Storage, name: str, candidate: Candidate | None) -> Located:
    """Ask the formats of installed packages, which nothing else does. Raises CheckpointError where none knows it."""
    for row in installed_formats():
        if candidate is not None and row.recognise(candidate):
            return row.resolve(storage, name) or Located(storage, name, row)
        if (found := row.resolve(storage, name)) is not None:
            return found
    raise _missing(storage, name) if candidate is None else _unknown(candidate)


def _only_in(folder: Candidate) -> Located | None:
    """Return the only checkpoint in a folder, None if there is none. Raises if there are several.

    Folders in it count where none of its files is a checkpoint: an export has a SavedModel in a folder for each time.
    """
    storage = folder.storage
    names = [join(folder.path, name) for name in storage.list(folder.path)]
    found = _recognised(storage, names, "file") or _recognised(storage, names, "folder")
    where = storage.address(folder.path)
    if len(found) > 1:
        shown = ", ".join(escape(basename(name)) for name, _ in found[:3]) + (" …" if len(found) > 3 else "")
        raise UnknownFormatError(
            where, f"the folder has {len(found)} checkpoints", advice=f"name one: {shown}; 'ckptread ls' lists them"
        )
    return Located(storage, *found[0], f"the only checkpoint in {quoted(where)}") if found else None


def _recognised(storage: Storage, names: Sequence[str], kind: str) -> list[tuple[str, Format]]:
    """Return which of these files, or folders, are checkpoints by themselves, and their formats."""
    wanted = [name for name in names if storage.kind(name) == kind and not (kind == "folder" and storage.is_link(name))]
    return [(name, row) for name in wanted if (row := recognise_name(storage, name)) is not None]


def _unknown(candidate: Candidate) -> UnknownFormatError:
    """Return the error for a path that exists but is not a checkpoint."""
    path = candidate.storage.address(candidate.path)
    mistake = find_mistake(candidate)
    if mistake is not None:
        return UnknownFormatError(path, f"this is {mistake.what}", advice=mistake.advice)
    if candidate.folder:
        return UnknownFormatError(path, "the folder has no checkpoint", advice="give the checkpoint itself")
    problem = "its bytes are not those of any known checkpoint format"
    endings = tuple(ending for row in FORMATS for ending in row.endings)
    advice = "it may be damaged or truncated: download it again" if path.endswith(endings) else READ_HERE
    return UnknownFormatError(path, problem, advice=advice)


def _missing(storage: Storage, name: str) -> CheckpointError:
    """Return the error for what does not exist, with the nearest names."""
    path, folder = storage.address(name), dirname(name)
    problem = "there is no such file or checkpoint"
    if storage.kind(folder) is None:
        where = storage.address(folder)
        return CheckpointError(path, problem, advice=f"there is no folder {quoted(where)} either")
    from ckptread.wording import nearest

    near = nearest(basename(name), _names_in(storage, folder))
    shown = [escape(storage.address(join(folder, each))) for each in near]
    return CheckpointError(path, problem, advice=f"did you mean {' or '.join(shown)}?" if near else "check the path")


def _names_in(storage: Storage, folder: str) -> list[str]:
    """Return what a user may type of a folder: the prefix in place of the files that it leads to."""
    found: dict[str, None] = {}
    for base in storage.list(folder)[:MOST_SUGGESTED]:
        name, located = join(folder, base), None
        with suppress(CheckpointError):
            if storage.kind(name) == "file":
                located = next((each for row in FORMATS if (each := row.resolve(storage, name)) is not None), None)
        found[base if located is None else basename(located.name)] = None
    return list(found)
