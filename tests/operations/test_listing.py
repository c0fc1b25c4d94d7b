"""Saved listings of digests, checked as sha256sum does."""

import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import write


def test_names_that_cannot_be_printed_are_escaped(run, tmp_path):
    path = write(tmp_path / "ckpt", {"a\nb\\": np.zeros(1, "float32")})
    assert run("digest", path).out.splitlines()[0].endswith("  a\\x0ab\\\\")
    (tmp_path / "listing").write_text(run("digest", path).out)
    assert run("digest", path, "--check", tmp_path / "listing").code == 0


def test_a_listing_is_checked_as_sha256sum_does(run, checkpoint, tmp_path):
    listing = tmp_path / "listing"
    listing.write_text(run("digest", checkpoint).out)
    same = run("digest", checkpoint, "--check", listing)
    assert (same.code, same.err) == (0, "")
    assert same.out.splitlines()[0] == "dense/bias: OK"
    assert same.out.splitlines()[-1] == f"{checkpoint}: OK"
    assert run("digest", checkpoint, "--check", listing, "-q").out == ""
    other = write(tmp_path / "other", {"dense/bias": np.zeros(2, "float32"), "new": np.ones(3, "float32")})
    ran = run("digest", other, "--check", listing, "--quiet")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "dense/bias: FAILED", "dense/kernel: FAILED, missing", "head/kernel: FAILED, missing",
        "new: FAILED, not listed", f"{other}: FAILED",
    ]  # fmt: skip
    assert ran.err == "ckptread: 5 of 5 digests did NOT agree\n"


def test_a_tensor_of_another_name_is_found_unless_names_count(run, checkpoint, tmp_path):
    arrays = {"dense/bias": np.array([0.5, -1.0], "float32")}
    one, other = write(tmp_path / "one", arrays), write(tmp_path / "two", {"layer/b": arrays["dense/bias"]})
    (tmp_path / "listing").write_text(run("digest", one).out)
    ran = run("digest", other, "--check", tmp_path / "listing")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "dense/bias: OK (the name is layer/b here)")
    (tmp_path / "listing").write_text(run("digest", one, "--names", "variable").out)
    ran = run("digest", other, "--check", tmp_path / "listing", "--names", "variable")
    assert (ran.code, ran.out.splitlines()[:2]) == (1, ["dense/bias: FAILED, missing", "layer/b: FAILED, not listed"])


def test_part_of_a_listing_is_checked_alone(run, checkpoint, tmp_path):
    (tmp_path / "part").write_text(run("digest", checkpoint).out.splitlines(keepends=True)[0])
    ran = run("digest", checkpoint, "--check", tmp_path / "part")
    assert (ran.code, ran.out) == (0, "dense/bias: OK\n")


@pytest.mark.parametrize("text", ["", "no listing\n", "abc  name\n", "a" * 64 + " name\n"])
def test_what_is_no_listing_is_refused(run, checkpoint, tmp_path, text):
    (tmp_path / "listing").write_text(text)
    ran = run("digest", checkpoint, "--check", tmp_path / "listing")
    assert (ran.code, ran.out) == (2, "")
    assert "listing" in ran.err


def test_a_listing_comes_through_a_pipe(checkpoint):
    program = "import sys; from ckptread.cli.startup import main; sys.argv[0] = 'ckptread'; main()"
    listed = subprocess.run(
        [sys.executable, "-c", program, "digest", checkpoint], capture_output=True, check=True
    ).stdout
    checked = subprocess.run(
        [sys.executable, "-c", program, "digest", checkpoint, "--check", "-"],
        input=listed,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
