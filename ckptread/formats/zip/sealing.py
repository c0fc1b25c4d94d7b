"""The checksums of stored members, written anew after their bytes were replaced in place."""

from __future__ import annotations

import zlib
from typing import IO

READ_BYTES = 1 << 20
LOCAL_CRC, ENTRY_CRC = 14, 16
"""Where the CRC-32 is in a local header (APPNOTE 4.3.7) and in an entry of the directory (4.3.12)."""
ENTRY_NBYTES, DESCRIBED, DESCRIPTOR_MARK = 46, 8, b"PK\7\x08"


def store_checksums(file: IO[bytes]) -> None:
    """Write the CRC-32 of each stored member into its header, the directory, and its descriptor if it has one."""
    import zipfile

    with zipfile.ZipFile(file) as archive:  # the archive was read by our own code before: this only finds its parts
        entry = archive.start_dir
        for member in archive.infolist():
            file.seek(entry)
            lengths = file.read(ENTRY_NBYTES)[28:34]
            if member.compress_type == zipfile.ZIP_STORED:
                start = _data_start(file, member.header_offset)
                crc = _crc_of(file, start, member.file_size).to_bytes(4, "little")
                _put(file, entry + ENTRY_CRC, crc)
                if member.flag_bits & DESCRIBED:
                    _put_descriptor(file, start + member.file_size, crc)
                else:
                    _put(file, member.header_offset + LOCAL_CRC, crc)
            entry += ENTRY_NBYTES + sum(int.from_bytes(lengths[at : at + 2], "little") for at in (0, 2, 4))


def _data_start(file: IO[bytes], header: int) -> int:
    """Return where a member's bytes begin: behind its header, its name and its extra field."""
    file.seek(header + 26)
    lengths = file.read(4)
    return header + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


def _crc_of(file: IO[bytes], start: int, nbytes: int) -> int:
    file.seek(start)
    crc, left = 0, nbytes
    while left and (data := file.read(min(READ_BYTES, left))):
        crc, left = zlib.crc32(data, crc), left - len(data)
    return crc


def _put_descriptor(file: IO[bytes], at: int, crc: bytes) -> None:
    file.seek(at)
    _put(file, at + 4 if file.read(4) == DESCRIPTOR_MARK else at, crc)


def _put(file: IO[bytes], at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)
