"""What goes wrong around a file: a kill at any moment, a full disk, a device that fails, a file that is no file."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import ckptread
from ckptread.operations.extract.files import to_archive, to_file, to_folder
from ckptread.operations.extract.outgoing import Writing
from ckptread.operations.verify.verify import verify
from ckptread.storage.local import FileSource
from ckptread.storage.writing import open_complete
from tests.conftest import write

OLD = b"old contents"
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
CALLS = ("write", "fsync", "link", "replace", "rename", "unlink", "open", "close")
"""What writing a file consists of."""


@pytest.fixture
def big(tmp_path):
    """A checkpoint with one tensor of several blocks; its folder, the reader, and the bytes of its .npy file."""
    values = np.random.default_rng(3).standard_normal(2_500_000).astype("f4")
    np.save(tmp_path / "expected.npy", values)
    with ckptread.open(write(tmp_path / "ck", {"w": values})) as reader:
        yield tmp_path, reader, (tmp_path / "expected.npy").read_bytes()


def killed_at(monkeypatch, moment, work):
    """Do ``work`` in a child that kills itself at the call of that number; return whether it did."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = [moment]

    def counted(call):
        def counting(*arguments, **options):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*arguments, **options)

        return counting

    try:
        for name in CALLS:
            monkeypatch.setattr(os, name, counted(getattr(os, name)))
        work()
    finally:
        os._exit(0)


@pytest.mark.slow
@FORKS
@pytest.mark.parametrize("before", [None, OLD])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_kill_between_any_two_calls_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch, before, hidden):
    if hidden:
        monkeypatch.setattr("ckptread.storage.writing.NAMELESS", "/nowhere")
    target = tmp_path / "out" / "w.npy"
    target.parent.mkdir()

    def work():
        with open_complete(str(target), force=before is not None) as file:
            for _ in range(3):
                file.write(b"new " * 5000)

    for moment in range(100):
        if before is not None:
            target.write_bytes(before)
        killed = killed_at(monkeypatch, moment, work)
        now = target.read_bytes() if target.exists() else None
        assert now in (before, b"new " * 15000), moment
        left = {name for name in os.listdir(target.parent) if name != "w.npy"}
        if not hidden and before is None:
            assert not left, moment
        assert all(name.startswith(".w.npy.") and name.endswith(".part") for name in left)
        for name in os.listdir(target.parent):
            (target.parent / name).unlink()
        if not killed:
            break
    assert not killed
    assert now == b"new " * 15000


PROGRAM = """
import sys, ckptread
from ckptread.operations.extract.files import to_file
from ckptread.operations.extract.outgoing import Writing
with ckptread.open(sys.argv[1]) as reader:
    print("ready", flush=True)
    while True:
        to_file(reader["w"], sys.argv[2], Writing(force=True))
"""


@pytest.mark.slow
def test_sigkill_at_any_time_of_an_extract_leaves_a_whole_file(big):
    folder, _, whole = big
    target = folder / "out" / "w.npy"
    target.parent.mkdir()
    for number in range(12):
        child = subprocess.Popen([sys.executable, "-c", PROGRAM, folder / "ck", target], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.004 * number)
        child.kill()
        child.wait()
        child.stdout.close()
        assert not target.exists() or target.read_bytes() == whole


