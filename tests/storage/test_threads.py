"""Results come in order, errors in their turn, and no more is under way than is said."""

import threading
import time

import pytest

from ckptread.storage.threads import AHEAD, run_in_order, thread_count


@pytest.mark.parametrize("threads", [1, 2, 3, None])
def test_results_are_those_of_map(threads):
    def work(item):
        time.sleep(0.001 * (item % 3))
        return item * item

    assert list(run_in_order(work, range(50), threads=threads)) == [n * n for n in range(50)]
    assert list(run_in_order(work, [], threads=threads)) == []


def test_an_error_is_raised_in_its_turn():
    results = run_in_order(lambda item: 1 / item, [1, 2, 0, 4], threads=2)
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_more_items_are_taken_than_can_be_worked_on():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = run_in_order(lambda item: item, items(), threads=2)
    next(results)
    assert len(taken) <= 2 * AHEAD
    results.close()
    assert len(taken) <= 2 * AHEAD


def test_threads_work_side_by_side():
    both = threading.Barrier(2, timeout=5)
    assert list(run_in_order(lambda _: both.wait() >= 0, range(2), threads=2)) == [True, True]


def test_there_is_at_least_one_thread():
    assert thread_count() >= 1
