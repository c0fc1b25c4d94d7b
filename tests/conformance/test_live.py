"""A training run writes while we read: an error, or the values of one step; never a mixture."""

import os
import subprocess
import sys

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import ROOT
from tests.conftest import write

STEPS = 120
TENSORS = 4

WRITER = """
import os
import sys
import numpy as np
from pathlib import Path
from tests.conftest import write
from safetensors.numpy import save_file

kind, target = sys.argv[1], Path(sys.argv[2])
for step in range(1, int(sys.argv[3]) + 1):
    arrays = {f"w{n}": np.full(40_000 + n, step, "f4") for n in range(int(sys.argv[4]))}
    beside = target.with_name("next")
    if kind == "safetensors":
        save_file(arrays, beside)
        os.replace(beside, target)
    elif kind == "rewritten":
        write(target, arrays)
    else:
        write(beside, arrays)
        for suffix in (".data-00000-of-00001", ".index"):
            os.replace(str(beside) + suffix, str(target) + suffix)
"""


def steps_of(path):
    """The step that each tensor holds; every one must be of one step alone."""
    with ckptread.open(path) as reader:
        steps = []
        for key in reader:
            values = np.asarray(reader[key])
            assert (values == values[0]).all(), (path, key)
            steps.append(int(values[0]))
    return steps


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rewritten", "replaced", "safetensors"])
def test_a_checkpoint_that_is_being_written_gives_an_error_or_one_step(tmp_path, kind):
    target = tmp_path / ("live.safetensors" if kind == "safetensors" else "live")
    arguments = [kind, os.fspath(target), str(STEPS), str(TENSORS)]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, *arguments], cwd=ROOT)
    while writer.poll() is None:
        try:
            steps = steps_of(target)
        except ckptread.CheckpointError:
            continue
        assert len(set(steps)) == 1, steps
    assert writer.returncode == 0
    assert steps_of(target) == [STEPS] * TENSORS


def test_data_replaced_between_the_listing_and_the_first_read_are_refused(tmp_path):
    prefix = write(tmp_path / "ck", {"w": np.ones(1000, "f4")})
    with ckptread.open(prefix) as reader:
        write(tmp_path / "new", {"w": np.full(1000, 2, "f4")})
        os.replace(tmp_path / "new.data-00000-of-00001", prefix + ".data-00000-of-00001")
        with pytest.raises(ckptread.DamagedFileError, match="it changed while it was read"):
            reader["w"][:10]


def test_a_part_read_from_a_file_that_was_rewritten_since_is_refused(tmp_path):
    prefix = write(tmp_path / "ck", {"w": np.ones(1000, "f4")})
    with ckptread.open(prefix) as reader:
        assert reader["w"][:10].tolist() == [1] * 10
        write(tmp_path / "ck", {"w": np.full(1000, 2, "f4")})
        os.utime(prefix + ".data-00000-of-00001", ns=(10**18, 10**18))  # however coarse the clock is
        with pytest.raises(ckptread.DamagedFileError, match="it changed while it was read"):
            reader["w"][:10]


def test_a_file_that_is_replaced_while_it_is_open_is_read_as_it_was(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(1000))
    with ckptread.open(tmp_path / "a.npy") as reader:
        np.save(tmp_path / "b.npy", np.zeros(1000))
        os.replace(tmp_path / "b.npy", tmp_path / "a.npy")
        assert np.array_equal(reader["a"][:], np.ones(1000))
