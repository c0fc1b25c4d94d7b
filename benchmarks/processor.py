"""Measure processor time: ``python benchmarks/processor.py [--only PATTERN] [--before TREE]``.

Times are user and system seconds of whole processes with their children, which a busy machine changes less than the
clock. Commands run in turn, A B A B ..., after a warm-up; the table shows medians, and the largest peak of resident
memory. ``--only`` chooses rows by their work. ``--before`` names another tree of ckptread to compare with, such as a
checkout of the last release.
"""

import argparse
import compileall
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cases
import data
import h5py
import numpy as np
from measure import LAUNCH
from peers import H5PY_LIST

ROOT = Path(__file__).resolve().parents[1]
TENSORS = 130

H5PY_ATTRIBUTES = """
import sys, h5py
def show(name, found):
    if isinstance(found, h5py.Dataset):
        print(name, found.dtype, found.shape, dict(found.attrs))
with h5py.File(sys.argv[1], "r") as file:
    file.visititems(show)
"""

H5PY_KERAS = """
import sys, zipfile, h5py
def show(name, found):
    if isinstance(found, h5py.Dataset):
        print(name, found.dtype, found.shape)
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open("model.weights.h5") as member:
    with h5py.File(member, "r") as file:
        file.visititems(show)
"""

OPEN = """
import sys, time, ckptread
import ckptread.formats.keras.archive, ckptread.formats.hdf5.reader, ckptread.formats.tensorflow.bundle
ckptread.open(sys.argv[1]).close()
spent = []
for _ in range(20):
    started = time.process_time()
    ckptread.open(sys.argv[1]).close()
    spent.append(time.process_time() - started)
print(sorted(spent)[10])
"""

IMPORT_AND_OPEN = "import sys, ckptread; ckptread.open(sys.argv[1]).close()"


class Comparison(NamedTuple):
    """A command, and what it is compared with."""

    work: str
    command: list[str]
    peer_name: str
    peer: list[str] | None
    most: float | None
    """Target: at most so many times the peer's time; without a peer, so many seconds."""
    reports: bool = False
    """Whether the command prints its own seconds."""


