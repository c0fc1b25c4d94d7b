"""The rules that hold for any file are watched by strace; where it is absent, by an audit hook."""

import numpy as np
import pytest

from tests.hostile import watched
from tests.hostile.watched import watch


@pytest.fixture(params=["strace", "an audit hook"])
def means(request, monkeypatch):
    if request.param == "strace" and not watched._can_trace():
        pytest.skip(f"foreign opens are watched by {watched.means()}")
    if request.param != "strace":
        monkeypatch.setattr(watched, "_can_trace", lambda: False)
    return request.param


def test_a_file_that_is_not_the_commands_own_is_told(means, tmp_path):
    assert watched.means().startswith(means)
    np.save(tmp_path / "a.npy", np.ones(3))
    ran = watch("inspect", tmp_path / "a.npy", trace=tmp_path / "trace")
    assert ran.code == 0
    assert set(ran.broken_rules()) == {f"opened {tmp_path / 'a.npy'}"}
    assert not ran.broken_rules(str(tmp_path))


def test_a_file_that_is_written_is_told(means, tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    (tmp_path / "out").mkdir()
    ran = watch("extract", tmp_path / "a.npy", "a", "-o", tmp_path / "out" / "b.npz", trace=tmp_path / "trace")
    assert ran.code == 0
    written = [rule for rule in ran.broken_rules(str(tmp_path / "a.npy")) if str(tmp_path / "out") in rule]
    assert written


def test_a_worker_is_no_foreign_program(means, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["w"] = np.ones(3)
    ran = watch("verify", tmp_path / "a.h5", trace=tmp_path / "trace")
    assert ran.code == 0
    assert not ran.broken_rules(str(tmp_path))


@pytest.mark.parametrize("what", ["a traceback", "a raw control character"])
def test_a_broken_rule_is_told(what):
    said = {"a traceback": b"Traceback (most recent call last)", "a raw control character": b"a: \x1b[2J"}[what]
    assert watched.Watched(2, b"", b"ckptread: x: " + said, 1.0, 1).broken_rules() == [what]
