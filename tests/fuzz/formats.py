"""A target for each row of the table of formats whose fixtures are single files: any bytes, opened as that format."""

from functools import partial
from pathlib import Path

from ckptread.formats.registry import FORMATS
from ckptread.reader import Remains
from tests.conformance.cases import CASES
from tests.storage.test_another_storage import MemoryStorage

SMALL = 20_000
"""A seed above this size makes slow executions."""


def seeds_of(row):
    """Return the small files of a format's fixtures; none where a checkpoint may be several files."""
    files = [Path(case.path) for case in CASES if case.format == row.name and row.parts is FORMATS[-1].parts]
    return [path.read_bytes() for path in files if path.stat().st_size <= SMALL]


def open_file(row, read_all, data):
    """Open bytes as one format, sound and as what is left of them, and read every tensor."""
    storage = MemoryStorage({f"file{row.endings[0]}": data})
    for remains in Remains:
        with row.open(storage, f"file{row.endings[0]}", remains) as reader:
            read_all(reader)


def targets(read_all):
    """Return the targets by their names."""
    return {f"file-{row.name}": partial(open_file, row, read_all) for row in FORMATS if seeds_of(row)}


SEEDS = {f"file-{row.name}": partial(seeds_of, row) for row in FORMATS if seeds_of(row)}
