"""Small files that claim very much, through the command line: one error or what is whole, in bounded memory."""

import zlib

import pytest

from ckptread.formats.hdf5 import chunk_cache as hdf5_decoded
from ckptread.operations.extract.file_names import file_names
from ckptread.tensors import TensorInfo
from tests.hostile.bombs import BOMBS
from tests.hostile.name_bombs import NAME_BOMBS, keys_of_one_checksum
from tests.hostile.watched import watch

QUICK = {
    "shared_keys", "no_entries_at_all", "same_key", "snappy", "overlapping_blocks", "many_dimensions", "many_slices",
    "slices_that_cut_everything", "object_graph", "saved_model_pb", "empty_strings", "wide_strings", "state_file",
    "v1_meta", "chunks_of_one", "unwritten", "config_of_empty_lists", "config_of_wide_text",
}  # fmt: skip
"""Those whose listing says all; the others take minutes to write or to read to their end."""
WRITES_GIGABYTES = {"unwritten", "chunks_of_one"}
SLOW = {
    "one_checksum", "a_problem_each", "branches", "safetensors_names", "saved_model_of_names", "missing_files",
    "shards",
}  # fmt: skip
"""Of 100,000 tensors and more, or 30 MiB: seconds for each command."""
LIGHT = {"state_file", "unwritten", "npy_numbers", "npy_brackets"}


def few(makers, names):
    slow = {make: () if make.__name__ in LIGHT else pytest.mark.slow for make in makers}
    return [pytest.param(make, id=make.__name__, marks=slow[make]) for make in makers if make.__name__ in names]


@pytest.mark.parametrize("make", few(BOMBS, QUICK))
def test_a_bomb_is_refused_in_little_memory(make, tmp_path):
    path = make(tmp_path)
    commands = [["inspect", path], ["show", path, "s"]]
    if make.__name__ not in WRITES_GIGABYTES:
        commands += [["diff", path, path], ["salvage", path, "-o", tmp_path / "saved"]]
    for command in commands:
        assert_harmless(command)


@pytest.mark.parametrize("make", few(NAME_BOMBS, {make.__name__ for make in NAME_BOMBS} - SLOW))
@pytest.mark.slow
def test_no_names_and_links_cost_more_than_their_text(make, tmp_path):
    path = make(tmp_path)
    for command in (["inspect", "--tree", path], ["inspect", "--layers", path, "*a*a*a*b*"], ["diff", path, path]):
        assert_harmless(command)


def assert_harmless(command):
    ran = watch(*command)
    assert not [rule for rule in ran.broken_rules() if "error of numpy" not in rule], (command, ran)
    assert len(ran.out) + len(ran.err) < 64 << 20, command


def test_keys_of_one_checksum_get_file_names_of_their_own():
    keys = [key.decode() for key in keys_of_one_checksum(20_000)]
    assert len({zlib.crc32(key.encode()) for key in keys}) == 1
    names = file_names([TensorInfo(key=key, shape=(), dtype="float32", nbytes=4) for key in keys])
    assert len(set(names)) == len(keys)
    assert max(map(len, names)) < 40  # one mark more for each is 20,000 of them, and 200 million looks


def test_the_chunks_that_are_kept_have_one_bound_for_all_files(monkeypatch):
    import numpy as np

    monkeypatch.setattr(hdf5_decoded, "CACHED_CHUNK_BYTES", 1000)
    kept = hdf5_decoded.Decoded()
    for dataset in ("a", "b", "c"):
        for place in range(4):
            kept.make_room(400)
            kept.keep((dataset, (place,)), np.zeros(400, "u1"))
    there = [(d, p) for d in "abc" for p in range(4) if kept.get((d, (p,))) is not None]
    assert there == [("c", 2), ("c", 3)]
    kept.forget("c")
    assert kept.get(("c", (3,))) is None
    kept.keep(("d", (0,)), np.zeros(1000, "u1"))
    assert kept.get(("d", (0,))) is not None
