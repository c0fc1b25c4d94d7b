"""The worker: its limits, and that its parent survives whatever it does, with one clear error."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ckptread
from ckptread.formats.hdf5 import library as hdf5
from ckptread.formats.tensorflow import reference as tf_checkpoint
from ckptread.worker import parent as worker
from ckptread.worker import protocol
from tests.conformance.cases import FIXTURES
from tests.conftest import write

H5, KERAS = FIXTURES / "keras2" / "model.h5", FIXTURES / "keras3" / "model.keras"
PROC = pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the system tells no limits of a process")


@pytest.fixture
def lost(monkeypatch):
    entries = []
    monkeypatch.setattr(worker, "_TIMEOUTS", entries)
    return entries


def test_a_deadline_is_whole_while_none_was_overstayed(lost):
    assert worker._shortened(4.0) == 4.0


def test_what_was_lost_is_taken_off_the_next_deadline(lost):
    lost.append((time.monotonic(), 4.0))
    assert worker._shortened(4.0) == worker.LEAST_SECONDS
    assert worker._shortened(68.0) == 64.0


def test_five_hundred_files_that_hang_cost_seconds(lost):
    for _ in range(500):
        lost.append((time.monotonic(), worker._shortened(worker.WORKER_SECONDS)))
    assert sum(took for _, took in lost) < 15


def test_losses_are_forgotten(lost):
    lost.append((time.monotonic() - worker.RECENT_SECONDS - 1, 4.0))
    assert worker._shortened(4.0) == 4.0


def limits_of(process):
    """Return the limits that a process has, by name: what it may use now, and what it may raise that to."""
    rows = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
    return {row[:26].strip(): tuple(row[26:].split()[:2]) for row in rows}


def files_of(process):
    """Return what a process has open, by descriptor."""
    folder = f"/proc/{process.pid}/fd"
    return {int(number): os.stat(f"{folder}/{number}") for number in os.listdir(folder)}


def environment_of(process):
    return dict(part.split("=", 1) for part in Path(f"/proc/{process.pid}/environ").read_text().split("\0") if part)


@PROC
@pytest.mark.parametrize("path", [H5, KERAS, FIXTURES / "keras3-deflated" / "model.keras"], ids=lambda path: path.name)
def test_the_hdf5_worker_has_given_up_all_but_the_file(path, monkeypatch):
    started, start = [], worker._start
    monkeypatch.setattr(worker, "_start", lambda *of: started.append(start(*of)) or started[-1])
    with open(H5, "rb") as other, ckptread.open(path, backend="h5py"):
        os.set_inheritable(other.fileno(), True)
        [process] = started
        limits, files = limits_of(process), files_of(process)
        command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[:-1]
        session = os.getsid(process.pid)
    assert command == [sys.executable, "-I", "-m", hdf5.MODULE]
    assert session == process.pid
    assert limits["Max open files"] == ("0", "0")
    assert limits["Max address space"] == (str(512 << 20),) * 2
    assert limits["Max file size"] == ("0", "0")
    assert limits["Max core file size"] == ("0", "0")
    assert {status.st_ino for number, status in files.items() if number > 2} == {path.stat().st_ino}


@PROC
def test_the_hdf5_worker_has_no_path_to_plugins(monkeypatch):
    monkeypatch.setenv("HDF5_PLUGIN_PATH", "/tmp/plugins")
    monkeypatch.setenv("PYTHONPATH", "/tmp/modules")
    with ckptread.open(H5, backend="h5py") as reader:
        environment = environment_of(reader._library._worker._process)
    assert environment["HDF5_PLUGIN_PRELOAD"] == "::"  # which has the library load none
    assert environment["HDF5_PLUGIN_PATH"] == os.devnull


@PROC
def test_the_tensorflow_worker_writes_no_file_and_has_an_end(tmp_path):
    pytest.importorskip("tensorflow")
    prefix = write(tmp_path / "ck", {"w": np.ones(3, "f4")})
    with ckptread.open(prefix, backend="tensorflow") as reader:
        process = reader._worker._process
        limits = limits_of(process)
        command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[:-1]
    assert command == [sys.executable, "-I", "-m", tf_checkpoint.MODULE]
    assert limits["Max file size"] == limits["Max core file size"] == ("0", "0")
    assert limits["Max address space"] == (str(32 << 30),) * 2


CHILD = """
import json, os, signal, sys, time
requests, answers = sys.stdin.buffer, sys.stdout.buffer

