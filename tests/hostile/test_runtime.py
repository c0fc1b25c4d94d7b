"""What can only be made as a test runs: pipes, devices, huge files, unreadable and shrinking ones, by every command."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ckptread
from tests.conftest import write

COMMANDS = {
    "inspect": lambda path, out: ["inspect", path],
    "show": lambda path, out: ["show", path, "w"],
    "extract": lambda path, out: ["extract", path, "w", "-o", out],
    "diff": lambda path, out: ["diff", path, path],
    "verify": lambda path, out: ["verify", path],
    "salvage": lambda path, out: ["salvage", path, "-o", out],
}
every_command = pytest.mark.parametrize("command", COMMANDS)


def is_one_clear_error(command, code, out, err, path):
    """verify reports a file that cannot be opened among its findings; the others have one line for it."""
    said = out if command == "verify" else err
    assert code == 2
    assert (err if command == "verify" else out) == ""
    assert command == "verify" or len(err.splitlines()) == 1
    assert str(path) in said
    return said


@every_command
@pytest.mark.parametrize("name", ["ck.index", "ck", "w.h5", "w.keras", "w.npz", "w.safetensors"])
def test_a_pipe_is_refused_without_waiting(run, tmp_path, name, command):
    os.mkfifo(tmp_path / (name if "." in name else f"{name}.index"))
    ran = run(*COMMANDS[command](tmp_path / name, tmp_path / "out"))
    assert "not a regular file" in is_one_clear_error(command, ran.code, ran.out, ran.err, tmp_path / name)


@every_command
@pytest.mark.parametrize("name", ["ck.index", "w.h5", "w.keras", "w.npy"])
def test_a_device_without_end_is_refused(run, tmp_path, name, command):
    (tmp_path / name).symlink_to("/dev/zero")
    ran = run(*COMMANDS[command](tmp_path / name, tmp_path / "out"))
    assert "not a regular file" in is_one_clear_error(command, ran.code, ran.out, ran.err, tmp_path / name)


@every_command
def test_a_data_file_that_is_a_pipe_is_refused(run, tmp_path, command):
    prefix = write(tmp_path / "ck", {"w": np.ones(3, "f4")})
    os.unlink(f"{prefix}.data-00000-of-00001")
    os.mkfifo(f"{prefix}.data-00000-of-00001")
    ran = run(*COMMANDS[command](prefix, tmp_path / "out"))
    assert ran.code == {"inspect": 0, "verify": 1, "salvage": 1}.get(command, 2)
    assert command == "inspect" or "not a regular file" in ran.out + ran.err


HEADS = {
    "a.h5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "a.npz": b"PK\3\4" + bytes(26),
    "a.keras": b"PK\3\4" + bytes(26),
    "a.npy": b"\x93NUMPY\1\0\x76\0",
    "a.safetensors": (60).to_bytes(8, "little") + b"{",
    "a.index": b"",
    "a.ckpt": b"",
}


@every_command
@pytest.mark.parametrize("name", HEADS)
def test_eight_terabytes_of_nothing_cost_nothing(run, tmp_path, name, command):
    path = tmp_path / name
    path.write_bytes(HEADS[name])
    try:
        os.truncate(path, 8 << 40)
    except OSError as error:
        pytest.skip(f"the file system holds no such file: {error}")
    ran = run(*COMMANDS[command](path, tmp_path / "out"))
    if command == "salvage" and ran.code == 1:
        assert "an unknown number of tensors is lost" in ran.out  # it may look for members without a directory
    else:
        is_one_clear_error(command, ran.code, ran.out, ran.err, path)


@every_command
def test_eight_terabytes_behind_a_valid_head_cost_nothing(run, tmp_path, command):
    """The head is whole, and so are its tensors: what lies behind them is never read."""
    prefix = write(tmp_path / "ck", {"w": np.arange(3, dtype="f4")})
    try:
        os.truncate(f"{prefix}.data-00000-of-00001", 8 << 40)
    except OSError as error:
        pytest.skip(f"the file system holds no such file: {error}")
    ran = run(*COMMANDS[command](prefix, tmp_path / "out"))
    assert ran.code in (0, 1)


def without_privilege():
    """Return what takes from a command the right to read what it may not; None where that is not to be had."""
    if os.geteuid() != 0:
        return []
    lost = "-dac_override,-dac_read_search"
    taken = ["setpriv", "--bounding-set", lost, "--inh-caps", lost]
    if shutil.which("setpriv") is None:
        return None
    return None if subprocess.run([*taken, "true"], check=False, capture_output=True).returncode else taken


@every_command
@pytest.mark.parametrize("name", ["w.h5", "ck.index"])
@pytest.mark.slow
def test_a_file_without_permission_says_so(tmp_path, name, command):
    taken = without_privilege()
    if taken is None:
        pytest.skip("the superuser reads everything, and setpriv is absent")
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    (tmp_path / name).chmod(0)
    arguments = COMMANDS[command](tmp_path / name, tmp_path / "out")
    ran = subprocess.run(
        [*taken, sys.executable, "-m", "ckptread", *map(str, arguments)], check=False, capture_output=True, text=True
    )
    assert "Permission denied" in is_one_clear_error(command, ran.returncode, ran.stdout, ran.stderr, tmp_path / name)


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["private", "private/w.h5", "private/run/ckpt-1"])
@pytest.mark.parametrize("command", ["inspect", "history"])
def test_a_folder_without_permission_says_so(tmp_path, typed, command):
    taken = without_privilege()
    if taken is None:
        pytest.skip("the superuser reads everything, and setpriv is absent")
    (tmp_path / "private").mkdir(mode=0)
    ran = subprocess.run(
        [*taken, sys.executable, "-m", "ckptread", command, typed],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"ckptread: {typed}: it cannot be read: Permission denied\n"


@pytest.fixture
def shrinking(monkeypatch):
    """Have a checkpoint lose its end once it is open; of two, once the second one is."""
    left = []

    def opener(plain):
        def opening(path, **options):
            reader = plain(path, **options)
            if left and left.pop():
                return reader
            data = f"{path}.data-00000-of-00001" if os.path.exists(f"{path}.index") else path
            os.truncate(data, os.stat(data).st_size // 2)
            return reader

        return opening

    monkeypatch.setattr("ckptread.operations.opening.open_checkpoint", opener(ckptread.open))
    return left


@every_command
@pytest.mark.parametrize("name", ["ck", "w.npy"])
def test_a_file_that_shrinks_while_it_is_open_gives_an_error(run, tmp_path, shrinking, name, command):
    values = np.ones(300_000, "f4")
    path = tmp_path / name
    np.save(path, values) if name.endswith(".npy") else write(path, {"w": values})
    shrinking += [True] * (command == "diff")
    ran = run(*COMMANDS[command](path, tmp_path / "out"))
    assert ran.code == {"inspect": 0, "verify": 1, "salvage": 1}.get(command, 2)
    if command != "inspect":
        assert any(said in ran.out + ran.err for said in ("it changed while it was read", "it ends at byte"))
    assert not list(tmp_path.glob("out*.npy"))
