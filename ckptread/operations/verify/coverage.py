"""Which tensors the checksums of a checkpoint cover, and what it means where many are wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from ckptread.reader import Reader
from ckptread.storage.spans import Cover
from ckptread.tensors import Finding, Region, TensorInfo
from ckptread.wording import plural

BEING_WRITTEN = "the file changed in the last two seconds: verify it again once its writer is done"


def mixed_steps(regions: Sequence[Region], damaged: Sequence[Region], known: Iterable[Finding]) -> Iterator[Finding]:
    """Say where the checksums that one file states for another are mostly wrong: they are of two saves.

    Damage hits a part; two steps of one model differ nearly everywhere, and agree in every size.
    """
    own = {region.file for region in regions if region.key is None} | {f.file for f in known if f.severity == "error"}
    stated = [r for r in regions if r.key is not None and r.checksum is not None and r.file not in own]
    counts = Counter(region.file for region in stated)
    wrong = Counter(region.file for region in damaged if region.file not in own)
    sizes, bad = _nbytes_by_file(stated), _nbytes_by_file(damaged)
    for file, count in wrong.items():
        if count >= 2 and (2 * count > counts[file] or 2 * bad[file] > sizes[file]):
            message = (
                f"of {counts[file]:,} tensors in it, {count:,} do not match the checksum in the index, though "
                "every size fits: index and data are from two different steps, or the file was overwritten"
            )
            advice = "download the .index and the .data files of the same step"
            yield Finding(
                code="mixed-steps", severity="error", message=message, key=None, file=file, offset=None, advice=advice
            )


def _nbytes_by_file(regions: Iterable[Region]) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for region in regions:
        sizes[region.file] += region.nbytes
    return sizes


def unchecked_tensors(tensors: Iterable[TensorInfo], regions: Sequence[Region], inner: set[int]) -> list[TensorInfo]:
    """Return the tensors that have values which no checksum covers."""
    cover = Cover(r for number, r in enumerate(regions) if r.checksum is not None or number in inner)
    own: dict[str | None, list[bool]] = defaultdict(list)
    for number, region in enumerate(regions):
        own[region.key].append(region.checksum is not None or number in inner or cover.holds(region))
    structure = any(own[None])  # what has no place of its own lies within it
    return [
        info
        for info in tensors
        if info.problem is None and info.nbytes and not (all(own[info.key]) if info.key in own else structure)
    ]


def around(reader: Reader, info: TensorInfo) -> Region | None:
    """Return the part of a file, a member of an archive, say, whose checksum is over a tensor's bytes and others'."""
    if info.extent is None:
        return None
    bytes_of = Region(key=info.key, file=info.extent.file, offset=info.extent.offset, nbytes=info.extent.nbytes)
    structure = takewhile(lambda region: region.key is None, reader.regions())
    return next((region for region in structure if region.checksum and Cover([region]).holds(bytes_of)), None)


def has_checksum_within(reader: Reader, info: TensorInfo) -> bool:
    """Whether a tensor's own bytes contain a checksum, where the file has none for them as a whole; it is compared.

    Raises CheckpointError if it does not agree.
    """
    if info.extent is None or info.extent.checksum is not None or info.problem is not None:
        return False
    own = [region for region in reader.regions() if region.key == info.key]
    return bool(own) and all(region.check is not None and region.check() for region in own)


def doubtful_keys(
    tensors: Iterable[TensorInfo], regions: Iterable[Region], damaged: Sequence[Region]
) -> frozenset[str]:
    """Return the keys of tensors in a damaged run of bytes that is not theirs alone, a member of an archive, say."""
    structure = [region for region in damaged if region.key is None]
    if not structure:
        return frozenset()
    cover = Cover(structure)
    placed = {region.key: cover.holds(region) for region in regions if region.key is not None}
    return frozenset(info.key for info in tensors if placed.get(info.key, True))


def note_missing_checksums(unchecked: Sequence[TensorInfo], count: int, recent: bool) -> Iterator[Finding]:
    """Note what has no checksum, of ``count`` tensors with values that can be read: no change in it can be found.

    ``recent``: the file was written just now, and a change while it is read cannot be found either.
    """
    if unchecked:
        nbytes = sum(info.nbytes for info in unchecked)
        have, whose = ("has", "its") if len(unchecked) == 1 else ("have", "their")
        some = f"{len(unchecked):,} of {count:,} tensors {have} no"
        which = "no tensor has a" if len(unchecked) == count else some
        message = (
            f"{which} checksum in this file: a changed value among {whose} {plural(nbytes, 'byte')} cannot be found"
        )
        yield Finding(
            code="no-checksum",
            severity="note",
            message=message,
            key=None,
            file=None,
            offset=None,
            advice=BEING_WRITTEN if recent else "compare with another copy: 'ckptread diff'",
        )
