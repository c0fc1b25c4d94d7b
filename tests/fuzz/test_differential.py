"""A short run of changed files, natively and by h5py, and the files that once broke a rule."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.differential import Changed, _changed, examine, structures
from tests.fuzz.small_files import small_files

FOUND = sorted((Path(__file__).parent / "contradictions").glob("*.h5"))


def test_changed_small_files_break_no_rule():
    rng, counts = random.Random(3), Counter()
    subjects = [(data, structures(data)) for data in small_files(10, 3)]
    changes = [_changed(data, known, rng) for data, known in subjects for _ in range(8)]
    assert not examine(changes, counts)
    assert counts["equal"] > 10


def test_unchanged_small_files_are_read_alike():
    counts = Counter()
    assert not examine([Changed(data, "nothing") for data in small_files(20, 4)], counts)
    assert counts.keys() <= {"equal", "opened", "files", "broken"}


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem[:8])
def test_files_that_broke_a_rule_break_none(path):
    assert not examine([Changed(path.read_bytes(), "found once")], Counter())
