"""Files that HDF5 wrote in several parts: which driver did, and how to put them together.

Specification: HDF5 File Format Specification 3.0, II.B "File Driver Info", IV.A.2.u "The Driver Info Message".
"""

from __future__ import annotations

import msgspec

from ckptread.errors import UnsupportedError
from ckptread.formats.hdf5.object_header import DRIVER_INFO, read_messages
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock

BLOCK_BYTES, NAME_AT, NAME_BYTES = 16, 8, 8
"""Of the driver information block: version, three reserved bytes, the size of what follows, the driver's name."""
MESSAGE_NAME_AT = 1
"""In a message: the version comes first."""


class Parts(msgspec.Struct, frozen=True):
    """What a driver writes, and how to make one file of it."""

    about: str
    advice: str


DRIVERS = {
    b"NCSAfami": Parts(
        "it is the first of several files, written by HDF5's family driver",
        "join them with 'h5repart -family_to_single': give it their name with %d in place of the number",
    ),
    b"NCSAmult": Parts(
        "it is one of several files, written by HDF5's split or multi driver",
        "copy them into one file: open them with h5py.File(NAME, driver='split'), without the ending of NAME",
    ),
}


def read_driver(head: Superblock) -> Parser[bytes]:
    """Return the name of the driver that wrote the file; b"" where it records none. Raises Malformed."""
    if head.driver != UNDEFINED:
        block = yield from head.read(head.driver, BLOCK_BYTES)
        return bytes(block[NAME_AT : NAME_AT + NAME_BYTES])
    if head.extension == UNDEFINED:
        return b""
    for message in (yield from read_messages(head, head.extension)):
        if message.kind == DRIVER_INFO:
            return message.data[MESSAGE_NAME_AT : MESSAGE_NAME_AT + NAME_BYTES]
    return b""


def check_driver(path: str, name: bytes) -> None:
    """Raise UnsupportedError for one of several files."""
    parts = DRIVERS.get(name)
    if parts is not None:
        raise UnsupportedError(path, parts.about, advice=parts.advice)