def say(message, raw=b""):
    data = json.dumps({**message, "nbytes": len(raw)} if raw else message).encode()
    answers.write(len(data).to_bytes(4, "little") + data + raw)
    answers.flush()

def hear():
    return json.loads(requests.read(int.from_bytes(requests.read(4), "little")))

DATASET = {"type": "FoundDataset", "key": "w", "shape": [2], "dtype": "object", "nbytes": 16, "address": 96}
INDEX = [
    {"type": "Entries", "entries": [DATASET]},
    {"type": "Variables", "variables": [{"key": "w", "shape": [2], "dtype": "string"}]},
]
EMPTY = [{"type": "Entries", "entries": []}, {"type": "Variables", "variables": []}]
VALUES = {"type": "Values"}
END = {"type": "End"}
READY = {"type": "Ready"}
"""
"""What a child does for good or ill, without any library."""
LISTING = "say(READY); hear(); hear(); say(INDEX[KIND]); say(END); hear();"
MISDEEDS = {
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "crashes": "os.kill(os.getpid(), signal.SIGSEGV)",
    "aborts": "os.abort()",
    "leaves": "os._exit(0)",
    "is silent": "time.sleep(600)",
    "closes its mouth": "answers.close(); os.close(1); time.sleep(600)",
    "floods with messages": "while True: say(EMPTY[KIND])",
    "floods with values": "while True: say({**VALUES, 'nbytes': 0})",
    "says that it is ready": "while True: say(READY)",
    "floods with entries": "while True: say({**INDEX[KIND], 'x': 'x' * 99999})",
    "floods with findings": (
        "found = {'type': 'FoundProblem', 'key': '', 'code': 'c', 'message': 'x' * 999999}\n"
        "while True: say({'type': 'Entries', 'entries': [found]})"
    ),
    "floods with bytes": "while True: say(VALUES, bytes(9 << 20))",
    "floods with texts": "while True: say({'type': 'LongText', 'group': '', 'name': 'x'}, bytes(9 << 20))",
    "sends noise": "answers.write(bytes(range(256)) * 99999); answers.flush(); time.sleep(600)",
    "stops in a message": "answers.write((99).to_bytes(4, 'little') + b'{\"end'); answers.flush(); os._exit(1)",
    "sends no JSON": "answers.write((2).to_bytes(4, 'little') + b'[}'); answers.flush(); time.sleep(600)",
    "sends a list": "say({}) if 0 else answers.write((2).to_bytes(4, 'little') + b'[]'); answers.flush(); hear()",
    "sends another shape": "say({**INDEX[KIND], 'entries': 5, 'variables': 5}); say(END); hear()",
    "sends another type": "say({**INDEX[KIND], 'entries': [[]], 'variables': [{}]}); say(END); hear()",
    "sends no type": "say({'entries': [], 'variables': []}); say(END); hear()",
    "sends an unknown type": "say({'type': 'x'}); say(END); hear()",
    "sends a question": "say({'type': 'ListVariables'}); say(END); hear()",
    "sends another answer": "say(INDEX[1 - KIND]); say(END); hear()",
    "sends a name that is not UTF-8": r"say({'\udc80': 1, 'type': '\udc80'}); say(END); hear()",
    "claims bytes": "say({**VALUES, 'nbytes': 1 << 60}); hear()",
    "claims a great many bytes": "say({**VALUES, 'nbytes': 1 << 99}); hear()",
    "claims less than no bytes": "say({**VALUES, 'nbytes': -1}); hear()",
}


@pytest.fixture
def children(monkeypatch, lost):
    """Have another program run in the worker's place; returns a function that says which, and all that ran."""
    started, program = [], []

    def start(module, descriptor):
        import subprocess

        started.append(
            subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", program[-1]],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                pass_fds=() if descriptor is None else (descriptor,),
            )
        )  # fmt: skip
        return started[-1]

    monkeypatch.setattr(worker, "_start", start)
    monkeypatch.setattr(hdf5, "deadline", lambda nbytes: 1.0)
    monkeypatch.setattr(tf_checkpoint, "TENSORFLOW_SECONDS", 1.0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    return lambda text: program.append(text) or started


def troubled(path, backend, name):
    """Return the error that listing a file gives, or reading from it."""
    with pytest.raises(ckptread.CheckpointError) as found, ckptread.open(path, backend=backend) as reader:
        reader.read(name)
    return str(found.value)


@pytest.mark.parametrize("deed", MISDEEDS)
@pytest.mark.parametrize("stage", ["listing", "reading"])
@pytest.mark.parametrize("kind", [0, 1], ids=["hdf5", "tensorflow"])
@pytest.mark.slow
def test_the_parent_survives_a_child_that(deed, stage, kind, children, tmp_path):
    before = "say(READY); hear(); hear();" if stage == "listing" else LISTING
    started = children(f"{CHILD}\nKIND = {kind}\n{before}\n{MISDEEDS[deed]}")
    path = str(H5) if kind == 0 else write(tmp_path / "ck", {})
    said = troubled(path, "h5py" if kind == 0 else "tensorflow", "w")
    assert said.startswith(f"{path}: ")
    assert len(said.splitlines()) == 1
    assert "HDF5" in said or "TensorFlow" in said or "'w'" in said
    assert started
    assert all(process.returncode is not None for process in started)  # waited for: no zombie is left


@pytest.mark.parametrize(("deed", "message"), [
    ("os._exit(1)", "cannot be started: its process was ended from outside"),
    ("time.sleep(600)", "was not ready in time"),
    ("say(END); hear()", "the HDF5 worker sent an invalid reply"),
])  # fmt: skip
def test_a_child_that_never_looks_at_the_file_does_not_blame_it(deed, message, children):
    started = children(f"{CHILD}\n{deed}")
    said = troubled(str(H5), "h5py", "w")
    assert message in said
    assert "damaged" not in said
    assert started[0].returncode is not None


def test_a_library_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setattr(hdf5, "MODULE", "ckptread.formats.absent_worker")
    with pytest.raises(ckptread.UnsupportedError) as found:
        ckptread.open(H5, backend="h5py")
    assert "the HDF5 library cannot be started: ModuleNotFoundError: No module named" in str(found.value)
    assert "absent_worker" in str(found.value)
    assert sys.executable in str(found.value)


def test_a_file_that_takes_too_much_memory_is_not_called_damaged():
    program = (
        "from ckptread.worker.child import serve\ndef answer(message): raise MemoryError\nserve(lambda first: answer)"
    )
    pipe = io.BytesIO()
    protocol.write_message(pipe, protocol.OpenCheckpoint(prefix="ck"))
    protocol.write_message(pipe, protocol.ListVariables())
    ran = subprocess.run([sys.executable, "-c", program], input=pipe.getvalue(), capture_output=True, check=True)
    said = ran.stdout.decode("latin-1")
    assert '"kind": "UnsafeFileError"' in said
    assert "memory" in said
    assert "damaged" not in said


BUSY = """
import sys
from ckptread.worker.child import serve

def answer(question):
    sum(iter(int, 1))  # never ends, and runs no other Python code

serve(lambda opening: answer)
"""


@pytest.fixture
def busy():
    """A child in the midst of an answer that never ends."""
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    protocol.write_message(child.stdin, protocol.OpenCheckpoint(prefix="ck", seconds=1.0))
    protocol.write_message(child.stdin, protocol.ListVariables())
    child.stdin.flush()
    child.stdout.read(4)  # it is ready
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@PROC
def test_a_busy_child_ends_when_its_parent_does(busy):
    time.sleep(0.3)
    begun = time.monotonic()
    busy.stdin.close()  # as the system does for a parent that is killed
    assert busy.wait(timeout=10) == -signal.SIGIO
    assert time.monotonic() - begun < 0.5


@PROC
def test_a_busy_child_ends_itself_after_its_time(busy):
    assert busy.wait(timeout=10) == -signal.SIGALRM
    busy.stdin.close()


@pytest.mark.parametrize("path", [H5, KERAS, FIXTURES / "keras3" / "model.weights.h5"], ids=lambda path: path.name)
def test_no_process_is_started_for_a_keras_file(path, monkeypatch):
    monkeypatch.setattr(worker, "_start", lambda *of: pytest.fail("a process was started"))
    with ckptread.open(path) as reader:
        assert all(reader.read(key).shape == info.shape for key, info in reader.tensors.items())
