"""A short, repeatable run of every fuzz target; ``make fuzz`` is the long one, guided by coverage."""

import random

import pytest

from tests.fuzz import formats
from tests.fuzz.hdf5_targets import HDF5_TARGETS
from tests.fuzz.mutate import mutate
from tests.fuzz.seeds import FINDINGS, SEEDS, seeds
from tests.fuzz.targets import TARGETS, execute

RUNS = 6_000
MESSAGES = {"hdf5-datatype", "hdf5-dataspace", "hdf5-layout", "hdf5-filters", "hdf5-fill", "hdf5-lzf"}
SLOW = {
    **dict.fromkeys(HDF5_TARGETS.keys() - MESSAGES, 1000),
    "bundle": 1_000, "v1": 2_000, "npz": 3_000, "zip": 4_000, "names-keras": 3_000, "hdf5-file": 40,
}  # fmt: skip
"""Targets that write files, inflate them, or build them of many pieces."""
FILE_RUNS = 300
"""Of a target that opens complete files of a format."""

QUICK = {"table", "protobuf", "json", "npy-header", "safetensors", "hdf5-chunk", "hdf5-values", *MESSAGES}


def test_every_target_has_seeds_that_are_taken():
    assert SEEDS.keys() == TARGETS.keys()
    for name in TARGETS:
        assert any(execute(name, data) for data in seeds(name)), name


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TARGETS]
)
@pytest.mark.slow
def test_changed_input_gives_a_value_or_an_error_of_ours(name):
    rng, pool = random.Random(name), seeds(name)
    for _ in range(SLOW.get(name, FILE_RUNS if name in formats.SEEDS else RUNS)):
        execute(name, mutate(rng.choice(pool), rng, rng.choice(pool)))


@pytest.mark.parametrize("path", sorted(FINDINGS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name[-8:]}")
def test_what_was_found_once_stays_mended(path):
    execute(path.parent.name, path.read_bytes())
