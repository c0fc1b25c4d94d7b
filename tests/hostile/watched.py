"""Commands run as processes of their own, and watched: how they end, for how long, in what memory, what they open.

What is opened shows strace, of every process. Where that is absent, an audit hook (audited/) shows it of the parent;
a worker can open nothing once it reads the file, for its limit is no file at all (test_worker.py).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SECONDS = 10
"""Of processor time, on files under 64 MiB, on an idle machine."""
LOOP_SECONDS = 0.125
"""What the loop of ``slowness`` takes on an idle machine, such as the one that the suite is run on."""
MOST_SECONDS = 60
"""A command that is still there is taken for one that hangs."""
RESIDENT = 512 << 10
"""KiB, in any process."""
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xff")
"""What no terminal may be sent: C0 but tab and line end, C1, bidirectional marks, zero-width characters, no UTF-8."""
OPENED = re.compile(r'\b(?:open|openat|openat2|creat|execve)\((?:AT_FDCWD, )?"((?:[^"\\]|\\.)*)"')
CONNECTED = re.compile(r"\b(?:connect|socket|bind)\(")
SYSTEM = ("/usr/", "/lib", "/etc/ld.so", "/etc/localtime", "/proc/self/", "/proc/meminfo", "/proc/cpuinfo", "/sys/",
          "/dev/null", "/dev/urandom", "/dev/shm/sem")  # fmt: skip
"""What an interpreter and its libraries read of a system."""


AUDITED = str(Path(__file__).with_name("audited"))


def slowness():
    """Return by how much processor time is longer than on an idle machine: cores share caches and units."""
    started, table = time.process_time(), {}
    for number in range(1_000_000):
        table[number & 1023] = table.get(number & 511, 0) + 1
    return max(1.0, (time.process_time() - started) / LOOP_SECONDS)


@dataclass
class Watched:
    """How a command ended. ``opened`` is None where that was not asked for."""

    code: int
    out: bytes
    err: bytes
    seconds: float
    resident: int
    opened: list[str] | None = field(default=None)

    def broken_rules(self, *own):
        """Return which of the rules that hold for any file were broken; ``own`` are paths the command may open."""
        broken = {
            "ended by a signal": self.code < 0,
            "an exit code that is none of ours": self.code not in (0, 1, 2),
            "too slow": self.seconds > SECONDS,
            "too much memory": self.resident > RESIDENT,
            "a traceback": b"Traceback" in self.err,
            "a raw control character": bool(CONTROL.search(self.out + self.err)),
            "an error of numpy's or Python's": self.code == 2 and bool(re.match(rb"ckptread: [^:]*$", self.err)),
        }
        foreign = [path for path in self.opened or () if not path.startswith((*SYSTEM, *_interpreter(), *own))]
        return [rule for rule, is_broken in broken.items() if is_broken] + [f"opened {path}" for path in foreign]


@cache
def _interpreter():
    root = str(Path(__file__).resolve().parents[2])
    folders = [sys.prefix, sys.base_prefix, sys.exec_prefix, *(path for path in sys.path if path), root]
    return tuple({os.path.realpath(folder) for folder in folders} | set(folders))


@cache
def _can_trace():
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


def means():
    """Return what shows which files are opened."""
    return "strace, of every process" if _can_trace() else "an audit hook, of the parent alone: strace is absent"


def watch(*arguments, trace=None):
    """Run ``ckptread`` with these arguments; ``trace`` is a file for what it opens, where that is to be watched."""
    command = [sys.executable, "-m", "ckptread", *map(str, arguments)]
    environment = dict(os.environ)
    if trace is not None and not _can_trace():
        path = os.pathsep.join(filter(None, (AUDITED, environment.get("PYTHONPATH"))))
        environment |= {"PYTHONPATH": path, "CKPTREAD_AUDIT": str(trace)}
    elif trace is not None:
        calls = "trace=open,openat,openat2,creat,execve,connect,socket,bind"
        command = [
            str(shutil.which("strace")),
            "-f",
            "-qq",
            "--seccomp-bpf",
            "-s",
            "4096",
            "-e",
            calls,
            "-o",
            str(trace),
            *command,
        ]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result"
        measured = [sys.executable, "-I", "-S", str(Path(__file__).with_name("measured.py")), str(result), *command]
        process = subprocess.Popen(
            measured, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env=environment,
        )  # fmt: skip
        try:
            out, err = process.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return Watched(-signal.SIGKILL, out, err, MOST_SECONDS, 0)
        code, resident, worked, seconds = json.loads(result.read_text())
    # On a busy machine a command is not guilty of the time that others take: a hang is one on an idle machine too.
    share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    opened = None if trace is None else _opened(Path(trace)) if _can_trace() else _noted(Path(trace))
    took = max(worked, seconds / share)
    return Watched(code, out, err, took / slowness() if took > SECONDS else took, resident, opened)


def _noted(notes):
    """Return what the audit hook noted."""
    return notes.read_text(errors="surrogateescape").splitlines()


def _opened(trace):
    """Return the files that any of the processes opened, or tried to and was refused; folders of modules apart.

    h5py has Python run ``uname -p`` as it is imported, which is looked for along PATH.
    """
    found, begun = [], {}
    for line in trace.read_text(errors="surrogateescape").splitlines():
        process = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[process] = line
            continue
        whole = begun.pop(process, "") + line if " resumed>" in line else line
        if CONNECTED.search(whole):
            found.append(whole)
        named = OPENED.search(whole)
        if named and " ENOENT " not in whole and "O_DIRECTORY" not in whole:
            found.append(named[1])
    return found
