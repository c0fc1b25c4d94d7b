"""Which checkpoints there are, and what each is: format, step, parameters, bytes, writer and date."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from posixpath import basename

import msgspec

from ckptread.errors import CheckpointError
from ckptread.formats.locate import open_checkpoint
from ckptread.operations.history.steps import Step, find_steps
from ckptread.operations.inspect.contents import parts_by_role
from ckptread.operations.inspect.scalars import Scalar, read_scalars
from ckptread.reader import Reader
from ckptread.reports.report import Report, Reportable
from ckptread.storage.addresses import find_storage
from ckptread.storage.source import Stamp
from ckptread.wording import plural

ITERATION = re.compile(r"(.*/)?(_?(iterations?|iter|global_step|step)|optimizer/vars/0)", re.IGNORECASE)
"""What the variable is called that counts the steps of a training."""
STEP_NAME = re.compile(r"(.*[-_.])?\d+([-_.].*)?")
"""A file name with a number of its own: ckpt-1000 or model_03.h5, but not resnet50.h5."""


class ListedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, by its index alone."""

    path: str
    format: str | None
    """None if it cannot be opened."""
    step: int | None
    """How many steps it was trained for: as the optimizer counts, else as the file is numbered. None if unknown."""
    parameters: int | None
    """Of the model, without the optimizer's."""
    nbytes: int | None
    """Bytes of its files. None if they are not on this machine."""
    writer: str | None
    """What wrote it, with the version, if the file records it."""
    date: str | None
    """When it was saved, or else when its files last changed: ``2026-11-25 19:27``."""
    problem: str | None
    """Why it cannot be opened."""


class CheckpointList(Reportable, msgspec.Struct, frozen=True):
    """The checkpoints in some places. It is iterable, and has a length."""

    checkpoints: tuple[ListedCheckpoint, ...]

    @property
    def complete(self) -> bool:
        """Whether all of them could be opened."""
        return all(each.problem is None for each in self.checkpoints)

    def report(self) -> Report:
        """Return what ``ckptread ls`` prints."""
        from ckptread.operations.ls.report import LsReport

        return LsReport(self)

    def __iter__(self) -> Iterator[ListedCheckpoint]:
        return iter(self.checkpoints)

    def __len__(self) -> int:
        return len(self.checkpoints)

    def __repr__(self) -> str:
        return f"<list of {plural(len(self.checkpoints), 'checkpoint')}>"


def ls(*paths: str | os.PathLike[str]) -> CheckpointList:
    """Return the checkpoints that these paths stand for: files, prefixes, and folders with all checkpoints in them.

    No value is read but the number of steps. What cannot be opened has a ``problem``. Without a path it is the
    current folder. Raises CheckpointError for a folder without any checkpoint, and for a path that does not exist.

    >>> import ckptread
    >>> [(found.path, found.format, found.step) for found in ckptread.ls("fixtures/tf-object")]
    [('fixtures/tf-object/ckpt-1', 'tf-bundle', 10), ('fixtures/tf-object/ckpt-2', 'tf-bundle', 20)]
    """
    steps = find_steps([os.fsdecode(path) for path in paths] or ["."])
    return CheckpointList(tuple(map(_listed, steps)))


def _listed(found: Step) -> ListedCheckpoint:
    step = msgspec.structs.replace(found, path=found.path.removeprefix("./"))
    try:
        with open_checkpoint(step.path) as reader:
            return _facts(reader, step)
    except CheckpointError as error:
        return ListedCheckpoint(
            path=step.path, format=None, step=None, parameters=None, nbytes=None, writer=None, date=None,
            problem=error.problem,
        )  # fmt: skip


def _facts(reader: Reader, step: Step) -> ListedCheckpoint:
    tensors = list(reader.tensors.values())
    counts = {part.role: part.parameters for part in parts_by_role(reader.tensors, tensors)}
    stamps = [stamp for stamp in _stamps(reader) if stamp is not None]
    said = reader.metadata
    version = said.get("keras_version")
    return ListedCheckpoint(
        path=step.path,
        format=reader.format,
        step=_trained_steps(reader, step),
        parameters=counts.get("model", counts.get("", 0)),
        nbytes=sum(stamp.size for stamp in stamps) if stamps else None,
        writer=said.get("writer") or (f"Keras {version}" if version else None),
        date=_date(said.get("date_saved"), stamps),
        problem=None,
    )


def _stamps(reader: Reader) -> Iterable[Stamp | None]:
    """Return the state of each file of a checkpoint."""
    places = map(find_storage, sorted(reader.files))
    return [storage.stamp(name) for storage, name in places]


def _trained_steps(reader: Reader, step: Step) -> int | None:
    known = read_scalars(reader, (each for each in reader.tensors.values() if ITERATION.fullmatch(each.name)))
    counted = [value for value in known.values() if _is_count(value)]
    if counted:
        return int(max(counted))
    return step.number if STEP_NAME.fullmatch(basename(step.path.rstrip("/"))) else None


def _is_count(value: Scalar) -> bool:
    return not isinstance(value, bool) and value >= 0 and value == int(value)


def _date(saved: str | None, stamps: Iterable[Stamp]) -> str | None:
    """Return a date without seconds, as text that sorts."""
    if saved is not None:
        return saved.replace("@", " ")[:16]
    import time

    changed = [stamp.version[0] for stamp in stamps if not isinstance(stamp.version, str)]
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(max(changed) / 1e9)) if changed else None
