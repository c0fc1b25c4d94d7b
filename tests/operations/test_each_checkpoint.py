"""One operation on each of many checkpoints, as a function."""

import json
import os
import pickle
import signal

import numpy as np
import pytest

import ckptread
from ckptread.operations import each_checkpoint


@pytest.fixture
def paths(tmp_path):
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.arange(4.0))
    return [tmp_path / f"{name}.npy" for name in "abc"]


def die_of_b(task):
    if task.path.endswith("b.npy"):
        os.kill(os.getpid(), signal.SIGKILL)
    return each_checkpoint.run_task(task)


def test_results_are_plain_data(paths):
    (found,) = ckptread.for_each_checkpoint("digest", paths[:1])
    assert pickle.loads(pickle.dumps(found)) == found
    assert found.document["digest"] == ckptread.digest(paths[0]).whole
    assert json.loads(found.line()) == {"path": str(paths[0]), "exit": 0, **found.document}
    assert "\n" not in found.line()


def test_a_checkpoint_whose_process_is_killed_fails_alone(paths, monkeypatch):
    monkeypatch.setattr(each_checkpoint, "run_task", die_of_b)
    found = list(ckptread.for_each_checkpoint("verify", paths, workers=2))
    assert [result.exit_code for result in found] == [0, 2, 0]
    assert found[1].error == (
        f"{paths[1]}: the process that worked on it was killed by signal 9. Try it alone: it may need more memory."
    )
    assert found[1].code == "worker-died"


@pytest.mark.parametrize(("error", "code"), [(MemoryError(), "no-memory"), (RecursionError("deep"), "internal-error")])
def test_an_error_of_any_kind_stops_no_other_checkpoint(paths, monkeypatch, error, code):
    open_checkpoint = each_checkpoint.opened

    def opened(path, *rest, **more):
        if path.endswith("b.npy"):
            raise error
        return open_checkpoint(path, *rest, **more)

    monkeypatch.setattr(each_checkpoint, "opened", opened)
    assert [result.code for result in ckptread.for_each_checkpoint("verify", paths)] == [None, code, None]


def test_nothing_is_opened_before_its_result_is_asked_for(paths):
    found = ckptread.for_each_checkpoint("verify", (path for path in [paths[0], None]))
    assert next(found).exit_code == 0


def test_an_unknown_operation_and_number_of_processes_are_refused(paths):
    with pytest.raises(ckptread.UsageError, match="there is no operation 'diff' for each checkpoint"):
        ckptread.for_each_checkpoint("diff", paths)
    with pytest.raises(ckptread.UsageError, match="at least 1, not 0"):
        ckptread.for_each_checkpoint("verify", paths, workers=0)
