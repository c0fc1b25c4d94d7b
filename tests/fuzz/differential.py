"""Changed HDF5 files, natively and by h5py, in one process after the other: ``python -m tests.fuzz.differential``.

Each file is a fixture, or one of the fuzzer's own, with one change. It is read natively here, with a limit on memory
and on processor time, and by h5py in a forked child, which may crash or hang. Where both read a dataset, and natively
every structure has the checksum that it states, the values must be equal. A file that breaks a rule is kept.
"""

import argparse
import hashlib
import io
import os
import random
import resource
import select
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from ckptread.errors import CheckpointError
from ckptread.formats.hdf5.metadata import _checked_ranges, check_metadata
from ckptread.formats.hdf5.opening import open_hdf5_source
from ckptread.formats.hdf5.superblock import Unsupported
from ckptread.untrusted.binary import Malformed
from tests.conformance.cases import FIXTURES
from tests.fuzz.hdf5_anatomy import SIGNATURES, SIZES, Anatomy, Part
from tests.fuzz.hdf5_changes import _changed
from tests.fuzz.hdf5_library import same
from tests.fuzz.hdf5_seeds import files
from tests.fuzz.hdf5_targets import Image

MEMORY = 512 << 20
"""Of address space, beyond what the process has when it begins."""
NATIVE_SECONDS = 1.0
LIBRARY_SECONDS = 3.0
READ_BYTES = 1 << 20


def main():
    """Run, and say how many files there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.differential", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default=".fuzz/differential", help="folder of the files that break a rule")
    given = parser.parse_args()
    rng = random.Random(given.seed or None)
    subjects = [(data, structures(data)) for data in files() if not _hostile(data)]
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    counts, until = Counter(), time.monotonic() + given.seconds
    while time.monotonic() < until:
        data, known = rng.choice(subjects)
        changed = _changed(data, known, rng)
        broken = examine(changed.data, counts)
        if broken:
            _keep(Path(given.keep), changed, broken)
    print(f"{counts['files']:,} files: {dict(counts)}")
    sys.exit(1 if counts["broken"] else 0)


def structures(data):
    """Return where the structures of a sound file are: those with a checksum as they are noted natively."""
    checked = [Part(at, at + nbytes, at + nbytes - 4) for at, nbytes in _checked_ranges(Image(data, "sound.h5"))]
    marks = [match.start() for match in SIGNATURES.finditer(data) if match.group() in SIZES]
    parts = [Part(at, min(len(data), at + SIZES[data[at : at + 4]])) for at in marks]
    return Anatomy((*checked, *parts), ())


def _hostile(data):
    return any(data == path.read_bytes() for path in (FIXTURES / "hostile").glob("*.h5"))


def examine(data, counts):
    """Read a file both ways, count what came of it, and return which rules it broke."""
    counts["files"] += 1
    started = time.process_time()
    values, sound, broken = _native(data)
    if time.process_time() - started > NATIVE_SECONDS:
        broken = [*broken, f"it took {time.process_time() - started:.1f} s"]
    counts["opened" if values is not None else "refused"] += 1
    verdicts = _library(data, values) if values else {}
    counts.update(verdicts.values())
    others = [key for key, verdict in verdicts.items() if verdict == "other"]
    if others and sound:
        broken = [*broken, f"h5py reads something else: {others}"]
    counts["broken"] += bool(broken)
    return broken


def _native(data):
    """Return the values by key, None where nothing is listed; whether all checksums are right; what is wrong."""
    values = {}
    try:
        with open_hdf5_source(Image(data, "changed.h5")) as reader:
            for key, info in reader.tensors.items():
                if info.problem is None and info.nbytes <= READ_BYTES:
                    try:
                        values[key] = reader.read(key)
                    except CheckpointError:
                        continue
            try:
                check_metadata(Image(data, "changed.h5"))
            except CheckpointError:
                return values, False, []
            return values, not reader.problems, []
    except (CheckpointError, Unsupported, Malformed):
        return None, False, []
    except Exception as error:
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        return None, False, [f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"]


def _library(data, values):
    """Return by key whether the library reads the same, something else, or nothing."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        _compare(data, values, writes)
    os.close(writes)
    said = _until_closed(reads, child)
    os.waitpid(child, 0)
    keys = list(values)
    return {keys[at]: {61: "equal", 33: "other"}.get(byte, "unread") for at, byte in enumerate(said)}


def _compare(data, values, pipe):
    """In the child: write a character for each value, and end."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 2)
        with h5py.File(io.BytesIO(data), "r") as file:
            for key, ours in values.items():
                try:
                    os.write(pipe, b"=" if same(_plain(ours), _values(file[key])) else b"!")
                except Exception:
                    os.write(pipe, b"?")
    finally:
        os._exit(0)


def _values(dataset):
    found = dataset[()]
    return np.asarray(found, object) if dataset.dtype.hasobject and not isinstance(found, h5py.Empty) else found


def _plain(ours):
    return ours.view("<u2").astype("<u4").__lshift__(16).view("<f4") if ours.dtype.name == "bfloat16" else ours


def _until_closed(reads, child):
    said, until = b"", time.monotonic() + LIBRARY_SECONDS
    while True:
        ready, _, _ = select.select([reads], [], [], max(0, until - time.monotonic()))
        more = os.read(reads, 65536) if ready else b""
        if not ready:
            os.kill(child, signal.SIGKILL)
        if not more:
            os.close(reads)
            return said
        said += more


def _keep(folder, changed, broken):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha1(changed.data).hexdigest()}.h5"
    path.write_bytes(changed.data)
    print(f"{path}: {changed.what}: {'; '.join(broken)}"[:600], flush=True)


if __name__ == "__main__":
    main()
