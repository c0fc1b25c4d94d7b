"""The messages between a worker and its parent, and how they are written.

A message is its length in four bytes, then JSON; a reply with ``nbytes`` is followed by that many raw bytes. Python's
json writes and reads it, because msgspec's own refuses names that are not UTF-8 and turns NaN into null; msgspec
checks the types. What a reply claims is checked where it is used: the types alone prove nothing about the file.
"""

from __future__ import annotations

from typing import IO, Annotated, Any

import msgspec

from ckptread.limits import TENSORFLOW_SECONDS
from ckptread.tensors import Severity

Size = Annotated[int, msgspec.Meta(ge=0)]
"""A number of bytes or elements, or an offset."""
Bounds = tuple[int, int, int]
"""Start, stop and step of a slice along one axis."""
Attribute = str | int | float | list[str]


class WorkerMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, tag_field="type"):
    """Anything that goes over the pipe."""


# From the parent: one opening, then questions.


class OpenHdf5(WorkerMessage, frozen=True):
    """Open the HDF5 file that this descriptor and these steps lead to."""

    descriptor: int
    steps: list[dict[str, int]]
    """How to reach the HDF5 file within the open one: windows and inflated members, see ``Source.recipe``."""
    claims: int | None = None
    """The size that a truncated file records, where what remains of it is wanted; None to refuse damage."""
    seconds: float = TENSORFLOW_SECONDS
    """How long one answer may take: the child ends itself later than that."""


class OpenCheckpoint(WorkerMessage, frozen=True):
    """Open a TensorFlow checkpoint."""

    prefix: str
    seconds: float = TENSORFLOW_SECONDS
    """How long one answer may take: the child ends itself later than that."""


class ListDatasets(WorkerMessage, frozen=True):
    """Reply with Entries and LongTexts for all that the file holds, and one DatasetsListed before the attributes."""


class ReadDataset(WorkerMessage, frozen=True):
    """Reply with Values: part of an HDF5 dataset, as ``formats.hdf5.values.encode`` writes it."""

    address: Size
    """Of its description in the file, as the superblock counts."""
    selection: list[Bounds]


class ReadValues(WorkerMessage, frozen=True):
    """Reply with Values: part of a variable, as ``formats.hdf5.values.encode`` writes it."""

    key: str
    selection: list[Bounds]


class ListVariables(WorkerMessage, frozen=True):
    """Reply with Variables."""


# From the child: Ready once, then replies to each question, ended by End or Failed.


class Ready(WorkerMessage, frozen=True):
    """All is imported, and the file has not been touched."""


class End(WorkerMessage, frozen=True):
    """The answer is complete."""


class Failed(WorkerMessage, frozen=True):
    """The answer ends in an error."""

    kind: str
    """The class of the CheckpointError."""
    problem: str
    advice: str = ""


class FoundDataset(WorkerMessage, frozen=True):
    """A dataset, or a link that leads to none."""

    key: str
    shape: tuple[Size, ...] | None
    """None of a dataset without a dataspace."""
    dtype: str
    nbytes: Size = 0
    address: Size | None = None
    """Of its description in the file; None of a link that leads to none."""
    problem: str | None = None
    """Why it cannot be read."""
    unsupported: bool = False
    """Whether that is a limit of this program, not damage."""
    is_text: bool = False
    """Whether its elements are strings."""
    alias_of: str | None = None
    """The key under which the same object was listed first."""


class FoundProblem(WorkerMessage, frozen=True):
    """Something to report about the object at ``key``."""

    key: str
    code: str
    message: str
    severity: Severity = "warning"


class FoundAttributes(WorkerMessage, frozen=True):
    """The attributes of a group, except its long texts."""

    group: str
    attributes: dict[str, Attribute]


Entry = FoundDataset | FoundProblem | FoundAttributes


class Entries(WorkerMessage, frozen=True):
    """Some of what a file holds."""

    entries: list[Entry]


class LongText(WorkerMessage, frozen=True):
    """An attribute that is a long text; its UTF-8 follows as raw bytes."""

    group: str
    name: str
    nbytes: Size


class DatasetsListed(WorkerMessage, frozen=True):
    """All datasets were listed: a failure from here on costs attributes only."""


class Variable(msgspec.Struct, frozen=True):
    """A variable of a TensorFlow checkpoint; the shape is what the file claims."""

    key: str
    shape: tuple[int, ...]
    dtype: str


class Variables(WorkerMessage, frozen=True):
    """Some of the variables of a checkpoint."""

    variables: list[Variable]


class Values(WorkerMessage, frozen=True):
    """Some of the values that were asked for, which follow as raw bytes."""

    nbytes: Size


Opening = OpenHdf5 | OpenCheckpoint
Question = ListDatasets | ReadDataset | ReadValues | ListVariables
Answer = Entries | LongText | DatasetsListed | Variables | Values
Reply = Ready | End | Failed | Answer


def write_message(stream: IO[bytes], message: WorkerMessage, raw: bytes = b"") -> None:
    """Write a message and the raw bytes that follow it."""
    import json

    data = json.dumps(msgspec.to_builtins(message)).encode()
    stream.write(len(data).to_bytes(4, "little") + data)
    stream.write(raw)
    stream.flush()


def parse_message(data: bytes, kinds: Any) -> Any:
    """Return the message, one of ``kinds`` (a union of them). Raises ValueError where it is anything else."""
    import json

    try:
        return msgspec.convert(json.loads(data), type=kinds)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
