"""Run generators for some time each: ``python -m tests.random [KIND...] --seconds 600 --seed 20261126``.

A file that is not read as its library reads it is kept, with what was wrong.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

KINDS = ("hdf5_files", "hdf5_types", "numpy_files", "npy_headers", "differences", "zip_changes", "tensorflow_files")


def main():
    """Run, and say how many files there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.random", description=__doc__)
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seconds", type=float, default=60, help="for each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(".fuzz/random"), help="folder of the files that are not read")
    given = parser.parse_args()
    found = sum(run(kind, given.seed, given.keep, seconds=given.seconds) for kind in given.kinds)
    sys.exit(1 if found else 0)


def run(kind, seed, keep, *, seconds=0.0, files=1):
    """Make so many files of a kind, and more until the time is over; return how many were not read rightly."""
    examine = import_module(f"tests.random.{kind}").examine
    counts, until = Counter(), time.monotonic() + seconds
    while counts["files"] < files or time.monotonic() < until:
        counts["files"] += 1
        with tempfile.TemporaryDirectory() as folder:
            rng = np.random.default_rng([seed, counts["files"]])
            broken = _in_a_child(examine, rng, Path(folder), counts)
            if broken:
                kept = keep / f"{kind}-{seed}-{counts['files']}"
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                print(f"{kept}: {'; '.join(broken)}"[:1000], flush=True)
                counts["broken"] += 1
    print(f"{kind}, seed {seed}: {dict(counts)}", flush=True)
    return counts["broken"]


def _in_a_child(examine, rng, folder, counts):
    """Examine in a forked child, for libhdf5 crashes at some of its own files; return what was wrong."""
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        own = Counter()
        try:
            broken = list(examine(rng, folder, own))
        except BaseException:
            broken = [traceback.format_exc()]
        with open(here, "w", encoding="utf-8", errors="replace") as pipe:
            json.dump([broken, own], pipe)
        os._exit(0)
    os.close(here)
    with open(there, encoding="utf-8") as pipe:
        said = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or not said:
        counts["ended by the library"] += 1
        return []
    broken, own = json.loads(said)
    counts.update(own)
    return broken


if __name__ == "__main__":
    main()
