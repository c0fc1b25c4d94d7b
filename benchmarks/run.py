"""Measure ckptread and its peers, and print one table: ``python benchmarks/run.py``.

Everything is a separate process, measured from outside. Commands run in turn, A B A B ..., after a warm-up; the table
shows medians. ``--write`` puts the tables into docs/performance.md.
"""

import argparse
import compileall
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import data
from large import growth
from measure import Runs, cold, in_turn, peaks
from rows import Folder, Row, rows

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured by: benchmarks/run.py --write -->", "<!-- end of what was measured -->"
TITLES = ("work", "ckptread", "cold", "peak", "peer", "time", "peak", "target", "measured", "")


def main() -> None:
    """Write the data, run everything, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="GiB of the checkpoints (default 1)")
    parser.add_argument("--only", default="", help="measure only rows whose work matches this regular expression")
    parser.add_argument("--large", default="1,4,16", help="GiB of the checkpoints of one tensor; '' skips them")
    parser.add_argument("--folder", help="folder for the data (default: the system's temporary folder)")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    given = parser.parse_args()
    # pip compiles no editable installs, and Python may be configured to write no bytecode.
    compileall.compile_dir(ROOT / "ckptread", quiet=1)
    folder = Path(tempfile.mkdtemp(prefix="ckptread-benchmark-", dir=given.folder))
    lines: list[str] = []
    try:
        for line in _all(Folder(folder, given.scale), given):
            print(line, flush=True)
            lines.append(line)
    finally:
        shutil.rmtree(folder)
    if given.write:
        _write(lines)


def _all(folder: Folder, given: argparse.Namespace) -> Iterator[str]:
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}."
    yield ""
    yield from _row(TITLES)
    yield from _row(["---", *["---:"] * 3, "---", *["---:"] * 2, "---", "---:", "---"])
    for row in rows(folder):
        if re.search(given.only, row.work):
            yield from _row(_measured(row, given.runs, folder.path / "output"))
    yield ""
    yield from _processes(folder, given.only)
    sizes = [float(size) for size in given.large.split(",") if size]
    if sizes:
        yield from growth(folder, sizes)


def _row(cells: object) -> Iterator[str]:
    yield "| " + " | ".join(map(str, cells)) + " |"  # type: ignore[call-overload]


def _measured(row: Row, runs: int, output: Path) -> list[str]:
    """Run the commands of a row, and return its cells."""
    commands = [row.command, *([row.peer] if row.peer else [])]
    ours, *others = in_turn(commands, runs, output, reports=[False, row.peer_reports], written=row.writes)
    files = [file for path in row.reads for file in data.files(path)]
    uncached = f"{cold(row.command, files, 3, output, row.writes).median:.3f} s" if files else "-"
    peer = others[0] if others else None
    missing = "not installed" if row.peer_name else "-"
    theirs = [f"{peer.median:.3f} s", f"{peer.peak:,.0f} MiB"] if peer else ["-", missing]
    wanted, found, fine = _verdict(row, ours, peer)
    return [row.work, f"{ours.median:.3f} s", uncached, f"{ours.peak:,.0f} MiB", row.peer_name or "-", *theirs,
            wanted, found, "" if fine else "**missed**"]  # fmt: skip


def _verdict(row: Row, ours: Runs, peer: Runs | None) -> tuple[str, str, bool]:
    """Return the target, the measured value, and whether the target was reached."""
    wanted, found, fine = [], [], True
    if row.faster is not None and peer is not None:
        ratio = peer.median / ours.median
        fine = ratio >= row.faster
        faster = row.faster > 1
        wanted.append(f"{row.faster:g} times faster" if faster else f"at most {1 / row.faster:.2g} times its time")
        found.append(f"{ratio:.1f} times faster" if faster else f"{1 / ratio:.2f} times")
    if row.beyond is not None and peer is not None:
        more = ours.median - peer.median
        fine = more <= row.beyond
        wanted.append(f"at most {1000 * row.beyond:.0f} ms more")
        found.append(f"{1000 * more:.0f} ms more")
    if row.least_gb_per_second is not None:
        wanted.append(f"{row.least_gb_per_second:g} GB/s")
        fine = fine and row.nbytes / ours.median / 1e9 >= row.least_gb_per_second
    if row.nbytes:
        found.append(f"{row.nbytes / ours.median / 1e9:.1f} GB/s")
    if row.limit_mib is not None:
        wanted.append(f"under {row.limit_mib:g} MiB")
        fine = fine and ours.peak < row.limit_mib
    return ", ".join(wanted) or "-", ", ".join(found), fine


def _processes(folder: Folder, only: str) -> Iterator[str]:
    """Yield the peak memory of each process of ``inspect``: HDF5 is parsed in a worker."""
    from peers import ckptread

    if only and not re.search(only, "each process of inspect"):
        return
    yield "Peak resident memory of each process of `inspect`. The worker parses HDF5:"
    yield ""
    archive = folder.path / "again.keras"
    data.write_archive(archive, folder.hdf5("a.weights.h5"))
    for name, path in (("TensorFlow", folder.tensorflow("a")), (".weights.h5", folder.hdf5("a.weights.h5")),
                       (".keras", archive)):  # fmt: skip
        listed = ", ".join(f"{process} {mib:.0f} MiB" for process, mib in peaks(ckptread("inspect", path)).items())
        yield f"- {name}: {listed}"
    yield ""
    folder.drop("again.keras", "a.weights.h5", "a")


def machine() -> str:
    """Describe the machine."""
    text = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / data.GIB
    return (
        f"{len(os.sched_getaffinity(0))} processors ({model or platform.machine()}), {memory:.0f} GiB of memory, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _write(lines: list[str]) -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines).strip() + f"\n\n{END}{after}")
    print(f"written to {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
