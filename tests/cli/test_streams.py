"""Standard streams may be closed, full, or of a narrow encoding: results stay right, and exit codes true."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

from tests.conformance.cases import FIXTURES

ROOT = FIXTURES.parent
KERAS = FIXTURES / "keras3" / "model.keras"
HDF5 = FIXTURES / "keras3" / "legacy.h5"
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")


def shell(command, redirection="", **environment):
    """Run a command line as a shell does, with a redirection that pipes of ours cannot make."""
    line = f"exec {shlex.quote(sys.executable)} -m ckptread {command} {redirection}"
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, env={**os.environ, **environment}, check=False, timeout=60
    )


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", [f"verify {KERAS}", f"inspect {HDF5}", f"diff {KERAS} {KERAS}"])
def test_closed_streams_are_not_taken_for_files(command, redirection):
    usual, ran = shell(command), shell(command, redirection)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == (b"" if ">&- " in redirection else usual.stdout)


@FULL
@pytest.mark.parametrize("command", [f"diff {KERAS} {HDF5}", f"inspect {KERAS}", f"extract {KERAS} head/kernel -o -"])
def test_a_full_disk_is_trouble_and_no_difference(command):
    ran = shell(command, "> /dev/full")
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [b"ckptread: the output cannot be written: No space left on device"]


def test_what_an_encoding_lacks_is_escaped():
    ran = shell(f"inspect {KERAS}", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert rb"keras \xb7 Keras" in ran.stdout


def test_what_nobody_thought_of_is_one_line(run, monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError("odd\x1b[2J")

    monkeypatch.setattr("ckptread.inspect", fail)
    ran = run("inspect", KERAS)
    assert ran.code == 2
    assert "RuntimeError: odd\\x1b[2J" in ran.err
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("ckptread: internal error: ")


@pytest.mark.parametrize("kind", [ValueError, IndexError, KeyError, TypeError])
def test_what_is_neither_about_a_file_nor_the_call_is_an_internal_error(run, monkeypatch, kind):
    def fail(*_arguments, **_options):
        raise kind("odd\x1b[2J")

    monkeypatch.setattr("ckptread.inspect", fail)
    ran = run("inspect", KERAS)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"ckptread: internal error: {kind.__name__}: ")
    monkeypatch.setenv("CKPTREAD_TRACEBACK", "1")
    traced = run("inspect", KERAS)
    assert traced.code == 2
    assert traced.err.startswith("Traceback (most recent call last):\n")
    assert traced.err.endswith(ran.err)
    assert "\x1b" not in traced.err


INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


def begun(code, **more):
    """Run Python code in a process of its own, in which the command has begun."""
    started = f"import ckptread.cli.startup\n{code}"
    return subprocess.run([sys.executable, "-c", started], capture_output=True, check=False, cwd=ROOT, **more)


def test_ctrl_c_before_the_command_is_imported_ends_it_without_a_word():
    ran = begun(INTERRUPT)
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, b"")


def test_ctrl_c_while_a_command_runs_ends_it_without_a_word():
    ran = begun(f"import ckptread.cli.startup as cli\ndef run(): {INTERRUPT}\ncli._run = run\ncli.main()")
    assert (ran.returncode, ran.stderr) == (130, b"")


def test_ctrl_c_that_a_shell_has_ignored_stays_ignored():
    ran = begun(f"{INTERRUPT}; print('on')", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"on\n", b"")


def test_the_command_that_is_installed_begins_there():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"ckptread": "ckptread.cli.startup:main"}


@FULL
def test_an_error_that_cannot_be_said_still_has_its_code():
    assert shell("inspect nosuch.h5", "2>/dev/full").returncode == 2
    assert shell(f"show {KERAS} nosuch", "2>/dev/full").returncode == 2
