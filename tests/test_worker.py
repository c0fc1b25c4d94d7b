"""Files that hang the library cost one deadline together, not one each."""

import time

import pytest

from ckptread import worker


@pytest.fixture
def lost(monkeypatch):
    entries = []
    monkeypatch.setattr(worker, "_OVERSTAYED", entries)
    return entries


def test_a_deadline_is_whole_while_none_was_overstayed(lost):
    assert worker._patience(4.0) == 4.0


def test_what_was_lost_is_taken_off_the_next_deadline(lost):
    lost.append((time.monotonic(), 4.0))
    assert worker._patience(4.0) == worker.LEAST_SECONDS
    assert worker._patience(68.0) == 64.0


def test_five_hundred_files_that_hang_cost_seconds(lost):
    for _ in range(500):
        lost.append((time.monotonic(), worker._patience(worker.SECONDS)))
    assert sum(took for _, took in lost) < 15


def test_losses_are_forgotten(lost):
    lost.append((time.monotonic() - worker.RECENT_SECONDS - 1, 4.0))
    assert worker._patience(4.0) == 4.0
