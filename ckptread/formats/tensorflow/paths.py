"""What users have at hand of a TensorFlow checkpoint, and the prefix that it means.

A checkpoint is named by the prefix of its files. People hold the ``.index``, a ``.data-…`` file, the
``checkpoint`` state file that training leaves beside them, or the folder.
"""

from __future__ import annotations

import os
import re

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.limits import SMALL_FILE_BYTES
from ckptread.wording import escape

STATE_FILE = "checkpoint"

_SHARD = re.compile(r"(?P<prefix>.*)\.data-\d{5}-of-\d{5}\Z", re.DOTALL)
_V1_SHARD = re.compile(r"(?P<prefix>.*)-\d{5}-of-(?P<count>\d{5})\Z", re.DOTALL)
_STEP = re.compile(r"(\d+)\D*\Z")
_NAMED = re.compile(r'^[ \t]*+(?P<field>\w++)[ \t]*+:[ \t]*+"(?P<path>(?:[^"\\\n]|\\.)*+)"', re.MULTILINE)


class Found(msgspec.Struct, frozen=True):
    """A checkpoint that something else led to."""

    path: str
    """A V2 prefix, or a V1 file."""
    note: str
    """What led to it, for the user."""


def prefix_of_shard(path: str) -> str | None:
    """Return the prefix where the name is that of a V2 data file."""
    found = _SHARD.match(path)
    return found["prefix"] if found else None


def v1_files(path: str) -> list[str]:
    """Return the files of a sharded V1 checkpoint that a prefix, its glob, or one of its files means, or none."""
    if prefix_of_shard(path) is not None:
        return []
    found = _V1_SHARD.match(path)
    prefix = found["prefix"] if found else re.sub(r"-\?+-of-(\?+|\d+)\Z", "", path)
    folder, base = os.path.split(prefix)
    pattern = re.compile(re.escape(base) + r"-\d{5}-of-\d{5}\Z")
    return [os.path.join(folder, name) for name in listing(folder) if pattern.match(name)]


def listing(folder: str) -> list[str]:
    """Return a folder's names in order, or none where it cannot be listed."""
    try:
        return sorted(os.listdir(folder or "."))
    except OSError:
        return []


def step_of(prefix: str) -> int:
    """Return the last number in a checkpoint's name, -1 where there is none."""
    found = _STEP.search(os.path.basename(prefix))
    return int(found[1][:18]) if found else -1


def is_checkpoint(path: str) -> bool:
    """Whether a prefix has a V2 index, or names a V1 checkpoint's file or files."""
    return os.path.exists(path + ".index") or os.path.isfile(path) or bool(v1_files(path))


def from_state(path: str) -> Found:
    """Return the checkpoint that a ``checkpoint`` state file calls the latest.

    Its paths are taken relative to its own folder, and never leave it; for a path that no longer exists (a
    folder that was moved) the same name beside the state file is taken. Raises CheckpointError where there is none.
    """
    named, others = _named(path)
    folder = os.path.dirname(path) or "."
    direct = os.path.join(folder, named)
    beside = os.path.join(folder, os.path.basename(named))
    if _inside(direct, folder) and is_checkpoint(direct):
        return Found(direct, _told(path, others))
    if is_checkpoint(beside):
        return Found(beside, f"{_told(path, others)} ({escape(named)!r} is not here; its namesake is)")
    if not _inside(direct, folder):
        raise UnsafeFileError(
            path,
            f"it points outside its folder, to {escape(named)!r}",
            advice="such a path is not followed: give the checkpoint itself",
        )
    raise CheckpointError(
        path,
        f"it names {escape(named)!r}, of which there is no .index here",
        advice="fetch the missing files",
    )


def _told(path: str, others: int) -> str:
    return f"the latest of {others} in {escape(path)!r}" if others > 1 else f"named by {escape(path)!r}"


def _inside(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


def _named(path: str) -> tuple[str, int]:
    """Return the path that a state file calls the latest, and how many it names."""
    from ckptread.storage.local import FileSource

    source = FileSource(path)
    try:
        data = source.read(0, min(source.size, SMALL_FILE_BYTES))
    finally:
        source.close()
    lines = _NAMED.finditer(data.decode("utf-8", "surrogateescape"))
    fields = [(found["field"], re.sub(r"\\(.)", r"\1", found["path"])) for found in lines]
    latest = [value for field, value in fields if field == "model_checkpoint_path"]
    if not latest or "\0" in latest[0]:
        raise DamagedFileError(path, "it is no state file of TensorFlow: it names no model_checkpoint_path")
    return latest[0], sum(field == "all_model_checkpoint_paths" for field, _ in fields)


def latest_in(folder: str) -> Found | None:
    """Return the checkpoint of the highest step in a folder, or None where it holds none."""
    state = os.path.join(folder, STATE_FILE)
    if os.path.isfile(state):
        return from_state(state)
    prefixes = [name.removesuffix(".index") for name in listing(folder) if name.endswith(".index")]
    if not prefixes:
        return None
    latest = max(prefixes, key=lambda prefix: (step_of(prefix), prefix))
    note = f"the highest step of {len(prefixes)} in {escape(folder)!r}" if len(prefixes) > 1 else ""
    return Found(os.path.join(folder, latest), note)
