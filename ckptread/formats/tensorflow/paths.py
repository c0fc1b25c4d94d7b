"""What users have of a TensorFlow checkpoint, and the prefix of its files that names it.

People have the ``.index``, a ``.data-…`` file, the ``checkpoint`` state file that training leaves next to them, or the
folder.
"""

from __future__ import annotations

import re
from posixpath import basename, dirname, join, split

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnknownFormatError, UnsafeFileError
from ckptread.formats.candidate import look
from ckptread.formats.mistakes import find_mistake
from ckptread.limits import SMALL_FILE_BYTES
from ckptread.storage.source import Storage
from ckptread.wording import escape, quoted

STATE_FILE = "checkpoint"
SHOWN = 3
"""How many checkpoints that are in a folder an error names."""

_SHARD = re.compile(r"(?P<prefix>.*)\.data-\d{5}-of-\d{5}\Z", re.DOTALL)
_V1_SHARD = re.compile(r"(?P<prefix>.*)-\d{5}-of-(?P<count>\d{5})\Z", re.DOTALL)
_STEP = re.compile(r"(\d+)\D*\Z")
_FIELD = re.compile(r'^[ \t]*+(?P<field>\w++)[ \t]*+:[ \t]*+"(?P<path>(?:[^"\\\n]|\\.)*+)"', re.MULTILINE)


class LatestStep(msgspec.Struct, frozen=True):
    """The checkpoint that a state file or a folder leads to."""

    name: str
    """A V2 prefix, or a V1 file."""
    note: str
    """What led to it, for the user."""


def prefix_of_shard(name: str) -> str | None:
    """Return the prefix where the name is that of a V2 data file."""
    found = _SHARD.match(name)
    return found["prefix"] if found else None


def v1_files(storage: Storage, name: str) -> list[str]:
    """Return the files of a sharded V1 checkpoint, by their prefix, its glob, or one of them; empty for any other."""
    if prefix_of_shard(name) is not None:
        return []
    found = _V1_SHARD.match(name)
    prefix = found["prefix"] if found else re.sub(r"-\?+-of-(\?+|\d+)\Z", "", name)
    folder, base = split(prefix)
    pattern = re.compile(re.escape(base) + r"-\d{5}-of-\d{5}\Z")
    return [join(folder, each) for each in storage.list(folder) if pattern.match(each)]


def has_data(storage: Storage, prefix: str) -> bool:
    """Whether there are data files of a V2 checkpoint with this prefix."""
    folder, base = split(prefix)
    return any(name.startswith(base + ".data-") for name in storage.list(folder))


def step_of(prefix: str) -> int:
    """Return the last number in a checkpoint's name, -1 where there is none."""
    found = _STEP.search(basename(prefix))
    return int(found[1][:18]) if found else -1


def is_checkpoint(storage: Storage, name: str) -> bool:
    """Whether this is the prefix of a V2 index, or the name of a V1 checkpoint's file or files."""
    return bool(storage.kind(name + ".index") or storage.kind(name) == "file" or v1_files(storage, name))


def read_state(storage: Storage, name: str) -> LatestStep:
    """Return the checkpoint that a ``checkpoint`` state file calls the latest.

    Its paths are relative to its own folder, and never leave it. For a path that no longer exists (in a folder that was
    moved), the checkpoint of the same name next to the state file is taken. Raises CheckpointError where there is none.
    """
    path = storage.address(name)
    latest, count = _latest_path(storage, name)
    note = f"the latest of {count} in {quoted(path)}" if count > 1 else f"named by {quoted(path)}"
    folder = dirname(name)
    direct, beside = join(folder, latest), join(folder, basename(latest.replace("\\", "/")))
    inside = storage.within(folder, direct)
    if inside and is_checkpoint(storage, direct):
        return LatestStep(direct, note)
    if is_checkpoint(storage, beside):
        return LatestStep(beside, f"{note} ({quoted(latest)} is not here; the one of the same name is)")
    if not inside:
        problem = f"it points outside its folder, to {quoted(latest)}"
        raise UnsafeFileError(path, problem, advice="such a path is not followed: give the checkpoint itself")
    problem = f"it names {quoted(latest)}, but there is no .index of that name"
    here = [basename(prefix) for prefix in prefixes_in(storage, folder)]
    advice = f"give one that is here: {', '.join(map(escape, here[-SHOWN:]))}" if here else "download the missing files"
    raise CheckpointError(path, problem, advice=advice)


def _latest_path(storage: Storage, name: str) -> tuple[str, int]:
    """Return the path that a state file calls the latest, and how many it names."""
    with storage.open(name) as source:
        data = source.read(0, min(source.size, SMALL_FILE_BYTES))
    lines = _FIELD.finditer(data.decode("utf-8", "surrogateescape"))
    fields = [(found["field"], re.sub(r"\\(.)", r"\1", found["path"])) for found in lines]
    latest = [value for field, value in fields if field == "model_checkpoint_path"]
    if not latest or "\0" in latest[0]:
        mistake = find_mistake(look(storage, name))
        if mistake is not None:
            raise UnknownFormatError(storage.address(name), f"this is {mistake.what}", advice=mistake.advice)
        problem = "it is not a state file of TensorFlow: it has no model_checkpoint_path"
        raise DamagedFileError(storage.address(name), problem)
    return latest[0], sum(field == "all_model_checkpoint_paths" for field, _ in fields)


def latest_in(storage: Storage, folder: str) -> LatestStep | None:
    """Return the checkpoint of the highest step in a folder, or None where it has none."""
    state = join(folder, STATE_FILE)
    if storage.kind(state) == "file":
        return read_state(storage, state)
    prefixes = prefixes_in(storage, folder)
    if not prefixes:
        return None
    where = storage.address(folder)
    note = f"the highest step of {len(prefixes)} in {quoted(where)}" if len(prefixes) > 1 else ""
    return LatestStep(prefixes[-1], note)


def prefixes_in(storage: Storage, folder: str) -> list[str]:
    """Return the prefixes of the indexes in a folder, in the order of their steps."""
    prefixes = [name.removesuffix(".index") for name in storage.list(folder) if name.endswith(".index")]
    return [join(folder, prefix) for prefix in sorted(prefixes, key=lambda prefix: (step_of(prefix), prefix))]


def only_data_in(storage: Storage, folder: str) -> list[str]:
    """Return the prefixes of the data files in a folder that has no other files; empty for any other folder."""
    files = [name for name in storage.list(folder) if storage.kind(join(folder, name)) == "file" and name[0] != "."]
    prefixes = [prefix_of_shard(name) for name in files if name != STATE_FILE]
    return [] if None in prefixes else list(dict.fromkeys(prefix for prefix in prefixes if prefix is not None))
