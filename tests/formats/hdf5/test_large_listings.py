"""Time grows with what a file holds: thousands of attributes and links, millions of strings that nobody wrote."""

import time

import h5py
import pytest

import ckptread


@pytest.fixture
def quick():
    """Fail where a test takes long: the processor's time, for other tests run at the same time."""
    before = time.process_time()
    yield
    assert time.process_time() - before < 20


def test_thousands_of_attributes_are_listed(tmp_path, quick):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        group = file.create_group("g")
        for number in range(5_000):
            group.attrs[f"a{number}"] = number
        file["w"] = 1.0
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert len(reader.evidence.attributes["g"]) == 5_000
    assert reader.problems == []


@pytest.mark.parametrize("targets", [1, 100])
@pytest.mark.slow
def test_thousands_of_links_over_a_deep_path_are_followed(tmp_path, quick, targets):
    path = "/".join("d" * 400)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(targets):
            file[f"{path}/w{number}"] = float(number)
        for number in range(6_000):
            file[f"s{number}"] = h5py.SoftLink(f"/{path}/w{number % targets}")
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert len(reader.tensors) == 6_000 + targets
        assert reader.read("s5") == 5 % targets


def test_thousands_of_links_too_large_for_a_block_are_followed(tmp_path, quick):
    path = "/".join(["n" * 20] * 240)
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file[f"{path}/w"] = 1.0
        for number in range(1_000):
            file[f"s{number}"] = h5py.SoftLink(f"/{path}/w")
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert len(reader.tensors) == 1_001
        assert reader.read("s999") == 1.0


@pytest.mark.slow
def test_millions_of_strings_that_nobody_wrote_are_read_in_seconds(tmp_path, quick):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("texts", (4_000_000,), h5py.string_dtype(), chunks=(1 << 16,))
        file.create_dataset("bytes", (60_000_000,), "S1", chunks=(1 << 20,))
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert sum(len(block) for block in reader["texts"].blocks()) == 4_000_000
        assert sum(len(block) for block in reader["bytes"].blocks()) == 60_000_000
