"""Work in processes: results in order, and a process that dies fails its own item alone."""

import os
import signal
import time

import pytest

from ckptread.errors import UsageError
from ckptread.storage.processes import run_in_processes


def double_or_die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os._exit(7)
    return 2 * number


def process_of(number):
    time.sleep(0.01 * (number == 0))
    return os.getpid()


def refuse(number):
    raise UsageError(f"not {number}")


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def died(item, error):
    return f"{item} {error}"


def test_a_process_that_dies_fails_its_item_and_the_others_go_on():
    found = list(run_in_processes(double_or_die, range(8), workers=2, died=died))
    assert found == [0, 2, 4, "3 was killed by signal 9", 8, "5 ended with exit code 7", 12, 14]


def test_so_many_processes_are_started_and_used_again():
    found = list(run_in_processes(process_of, range(20), workers=2, died=died))
    assert len(found) == 20
    assert len(set(found)) == 2
    assert os.getpid() not in found


def test_an_error_of_the_work_is_raised():
    with pytest.raises(UsageError, match="not 1"):
        list(run_in_processes(refuse, [1, 2], workers=2, died=died))


def test_few_items_are_taken_ahead():
    taken = []
    found = run_in_processes(abs, (taken.append(n) or n for n in range(1000)), workers=2, died=died)
    assert next(found) == 0
    assert len(taken) <= 4
    found.close()


def test_closing_early_ends_the_processes_at_once():
    found = run_in_processes(sleep, [0, *[60] * 9], workers=2, died=died)
    assert next(found) == 0
    started = time.monotonic()
    found.close()
    assert time.monotonic() - started < 5
