"""The names of filters that other libraries add to HDF5, by their registered numbers.

Specification: https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from ckptread.formats.hdf5.storage_layout import Filter
from ckptread.wording import cut, quoted

REGISTERED = {
    305: "LZO", 307: "bzip2", 32001: "Blosc", 32002: "MAFISC", 32003: "Snappy", 32004: "LZ4", 32005: "APAX",
    32006: "CBF", 32007: "JPEG-XR", 32008: "bitshuffle", 32009: "SPDP", 32010: "LPC-Rice", 32011: "CCSDS-123",
    32012: "JPEG-LS", 32013: "ZFP", 32014: "FPZIP", 32015: "Zstandard", 32016: "B3D", 32017: "SZ", 32018: "FCIDECOMP",
    32019: "JPEG", 32020: "VBZ", 32021: "FAPEC", 32022: "BitGroom", 32023: "Granular BitRound", 32024: "SZ3",
    32025: "Delta-Rice", 32026: "Blosc2", 32027: "FLAC",
}  # fmt: skip


def unknown_filters(filters: Iterable[Filter]) -> str:
    """Return why chunks that went through these filters are not read, and what to do."""
    named = " and ".join(_name(each) for each in filters)
    advice = "write the file again with gzip, by h5repack or by h5py with hdf5plugin"
    return f"its chunks went through a filter that is not read here, {named}: {advice}"


def _name(each: Filter) -> str:
    """Return a filter's registered name and number, and what the file calls it where that says more."""
    registered, own = REGISTERED.get(each.number, ""), each.name.partition(";")[0].strip()
    if own and own.lower() != registered.lower():
        registered = f"{registered} {quoted(cut(own))}".strip()
    return f"{registered} ({each.number})" if registered else f"number {each.number}"
