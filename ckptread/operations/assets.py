"""The assets of a checkpoint, such as vocabularies: their sizes, and digests of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ckptread.errors import CheckpointError
from ckptread.reader import Reader
from ckptread.select import path_matcher
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.source import Source
from ckptread.tensors import Finding, trouble
from ckptread.wording import quoted


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a model needs besides its tensors."""

    name: str
    """Its path in the checkpoint: ``assets/vocabulary.txt``."""
    nbytes: int | None = None
    """None where it cannot be opened."""
    sha256: str | None = None
    """The SHA-256 of its bytes, in hexadecimal digits; None where they were not read."""
    problem: str = ""
    """Why it cannot be read, or ""."""


def list_assets_of(reader: Reader, exclude: Sequence[str] = ()) -> tuple[Asset, ...]:
    """Return the assets of a checkpoint with their sizes, without the excluded; nothing is read."""
    return tuple(_each(reader, wanted_assets(reader, (), exclude), _leave))


def digest_assets(reader: Reader, names: Iterable[str], meter: Meter = SILENT) -> tuple[Asset, ...]:
    """Return assets with the digests of their bytes, which are read in blocks."""
    return tuple(_each(reader, names, lambda source: _digest(source, meter)))


def refused_assets(reader: Reader) -> Iterator[Finding]:
    """Yield an error for each asset that cannot be opened, unless the file's own findings name it."""
    known = [finding.message for finding in reader.problems]
    for name, open_it in reader.assets.items():
        try:
            open_it().close()
        except CheckpointError as error:
            if not any(quoted(name) in message for message in known):
                yield msgspec.structs.replace(trouble(error), message=f"the asset {quoted(name)}: {error.problem}")


def wanted_assets(
    reader: Reader, patterns: Sequence[str], exclude: Sequence[str] = (), role: str | None = None
) -> list[str]:
    """Return the names of the assets that go with a choice of tensors: those of a whole model, without the excluded."""
    if patterns or role not in {None, "model", "all"}:
        return []
    excluded = [path_matcher(pattern) for pattern in exclude]
    return [name for name in reader.assets if not any(matches(name) for matches in excluded)]


def _each(reader: Reader, names: Iterable[str], work: Callable[[Source], str | None]) -> Iterator[Asset]:
    opened = reader.assets
    return (_one(name, opened[name], work) for name in names)


def _one(name: str, open_it: Callable[[], Source], work: Callable[[Source], str | None]) -> Asset:
    nbytes = None
    try:
        with open_it() as source:
            nbytes = source.size
            return Asset(name=name, nbytes=nbytes, sha256=work(source))
    except CheckpointError as error:
        return Asset(name=name, nbytes=nbytes, problem=error.problem)


def _leave(_source: Source) -> None:
    return None


def _digest(source: Source, meter: Meter) -> str:
    import hashlib

    running = hashlib.sha256()
    for block in source.blocks():
        running.update(block)
        meter.add(len(block))
    return running.hexdigest()