def test_ctrl_c_during_an_extract_leaves_nothing(big):
    folder, _, _ = big
    (folder / "out").mkdir()
    program = (
        "import sys, os, signal\nsys.argv = ['ckptread', 'extract', sys.argv[1], 'w', '-o', sys.argv[2]]\n"
        "plain = os.pread\n"
        "def pread(descriptor, nbytes, offset):\n"
        "    if offset > 5_000_000:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return plain(descriptor, nbytes, offset)\n"
        "os.pread = pread\nfrom ckptread.cli.startup import main\nmain()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, folder / "ck", folder / "out" / "w.npy"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (130, "")
    assert "Traceback" not in ran.stderr
    assert os.listdir(folder / "out") == []


@pytest.fixture
def limited():
    """A limit on the size of any file that is written, as a full disk or a quota would be."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("old", [None, OLD])
def test_a_full_disk_leaves_the_old_file_or_none(big, limited, old):
    folder, reader, _ = big
    target = folder / "out" / "w.npy"
    target.parent.mkdir()
    if old is not None:
        target.write_bytes(old)
    with pytest.raises(ckptread.CheckpointError, match="cannot be written"):
        to_file(reader["w"], str(target), Writing(force=True))
    with pytest.raises(ckptread.CheckpointError, match="cannot be written"):
        list(to_archive(reader, list(reader.tensors.values()), str(folder / "out" / "all.npz")))
    assert {name: (target.parent / name).read_bytes() for name in os.listdir(target.parent)} == (
        {} if old is None else {"w.npy": old}
    )


def test_a_real_disk_that_is_full_leaves_nothing(big):
    folder, reader, _ = big
    mounted = folder / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here: RLIMIT_FSIZE stands for it")
    try:
        with pytest.raises(ckptread.CheckpointError, match="No space left"):
            to_file(reader["w"], str(mounted / "w.npy"))
        assert os.listdir(mounted) == []
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def write_file(target, meanwhile):
    with open_complete(str(target), force=False) as file:
        file.write(b"new")
        meanwhile()


def test_no_space_at_the_very_last_write_is_an_error(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ckptread.CheckpointError, match="No space left"):
        write_file(tmp_path / "w.npy", lambda: None)
    assert os.listdir(tmp_path) == []


def test_what_comes_to_be_there_in_the_meantime_is_never_replaced(tmp_path):
    target = tmp_path / "w.npy"
    with pytest.raises(ckptread.CheckpointError, match="the file exists"):
        write_file(target, lambda: target.write_bytes(OLD))
    assert target.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["w.npy"]


def test_a_new_file_has_everyday_permissions(tmp_path):
    for hidden in ("/proc/self/fd", "/nowhere"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ckptread.storage.writing.NAMELESS", hidden)
            with open_complete(str(tmp_path / "w"), force=True) as file:
                file.write(b"x")
        plain = tmp_path / "plain"
        plain.write_bytes(b"x")
        assert (tmp_path / "w").stat().st_mode == plain.stat().st_mode


def test_a_link_in_the_target_folder_is_replaced_not_followed(big):
    folder, reader, whole = big
    victim = folder / "victim"
    victim.write_bytes(OLD)
    out = folder / "out"
    out.mkdir()
    (out / "w.npy").symlink_to(victim)
    with pytest.raises(ckptread.CheckpointError, match="the file exists"):
        list(to_folder(reader, list(reader.tensors.values()), str(out)))
    list(to_folder(reader, list(reader.tensors.values()), str(out), Writing(force=True)))
    assert victim.read_bytes() == OLD
    assert not (out / "w.npy").is_symlink()
    assert (out / "w.npy").read_bytes() == whole


@pytest.mark.parametrize("share", [1, 3, 4096])
def test_short_reads_are_read_on(big, monkeypatch, share):
    _, reader, _ = big
    expected = reader["w"][:5000]
    into, plain = os.preadv, os.pread
    monkeypatch.setattr(os, "preadv", lambda file, buffers, offset: into(file, [buffers[0][:share]], offset))
    monkeypatch.setattr(os, "pread", lambda file, nbytes, offset: plain(file, min(nbytes, share), offset))
    assert np.array_equal(reader["w"][:5000], expected)


def test_a_device_that_fails_is_named_with_the_tensor_and_hides_no_other(tmp_path, monkeypatch):
    prefix = write(tmp_path / "ck", {"a": np.ones(300_000, "f4"), "b": np.ones(300_000, "f4")})
    into, plain = os.preadv, os.pread

    def fail(offset, nbytes):
        if offset <= 1_250_000 < offset + nbytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with ckptread.open(prefix) as reader:
        monkeypatch.setattr(os, "preadv", lambda *a: fail(a[2], a[1][0].nbytes) or into(*a))
        monkeypatch.setattr(os, "pread", lambda *a: fail(a[2], a[1]) or plain(*a))
        findings = [f for f in verify(reader).findings if f.severity == "error"]
        assert {f.key for f in findings} == {"b"}
        assert "Input/output error" in findings[0].message
        with pytest.raises(ckptread.CheckpointError, match="Input/output error"):
            to_file(reader["b"], str(tmp_path / "b.npy"))
        assert not (tmp_path / "b.npy").exists()


def test_a_file_that_ends_while_it_is_read_is_an_error_of_verify_too(tmp_path):
    prefix = write(tmp_path / "ck", {"a": np.ones(300_000, "f4"), "b": np.ones(300_000, "f4")})
    with ckptread.open(prefix) as reader:
        os.truncate(prefix + ".data-00000-of-00001", 1_500_000)
        findings = [f for f in verify(reader).findings if f.severity == "error"]
    assert "b" in {f.key for f in findings}


def test_a_file_without_permission_says_so(run, checkpoint, tmp_path, monkeypatch):
    def denied(path, *arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ckptread.CheckpointError, match="Permission denied"):
        FileSource(checkpoint + ".index")
