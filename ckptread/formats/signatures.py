"""The signatures by which programs recognise a file, wherever they look for them.

A file may have several: HDF5 allows a block of any bytes before its own, a zip archive or a TensorFlow table is
recognised at its end. Two programs then read two contents. Here the first bytes decide, and the others are reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptread.formats.candidate import HDF5_SIGNATURE, Candidate, look_at
from ckptread.storage.source import Source, Storage
from ckptread.tensors import Finding

AMBIGUOUS = "ambiguous-format"
"""The code of the warning about a file of two formats."""
TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
"""The end of LevelDB's tables, which TensorFlow's are."""


def begins_as(c: Candidate) -> str | None:
    """Return the format of a file's first bytes in words, or None."""
    if c.head.startswith(HDF5_SIGNATURE):
        return "an HDF5 file"
    if c.head.startswith((b"PK\3\4", b"PK\5\6")):
        return "a zip archive"
    if c.head.startswith(b"\x93NUMPY"):
        return "a .npy array"
    if c.head[8:9] == b"{" and int.from_bytes(c.head[:8], "little") < c.size:
        return "a safetensors file"
    return None


def ends_as_zip(c: Candidate) -> bool:
    """Whether an end record of a zip archive, behind the list of its members, is near the end of the file."""
    from ckptread.formats.zip.records import END, END_MARK, ENTRY_MARK, EndRecord

    at = c.tail.rfind(END_MARK, 0, max(0, len(c.tail) - END.size + len(END_MARK)))
    if at < 0:
        return False
    end = EndRecord(*END.unpack_from(c.tail, at))
    directory = at - end.directory_nbytes
    likely = end.disk == end.directory_disk == 0 and end.disk_count == end.members
    return likely and (directory < 0 or c.tail[directory:].startswith((ENTRY_MARK, END_MARK)))


def find_formats(c: Candidate) -> Iterator[tuple[str, int]]:
    """Yield the formats that programs may recognise in a file, and where: the first one is that of its first bytes."""
    first = begins_as(c)
    if first is not None:
        yield first, 0
    if c.user_block is not None and first != "an HDF5 file":
        yield "an HDF5 file", c.user_block
    if first != "a zip archive" and ends_as_zip(c):
        yield "a zip archive", c.size
    if c.tail.endswith(TABLE_MAGIC):
        yield "a TensorFlow index", c.size


def find_second_format(source: Source, storage: Storage, name: str) -> Finding | None:
    """Return a warning where programs may recognise two formats in an open file; None where they cannot."""
    found = list(find_formats(look_at(source, storage, name)))
    if len(found) < 2 or _is_member(source, *found[1]):
        return None
    (first, _), (second, at) = found[:2]
    where = "at its end" if at == source.size else f"at byte {at:,}"
    return Finding(
        code=AMBIGUOUS,
        severity="warning",
        message=f"the file is {first}, but also {second} ({where}): programs differ in which one they read",
        file=source.name,
        offset=min(at, source.size),
        advice="do not trust it, unless you know who made it so",
    )


def _is_member(source: Source, found: str, at: int) -> bool:
    """Whether an HDF5 signature is the beginning of a zip archive's member: the weights in a .keras archive."""
    from ckptread.formats.zip.archive import ZipArchive

    if found != "an HDF5 file" or source.read(0, 2) != b"PK":
        return False
    return any(member.offset == at for member in ZipArchive(source).members.values())