def main() -> None:
    """Write the data, run everything, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command (default 5)")
    parser.add_argument("--only", default="", help="measure only rows whose work matches this regular expression")
    parser.add_argument("--before", help="another tree of ckptread to compare with")
    given = parser.parse_args()
    for tree in (ROOT, given.before):
        if tree:
            compileall.compile_dir(Path(tree) / "ckptread", quiet=1)
    folder = Path(tempfile.mkdtemp(prefix="ckptread-processor-"))
    print("| work | ckptread | peak | compared with | its time | its peak | target | measured |")
    print("| --- | ---: | ---: | --- | ---: | ---: | --- | ---: |")
    try:
        for each in _comparisons(folder, given.before, re.compile(given.only)):
            print(_measured(each, given.runs), flush=True)
    finally:
        shutil.rmtree(folder)


def _measured(each: Comparison, runs: int) -> str:
    commands = [each.command, *([each.peer] if each.peer else [])]
    times: list[list[float]] = [[] for _ in commands]
    peaks = [0.0 for _ in commands]
    for number in range(runs + 1):
        for at, command in enumerate(commands):
            seconds, peak = processor_seconds(command, reports=each.reports)
            times[at] += [seconds] if number else []
            peaks[at] = max(peaks[at], peak)
    ours, *theirs = (statistics.median(found) for found in times)
    peer = f"{theirs[0]:.3f} s | {peaks[1]:.0f} MiB" if theirs else "- | -"
    target, measured = "-", f"{ours / theirs[0]:.2f} times" if theirs else ""
    if each.most is not None:
        target = f"at most {each.most:.3g} times" if theirs else f"under {each.most:g} s"
    own = f"{ours:.4g} s | {peaks[0]:.0f} MiB"
    return f"| {each.work} | {own} | {each.peer_name or '-'} | {peer} | {target} | {measured} |"


def processor_seconds(command: list[str], *, reports: bool) -> tuple[float, float]:
    """Run a command; return the processor seconds of it and its children, or those that it prints, and its peak MiB."""
    tree, *rest = command
    with tempfile.NamedTemporaryFile() as output:
        started = [sys.executable, "-S", "-E", LAUNCH, output.name, *rest]
        environment = {**os.environ, "PYTHONPATH": tree}
        found = subprocess.run(started, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        _, code, peak, seconds = map(float, found.stdout.split())
        printed = Path(output.name).read_text()
    if code not in (0, 1):
        raise SystemExit(f"{rest} ended with {code:.0f}:\n{printed[-2000:]}")
    return float(printed.split()[-1]) if reports else seconds, peak


def _ckptread(*arguments: object, tree: object = ROOT) -> list[str]:
    return [str(tree), sys.executable, "-m", "ckptread", *map(str, arguments)]


def _script(text: str, *arguments: object, tree: object = ROOT) -> list[str]:
    return [str(tree), sys.executable, "-c", text, *map(str, arguments)]


def _comparisons(folder: Path, before: str | None, only: re.Pattern[str]) -> Iterator[Comparison]:
    """Yield the comparisons that are wanted; the data of ``cases`` is only written for those."""
    every = [_small(folder), _many(folder), *([_against(folder, before)] if before is not None else [])]
    yield from (each for some in every for each in some if only.search(each.work))
    for work, make in cases.cases(folder, _ckptread, _script):
        if only.search(work):
            yield Comparison(*make())


def _small(folder: Path) -> Iterator[Comparison]:
    sizes = {f"dense_{n:03d}/{name}": 256 for n in range(TENSORS // 2) for name in ("kernel", "bias")}
    bundle = data.write_tensorflow(folder / "small", sizes)
    archive = data.write_archive(folder / "small.keras", data.write_hdf5(folder / "small.weights.h5", sizes))
    inspect = _ckptread("inspect", archive)
    work = f"inspect a .keras of {TENSORS} tensors"
    yield Comparison(work, inspect, "inspect a TensorFlow checkpoint of as many", _ckptread("inspect", bundle), 1.3)
    yield Comparison(work, inspect, "ten lines of h5py", _script(H5PY_KERAS, archive), 0.5)
    yield Comparison(
        f"open a .keras of {TENSORS} tensors, after imports", _script(OPEN, archive), "", None, 0.005, True
    )
    few = data.write_archive(
        folder / "few.keras", data.write_hdf5(folder / "few.weights.h5", dict(list(sizes.items())[:8]))
    )
    yield Comparison("open a .keras of 8 tensors, after imports", _script(OPEN, few), "", None, 0.005, True)
    names = [folder / f"{n:03d}.keras" for n in range(100)]
    for name in names:
        shutil.copy(few, name)
    yield Comparison("check --no-nan of 100 small .keras", _ckptread("check", "--no-nan", *names), "", None, 0.8)


def _many(folder: Path) -> Iterator[Comparison]:
    path = folder / "many.h5"
    with h5py.File(path, "w") as file:
        for number in range(5000):
            dataset = file.create_dataset(f"layers/block_{number // 20}/dense_{number}/0", data=np.zeros(4, "f4"))
            dataset.attrs["name"], dataset.attrs["trainable"] = f"dense_{number}/kernel", 1
    inspect, work = _ckptread("inspect", path), "inspect an .h5 of 5,000 datasets"
    yield Comparison(work, inspect, "h5py's visititems with attributes", _script(H5PY_ATTRIBUTES, path), 0.25)
    yield Comparison(work, inspect, "h5py's visititems", _script(H5PY_LIST, path), None)


def _against(folder: Path, before: str) -> Iterator[Comparison]:
    large = data.write_tensorflow(folder / "large", data.model(data.GIB))
    many = data.write_tensorflow(folder / "names", data.many(20_000))
    for work, path in (("inspect a TensorFlow checkpoint of 1 GiB", large), ("inspect 20,000 tensors", many)):
        yield Comparison(work, _ckptread("inspect", path), "before", _ckptread("inspect", path, tree=before), 1.1)
    for work, text in (
        ("import ckptread", "import ckptread"),
        ("import, and open a small checkpoint", IMPORT_AND_OPEN),
    ):
        small = folder / "small"
        yield Comparison(work, _script(text, small), "before", _script(text, small, tree=before), 1.1)


if __name__ == "__main__":
    main()
