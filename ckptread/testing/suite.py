"""The suite that a format passes: subclass :class:`FormatSuite` in a test module, and pytest runs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ckptread.formats.candidate import look
from ckptread.formats.format import Format
from ckptread.reader import Reader, Remains
from ckptread.storage.addresses import find_storage
from ckptread.testing.conformance import check_extents, check_interface, check_slices, check_values
from ckptread.testing.damage import assert_equal_where_read, changed, flipped, read_again

TRIES = 40
"""Places of each file that are damaged: truncated there, and one bit of it flipped."""


class Sample(msgspec.Struct, frozen=True):
    """A file of a format, and the arrays that the library that wrote it put in: never what ckptread reads."""

    path: str
    arrays: Mapping[str, NDArray[Any]]
    checksums: bool = False
    """Whether checksums cover the whole file: then a flipped bit is found, or changes nothing that is read."""


class FormatSuite:
    """Tests of one row of the table of formats. A subclass, named ``Test…``, has a ``row`` and its ``samples``."""

    row: Format
    samples: Sequence[Sample]

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run each test for each sample."""
        if "sample" in metafunc.fixturenames:
            samples = metafunc.cls.samples
            metafunc.parametrize("sample", samples, ids=[Path(sample.path).name for sample in samples])

    def opens(self, path: str | Path) -> Callable[[], Reader]:
        """Return what opens a file by the row, whether or not it is installed."""
        return partial(self.row.open, *find_storage(str(path)), Remains.refused)

    def test_a_file_is_recognised_by_its_bytes(self, sample: Sample, tmp_path: Path) -> None:
        """A name without an ending is recognised too; other bytes are not."""
        shutil.copy(sample.path, tmp_path / "unnamed")
        (tmp_path / "noise").write_bytes(bytes(range(128, 256)) * 8)
        assert self.row.recognise(look(*find_storage(str(tmp_path / "unnamed"))))
        assert not self.row.recognise(look(*find_storage(str(tmp_path / "noise"))))

    def test_a_file_has_what_its_library_wrote(self, sample: Sample) -> None:
        """Keys, shapes, dtypes and values; slices, blocks and extents."""
        with self.opens(sample.path)() as reader:
            assert reader.format == self.row.name
            check_values(reader, sample.arrays)
            tensors = [reader[key] for key in sample.arrays]
            check_slices(tensors)
            check_extents(tensors)
            assert [finding.message for finding in reader.problems if finding.severity == "error"] == []
        check_interface(self.opens(sample.path)())

    def test_a_truncated_file_gives_an_error_or_the_same_values(self, sample: Sample, tmp_path: Path) -> None:
        """It is cut at places that are drawn, and at its beginning."""
        file, before = self._copy(sample, tmp_path), read_again(self.opens(sample.path))
        for cut in [0, *self._places(file, 1)]:
            with changed(file, file.read_bytes()[:cut]):
                assert_equal_where_read(before, read_again(self.opens(file)), (file.name, cut))

    def test_a_flipped_bit_gives_an_error_and_no_other_values(self, sample: Sample, tmp_path: Path) -> None:
        """No other exception than CheckpointError; where checksums cover the file, no other values either."""
        file, before = self._copy(sample, tmp_path), read_again(self.opens(sample.path))
        for bit in self._places(file, 8):
            with changed(file, flipped(file, bit)):
                after = read_again(self.opens(file))
            if sample.checksums:
                assert_equal_where_read(before, after, (file.name, bit))

    @staticmethod
    def _copy(sample: Sample, folder: Path) -> Path:
        return Path(shutil.copy(sample.path, folder))

    @staticmethod
    def _places(file: Path, scale: int) -> list[int]:
        found: list[int] = np.random.default_rng(TRIES).integers(0, file.stat().st_size * scale, TRIES).tolist()
        return found
