"""A few random files of each kind; ``python -m tests.random`` makes more of them."""

import pytest

from tests.random.__main__ import KINDS, run

FILES = {"npy_headers": 200, "zip_changes": 30, "differences": 5}


@pytest.mark.parametrize(
    "kind", [pytest.param(each, marks=[pytest.mark.tensorflow] if "tensorflow" in each else []) for each in KINDS]
)
@pytest.mark.slow
def test_random_files_are_read_as_their_library_reads_them(kind, tmp_path):
    assert run(kind, 7, tmp_path, files=FILES.get(kind, 3)) == 0
