"""Every hostile sample through every command: the class it must have, and what holds for any file."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.cases import FIXTURES, HOSTILE, needs_hostile
from tests.hostile.watched import watch

OWN = FIXTURES / "hostile"


@dataclass(frozen=True)
class Sample:
    """A file, the fault in it, and the class that it must have: ok, flag, error, or None where any will do."""

    id: str
    path: Path
    must: str | None


NEWER = {"h5/userblock_zip_polyglot": "flag"}
"""What is expected of a sample by a later rule: the first bytes of a file decide, and a second format is reported."""


def _samples(folder):
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return []
    rows = json.loads(manifest.read_text())["samples"]
    listed = [Sample(row["id"], folder / row["file"], NEWER.get(row["id"], row["must"])) for row in rows if row["file"]]
    stray = sorted((folder / "hdf5-cve").glob("*")) if (folder / "hdf5-cve").is_dir() else []
    known = {sample.path for sample in listed}
    return listed + [Sample(f"hdf5-cve/{p.name}", p, None) for p in stray if p not in known]


def _damaged():
    """The damaged files that the fixture of a format has beside its sound ones."""
    for file in sorted(FIXTURES.glob("*/expected.json")):
        for row in json.loads(file.read_text()).get("damaged", ()):
            yield Sample(f"{file.parent.name}/{row['file']}", file.parent / row["file"], row["must"])


SAMPLES = [*_samples(OWN), *_damaged(), *_samples(HOSTILE)]
EXPECTED = [sample for sample in SAMPLES if sample.must is not None]
"""Of the HDF Group's crash inputs nothing is expected but that the rules hold."""
NOT_FOR_NPY = {
    "h5/dtypes_zoo": "strings of any length and references",
    "tf/only_header": "nothing",
    "h5/deep_400": "nothing",
}
"""Samples in order that hold what a .npy file cannot, or no tensor."""


@needs_hostile
def test_the_shared_samples_are_there():
    assert sum(sample.path.is_relative_to(HOSTILE) for sample in SAMPLES) > 100


@pytest.fixture
def command(request, tmp_path):
    """Run a command on a sample; no rule may be broken. The sample's own folder is where a checkpoint's parts lie."""

    def run(sample, *arguments):
        own = sample.path if sample.path.is_dir() or sample.path.suffix in {".h5", ".keras"} else sample.path.parent
        ran = watch(*arguments, trace=tmp_path / "trace")
        assert not ran.broken_rules(str(own), str(tmp_path)), (arguments, ran)
        return ran

    return run


def each_of(samples):
    """Run a test for each of these samples. Each starts a command and its watcher: all but a few are slow."""
    quick = {sample for sample in samples[::12] if sample.path.is_relative_to(FIXTURES)}
    marks = {sample: () if sample in quick else pytest.mark.slow for sample in samples}
    return pytest.mark.parametrize("sample", [pytest.param(s, id=s.id, marks=marks[s]) for s in samples])


def tensors(sample, command):
    """Return the keys that can be read, and those that cannot, as a listing tells; None where there is no listing."""
    ran = command(sample, "inspect", "--format", "json", sample.path)
    if ran.code:
        return None
    rows = json.loads(ran.out)["tensors"]
    plain = [row for row in rows if "\0" not in row["key"]]
    return [[r["key"] for r in plain if (r["problem"] is not None) == bad] for bad in (False, True)]


def encoded(key):
    return os.fsdecode(key.encode("utf-8", "surrogateescape"))


@each_of(SAMPLES)
def test_inspect(sample, command):
    ran = command(sample, "inspect", sample.path)
    if sample.must == "error":
        assert (ran.code, ran.out, ran.err.count(b"\n")) == (2, b"", 1), ran
    elif sample.must is not None:
        assert ran.code == 0, ran


@each_of(EXPECTED)
def test_show(sample, command):
    listed = tensors(sample, command)
    if listed is None:
        assert sample.must in ("error", None)
        return
    for key in listed[0][:1]:
        ran = command(sample, "show", sample.path, "--", encoded(key))
        assert sample.must != "ok" or ran.code == 0, ran
    for key in listed[1][:1]:
        ran = command(sample, "show", sample.path, "--", encoded(key))
        assert (ran.code, ran.out) == (2, b""), ran


@each_of(SAMPLES)
def test_extract(sample, command, tmp_path):
    ran = command(sample, "extract", sample.path, "**", "-o", tmp_path / "out")
    if sample.must == "error":
        assert ran.code == 2, ran
    elif sample.must == "ok" and sample.id not in NOT_FOR_NPY:
        assert ran.code == 0, ran
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "trace"]
    assert all(path == tmp_path / "out" or path.parent == tmp_path / "out" for path in written)


@each_of(EXPECTED)
def test_diff(sample, command):
    ran = command(sample, "diff", sample.path, sample.path)
    if sample.must in ("ok", "error"):
        assert ran.code == (0 if sample.must == "ok" else 2), ran


@each_of(SAMPLES)
def test_verify(sample, command):
    ran = command(sample, "verify", sample.path)
    if sample.must == "flag":
        assert ran.code == 1, ran
        assert b"error" in ran.out or b"warning" in ran.out
    elif sample.must is not None:
        assert ran.code in ({0} if sample.must == "ok" else {1, 2}), ran
