"""Changed HDF5 files through the whole command line: ``python -m tests.fuzz.commands --runs N [FIXTURE...]``.

Each run changes one fixture (hdf5_changes.py), and gives it to every command as a process of its own, watched as
tests/hostile/watched.py has it: no signal, no hang, no traceback, little memory, no foreign file opened. Beyond that:

- the end is one clear message that names the file, never an internal error;
- no value is other than the one that h5py reads from the same file, where h5py reads one;
- where a checksum stands for the changed bytes, no value is other than before the change, or verify says so;
- diff does not call a file the same whose values are others; what is salvaged of a file cut short was there before.

A file that breaks a rule is kept in the folder ``--keep``, with what was broken.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.conformance.cases import FIXTURES, ROOT, SHARED
from tests.fuzz.hdf5_changes import Subject
from tests.hostile.watched import watch

SUFFIXES = {".h5", ".hdf5", ".keras"}
LIBRARY_SECONDS = 20
MOST_BYTES = 64 << 20
"""What expands to more than that is listed and shown only: reading it takes the time that so many bytes take."""
CODES = {"inspect": {0, 2}, "show": {0, 2}, "extract": {0, 2}, "diff": {0, 1, 2}, "verify": {0, 1, 2},
         "salvage": {0, 1, 2}}  # fmt: skip
SAYS_IN_ITS_REPORT = {"verify"}
"""Commands that name a file that cannot be opened among their findings, on stdout."""
SAYS_OF_EACH = {"extract", "diff"}
"""Commands that go on after a tensor that cannot be read: a line for each of those."""


def fixtures():
    """Return every HDF5 file and .keras archive that there is to be changed."""
    return [path for root in (FIXTURES, SHARED) for path in sorted(root.rglob("*")) if path.suffix in SUFFIXES]


@dataclass
class Run:
    """One changed file, and what came of it."""

    path: Path
    other: Path
    """What it is compared with."""
    folder: Path
    trace: bool
    broken: list[str] = field(default_factory=list)
    commands: int = 0
    compared: Counter = field(default_factory=Counter)
    alone: list[str] = field(default_factory=list)
    """Keys whose values we return, and h5py does not."""

    @property
    def _names(self):
        return self.path.name.encode(), self.other.name.encode()

    def command(self, name, *arguments):
        """Run a command, and note which rules it broke; returns how it ended."""
        self.commands += 1
        ran = watch(name, *arguments, trace=self.folder / "trace" if self.trace else None)
        broken = ran.broken_rules(str(self.folder), str(self.other))
        broken += [] if ran.code in CODES[name] else [f"exit code {ran.code}"]
        if b"internal error" in ran.out + ran.err:
            broken.append("an internal error")
        if ran.code == 2:
            broken += self._unclear(name, ran)
        self.broken += [f"{name}: {rule}\n{ran.err[-600:].decode(errors='replace')}" for rule in broken]
        return ran

    def _unclear(self, name, ran):
        """Return what is wrong with how trouble is told."""
        lines = ran.err.splitlines()
        if name in SAYS_IN_ITS_REPORT:
            return [] if any(file in ran.out for file in self._names) and not lines else ["no report"]
        if name in SAYS_OF_EACH and lines and not lines[0].startswith(b"ckptread: "):
            return []
        named = [line for line in lines if line.startswith(b"ckptread: ") and any(name in line for name in self._names)]
        return [] if len(named) == len(lines) == 1 and not ran.out else ["not one message that names the file"]

    def rule(self, kept, text):
        """Note a broken rule."""
        if not kept:
            self.broken.append(text)


class Before:
    """A fixture as it was: what ckptread wrote of it, which is what h5py reads."""

    def __init__(self, path, folder):
        self.path = path
        hostile = path.is_relative_to(FIXTURES / "hostile")
        self.subject = Subject(path, sound=not hostile)
        run = Run(path, path, folder, trace=False)
        listing = _listed(run)
        self.large = listing is not None and listing["totals"]["nbytes"] > MOST_BYTES
        self.values = {} if listing is None or self.large else _extracted(run, listing)
        if self.values and not hostile:
            _compare_library(run, self.values)
            run.rule(run.compared["equal"] == len(self.values), f"{run.compared} of {len(self.values)} arrays")
        if run.broken:
            raise AssertionError((path, run.broken))


def examine(before, changed, folder, rng, *, trace=False):
    """Give a changed file to every command; return the Run."""
    path = folder / f"changed{before.path.suffix}"
    path.write_bytes(changed.data)
    run = Run(path, before.path, folder, trace)
    listing = _listed(run)
    if listing is not None and listing["tensors"]:
        _show(run, rng.choice(listing["tensors"])["key"])
    if before.large or (listing is not None and listing["totals"]["nbytes"] > MOST_BYTES):
        return run
    after = _extracted(run, listing)
    _compare_library(run, after)
    different = _different(before.values, after)
    verified = run.command("verify", path)
    compared = run.command("diff", before.path, path)
    run.rule(compared.code != 0 or not different, f"diff says 'same', but {different} differ")
    run.rule(not changed.vouched or not different, f"a checksum stands for {different}, whose values are others")
    silent = changed.archive and verified.code == 0
    run.rule(not silent or not different, f"verify finds nothing, but {different} differ")
    _salvage(run, before, changed, after)
    return run


def _show(run, key):
    if key and "\0" not in key:
        run.command("show", run.path, "--", key.encode("utf-8", "surrogateescape"))


def _salvage(run, before, changed, after):
    run.command("salvage", run.path, "-o", run.folder / "saved")
    saved = _saved(run.folder / "saved")
    others = _different(after, saved)
    run.rule(not others, f"salvaged otherwise than extracted: {others}")
    others = _different(before.values, saved) if changed.cut else []
    run.rule(not others, f"salvaged of a file cut short: {others}, whose values are others")


def _listed(run):
    """Return what a listing tells; None where the file cannot be listed."""
    ran = run.command("inspect", "--format", "json", run.path)
    return json.loads(ran.out) if ran.code == 0 else None


def _extracted(run, listing):
    """Return by key what extract wrote; arrays go by their variables, of which only those of one key are taken."""
    target = run.folder / "all.npz"
    run.command("extract", run.path, "**", "-o", target)
    if not target.exists() or listing is None:
        return {}
    names = [row["variable"] or row["key"] for row in listing["tensors"]]
    keys = {n: row["key"] for n, row in zip(names, listing["tensors"], strict=True) if names.count(n) == 1}
    with np.load(target, allow_pickle=False) as found:
        return {keys[name]: found[name] for name in found.files if name in keys}


def _saved(folder):
    """Return what salvage says that it saved, by key."""
    if not (folder / "manifest.json").exists():
        return {}
    rows = json.loads((folder / "manifest.json").read_text())["saved"]
    return {row["key"]: np.load(folder / row["file"], allow_pickle=False) for row in rows}


def _different(before, after):
    """Return the keys of arrays that are there both times, with other bytes, dtype or shape."""
    return [key for key in before.keys() & after.keys() if _bits(before[key]) != _bits(after[key])]


def _bits(array):
    return array.dtype.str, array.shape, array.tobytes()


def _compare_library(run, arrays):
    """Count how many arrays the library reads alike, otherwise, or not at all."""
    target = run.folder / "by_key.npz"
    with zipfile.ZipFile(target, "w") as archive:  # np.savez would take some keys for arguments of its own
        for key, array in arrays.items():
            if "\0" not in key and key.isprintable():
                with archive.open(f"{key}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    command = [sys.executable, "-m", "tests.fuzz.hdf5_library", str(run.path), str(target)]
    try:
        out = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LIBRARY_SECONDS, check=False).stdout
    except subprocess.TimeoutExpired as hung:
        out = hung.stdout or b""
    said = [json.loads(line) for line in out.decode(errors="replace").splitlines() if line.endswith("]")]
    run.compared = Counter(verdict.partition(":")[0] for _, verdict in said)
    others = [key for key, verdict in said if verdict == "other"]
    run.rule(not others, f"h5py reads something else: {others}")
    run.alone = [key for key, verdict in said if verdict.startswith("error")]


def main():
    """Run, and say how many commands there were."""
    options = _parser().parse_args()
    paths = [Path(path).resolve() for path in options.fixtures] or fixtures()
    rng = random.Random(options.seed)
    total, found, compared, until = 0, 0, Counter(), time.monotonic() + options.seconds
    befores = {}
    for number in range(options.runs):
        if time.monotonic() > until:
            break
        path = paths[number % len(paths)]
        with tempfile.TemporaryDirectory() as folder:
            before = befores.get(path) or befores.setdefault(path, Before(path, Path(folder)))
        changed = before.subject.change(rng)
        with tempfile.TemporaryDirectory() as folder:
            run = examine(before, changed, Path(folder), rng, trace=number % options.trace_every == 0)
        total, compared = total + run.commands, compared + run.compared
        if run.broken:
            found += 1
            _keep(Path(options.keep), before.path, changed, run)
        if (number + 1) % 20 == 0:
            print(f"{number + 1:,} files, {total:,} commands, {found} findings; by h5py: {dict(compared)}", flush=True)
    print(f"{number + 1:,} changed files, {total:,} commands; findings: {found or 'none'}; by h5py: {dict(compared)}")
    sys.exit(1 if found else 0)


def _keep(folder, origin, changed, run):
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha1(changed.data).hexdigest()[:12]
    (folder / f"{name}{origin.suffix}").write_bytes(changed.data)
    said = f"{origin}\n{changed.what}\n" + "\n".join(run.broken) + "\n"
    (folder / f"{name}.txt").write_text(said)
    print(f"FINDING {name}: {said}", flush=True)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.commands", description=__doc__)
    parser.add_argument("fixtures", nargs="*", metavar="FIXTURE")
    parser.add_argument("--runs", type=int, default=1000, help="changed files, each given to six commands")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no file is begun after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace-every", type=int, default=10, help="one file in so many runs under strace")
    parser.add_argument("--keep", default=".fuzz/commands", help="folder of the files that break a rule")
    return parser


if __name__ == "__main__":
    main()
