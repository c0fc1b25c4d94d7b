"""Measure complete processes from outside: time and peak memory, with a warm or an empty page cache."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCH = str(Path(__file__).with_name("launch.py"))
Command = Sequence[str | Path]


@dataclass
class Runs:
    """Time and memory of the counted runs of one command."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    """Peak MiB of the largest process of each run."""

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        """Largest peak of any run."""
        return max(self.peaks)


def run(command: Command, output: Path, *, reports: bool = False) -> tuple[float, float]:
    """Run a command once; return its seconds and peak MiB. With ``reports``, use the seconds that it prints."""
    arguments = [sys.executable, "-S", "-E", LAUNCH, str(output), *map(str, command)]
    printed = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    seconds, code, peak = float(printed[0]), int(printed[1]), float(printed[2])
    if code not in (0, 1):
        raise SystemExit(f"{command} ended with {code}:\n{output.read_text()[-2000:]}")
    return (float(output.read_text().split()[-1]) if reports else seconds), peak


def in_turn(
    commands: Sequence[Command], runs: int, output: Path, *, reports: Sequence[bool] = (), written: Iterable[Path] = ()
) -> list[Runs]:
    """Run commands in turn, A B A B ..., after a warm-up of each: a machine that slows down then slows all of them.

    The files in ``written`` are removed before each run, so that no command replaces existing files.
    """
    results = [Runs() for _ in commands]
    for number in range(runs + 1):
        for at, (command, result) in enumerate(zip(commands, results, strict=True)):
            remove(written)
            seconds, peak = run(command, output, reports=bool(reports and reports[at]))
            if number:
                result.seconds.append(seconds)
                result.peaks.append(peak)
    return results


def cold(command: Command, files: Iterable[Path], runs: int, output: Path, written: Iterable[Path] = ()) -> Runs:
    """Run a command with its files dropped from the page cache before each run."""
    result = Runs()
    for _ in range(runs):
        remove(written)
        drop(files)
        seconds, peak = run(command, output)
        result.seconds.append(seconds)
        result.peaks.append(peak)
    return result


def remove(files: Iterable[Path]) -> None:
    """Remove files, and flush that to disk."""
    for file in [file for file in files if file.exists()]:
        file.unlink()
        os.sync()


def drop(files: Iterable[Path]) -> None:
    """Drop files from the page cache. Unwritten pages would stay, so flush them first."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def peaks(command: Command) -> dict[str, float]:
    """Run a command once; return the peak MiB of each of its processes, read from /proc while they run."""
    found: dict[str, float] = {}
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    while process.poll() is None:
        for pid in [process.pid, *_children(process.pid)]:
            name = "parent" if pid == process.pid else "worker"
            found[name] = max(found.get(name, 0), _peak(pid))
        time.sleep(0.001)
    return found


def _children(pid: int) -> list[int]:
    """Return the running children of a process."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if parent == str(pid):
            found.append(int(entry))
    return found


def _peak(pid: int) -> float:
    """Return the peak MiB of a process, or 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0
