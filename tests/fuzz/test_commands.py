"""A short, repeatable run of changed HDF5 files through every command; ``make fuzz-commands`` is the long one."""

import random

import h5py
import numpy as np
import pytest

from tests.fuzz import commands
from tests.fuzz.commands import FIXTURES, Before, Run, examine
from tests.fuzz.hdf5_anatomy import anatomy, lookup3, sealed
from tests.fuzz.hdf5_changes import Subject

CHANGES = {"hdf5-layouts/latest.h5": 2, "hdf5-types/types.h5": 1, "keras3/model.keras": 2}
"""How many changes of each, one seed after the other."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_breaks_no_rule_of_any_command(name, tmp_path):
    (tmp_path / "before").mkdir()
    before = Before(FIXTURES / name, tmp_path / "before")
    assert before.values
    for seed in range(CHANGES[name]):
        rng, folder = random.Random(f"{name} {seed}"), tmp_path / str(seed)
        folder.mkdir()
        changed = before.subject.change(rng)
        run = examine(before, changed, folder, rng, trace=seed == 0)
        assert not run.broken, changed.what


def test_every_fixture_is_among_them():
    names = {str(path.relative_to(FIXTURES)) for path in commands.fixtures() if path.is_relative_to(FIXTURES)}
    assert {"keras1/keras10.h5", "keras2/model.keras", "keras3-shards/model_00001.weights.h5", *CHANGES} < names


def test_the_checksum_of_metadata_is_lookup3():
    assert lookup3(b"Four score and seven years ago") == 0x17770551  # lookup3.c, driver5
    assert lookup3(b"") == 0xDEADBEEF


def test_a_change_gets_past_the_checksum_of_what_it_changes(tmp_path):
    data = (FIXTURES / "hdf5-layouts" / "latest.h5").read_bytes()
    parts = anatomy(data, sound=True).parts
    [header] = [part for part in parts if part.start == 48]
    at = header.start + 8  # a time in the root group's header, which nothing else depends on
    changed = bytearray(data)
    changed[at] ^= 1
    (tmp_path / "sealed.h5").write_bytes(sealed(changed, parts, [at]))
    (tmp_path / "broken.h5").write_bytes(changed)
    with h5py.File(tmp_path / "sealed.h5", "r") as file:
        assert len(file)
    with pytest.raises((OSError, RuntimeError, KeyError)), h5py.File(tmp_path / "broken.h5", "r") as file:
        len(file)


def test_a_byte_of_a_checked_chunk_is_vouched_for_and_no_other():
    subject = Subject(FIXTURES / "hdf5-layouts" / "latest.h5", sound=True)
    chunk = subject._anatomy.vouched[0]
    assert subject._anatomy.is_vouched([chunk.start, chunk.end - 1])
    assert not subject._anatomy.is_vouched([chunk.start, 0])
    assert not subject._anatomy.is_vouched([])


@pytest.mark.parametrize(("value", "broken"), [(2.0, False), (3.0, True)])
def test_a_value_that_h5py_does_not_read_is_found(value, broken, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["w"] = np.full(3, 2.0)
    run = Run(path, path, tmp_path, trace=False)
    commands._compare_library(run, {"w": np.full(3, value)})
    assert bool(run.broken) == broken
    assert run.compared.total() == 1
