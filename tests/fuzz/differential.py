"""Changed HDF5 files, natively and by h5py: ``python -m tests.fuzz.differential --files N --seed S``.

Each file is a small one that h5py wrote at random, a fixture, or one of the fuzzer's own, with one change. It is read
natively here, with a limit on memory and on processor time, and by h5py in a forked child, which may crash or hang: it
reads one file after the other, and another one takes its place where it ends. Where both read a dataset, and natively
every structure has the checksum that it states, the values must be equal. A file that breaks a rule is kept.
"""

import argparse
import hashlib
import io
import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from ckptread.errors import CheckpointError
from ckptread.formats.hdf5.metadata import _read_structures, check_metadata
from ckptread.formats.hdf5.opening import open_hdf5_source
from ckptread.formats.hdf5.superblock import Unsupported
from ckptread.untrusted.binary import Malformed
from tests.conformance.cases import FIXTURES
from tests.formats.hdf5.same_values import h5py_values, same_values
from tests.fuzz.__main__ import limit_memory
from tests.fuzz.hdf5_anatomy import SIGNATURES, SIZES, Anatomy, Part
from tests.fuzz.hdf5_changes import Changed, _changed
from tests.fuzz.hdf5_seeds import files
from tests.fuzz.hdf5_targets import Image
from tests.fuzz.small_files import small_files

NATIVE_SECONDS = 1.0
LIBRARY_SECONDS = 3.0
READ_BYTES = 1 << 20
BATCH = 100
"""Files that are read natively before a child is forked for them."""
SMALL, LARGE_SHARE = 1000, 0.02
"""How many small files there are to be changed, and how often another one is: it takes ten times as long."""
VERDICTS = {"=": "equal", "!": "other", "?": "unread"}


@dataclass
class Read:
    """A changed file as it was read natively: its values by key, and whether all checksums are right."""

    changed: Changed
    values: dict = field(default_factory=dict)
    opened: bool = False
    sound: bool = False
    broken: list[str] = field(default_factory=list)


def main():
    """Run, and say how many files there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.differential", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 is another one each time")
    parser.add_argument("--keep", default=".fuzz/differential", help="folder of the files that break a rule")
    given = parser.parse_args()
    rng, counts = random.Random(given.seed or None), Counter()
    small = [(data, structures(data)) for data in small_files(SMALL, rng.randrange(1 << 32))]
    large = [(data, structures(data)) for data in files() if not _hostile(data)]
    limit_memory()
    with suppress(KeyboardInterrupt):
        while counts["files"] < given.files:
            subjects = [rng.choice(large if rng.random() < LARGE_SHARE else small) for _ in range(BATCH)]
            for read in examine([_changed(data, known, rng) for data, known in subjects], counts):
                _keep(Path(given.keep), read)
    print(f"{counts['files']:,} files: {dict(counts)}")
    sys.exit(1 if counts["broken"] else 0)


def structures(data):
    """Return where the structures of a sound file are: those with a checksum as they are noted natively."""
    checked = [Part(at, at + nbytes, at + nbytes - 4) for at, nbytes in _read_structures(Image(data, "sound.h5"))[0]]
    marks = [match.start() for match in SIGNATURES.finditer(data) if match.group() in SIZES]
    parts = [Part(at, min(len(data), at + SIZES[data[at : at + 4]])) for at in marks]
    return Anatomy((*checked, *parts), ())


def _hostile(data):
    return any(data == path.read_bytes() for path in (FIXTURES / "hostile").glob("*.h5"))


def examine(changes, counts):
    """Read files both ways, count what came of them, and return those that break a rule."""
    reads = [_timed(changed) for changed in changes]
    asked = [read for read in reads if read.values]
    for read, verdicts in zip(asked, _by_library(asked, counts), strict=True):
        others = [key for key, verdict in verdicts.items() if verdict == "other"]
        if others and read.sound and "other" in _by_library([read], Counter())[0].values():
            read.broken.append(f"h5py reads something else: {others}")
        counts.update(verdicts.values())
    counts.update("opened" if read.opened else "refused" for read in reads)
    counts["files"] += len(reads)
    broken = [read for read in reads if read.broken]
    counts["broken"] += len(broken)
    return broken


def _timed(changed):
    started, read = time.process_time(), Read(changed)
    try:
        _read_natively(read)
    except (CheckpointError, Unsupported, Malformed):
        pass
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        read.broken.append(f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})")
    if time.process_time() - started > NATIVE_SECONDS:
        read.broken.append(f"it took {time.process_time() - started:.1f} s")
    return read


def _read_natively(read):
    with open_hdf5_source(Image(read.changed.data, "changed.h5")) as reader:
        read.opened = True
        for key, info in reader.tensors.items():
            if info.problem is None and info.nbytes <= READ_BYTES:
                try:
                    read.values[key] = reader.read(key)
                except CheckpointError:
                    continue
        check_metadata(Image(read.changed.data, "changed.h5"))
        read.sound = not reader.problems


def _by_library(reads, counts):
    """Return of each file, by key, whether the library reads the same, something else, or nothing."""
    found = []
    while len(found) < len(reads):
        said = _from_a_child(reads[len(found) :])
        whole = said.split("\n")
        if len(whole) <= len(reads) - len(found):
            counts["library ended"] += 1
            whole.append("")
        found += [
            {key: VERDICTS[each] for key, each in zip(read.values, line, strict=False)}
            for read, line in zip(reads[len(found) :], whole[:-1], strict=False)
        ]
    return found


def _from_a_child(reads):
    """Return what a forked child says: a line for each file, a character for each value; less where it ended."""
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(there)
        _compare(reads, here)
    os.close(here)
    said = _until_closed(there, child)
    os.waitpid(child, 0)
    return said.decode()


def _compare(reads, pipe):
    """In the child: write a character for each value, a line end behind each file, and end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for read in reads:
            for verdict in _verdicts(read):
                os.write(pipe, verdict)
            os.write(pipe, b"\n")
    finally:
        os._exit(0)


def _verdicts(read):
    try:
        with h5py.File(io.BytesIO(read.changed.data), "r") as file:
            for key, ours in read.values.items():
                yield _verdict(file, key, ours)
    except (OSError, RuntimeError, ValueError, KeyError):
        return


def _verdict(file, key, ours):
    try:
        theirs = h5py_values(file[key])
    except Exception:
        return b"?"
    return b"=" if same_values(np.asarray(ours), theirs) else b"!"


def _until_closed(pipe, child):
    """Return what comes through the pipe; the child is ended where nothing comes for too long."""
    said = b""
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(pipe)
    while True:
        ready = poll.poll(LIBRARY_SECONDS * 1000)
        more = os.read(pipe, 65536) if ready else b""
        if not ready:
            os.kill(child, signal.SIGKILL)
        if not more:
            os.close(pipe)
            return said
        said += more


def _keep(folder, read):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha1(read.changed.data).hexdigest()}.h5"
    path.write_bytes(read.changed.data)
    print(f"{path}: {read.changed.what}: {'; '.join(read.broken)}"[:600], flush=True)


if __name__ == "__main__":
    main()
