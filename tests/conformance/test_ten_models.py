"""Ten models in five formats each: every pair is the same model, and one bit turned over anywhere is found."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

import ckptread
from tests.conformance.ten_models import FORMATS, MODELS

PAIRS = list(itertools.combinations(FORMATS, 2))


@pytest.mark.parametrize("model", list(MODELS))
def test_all_formats_hold_the_same_model(run, ten_models, model):
    for one, other in PAIRS:
        ran = run("diff", ten_models[model][one], ten_models[model][other], "--role", "model")
        assert ran.code == 0, ran.out
        assert ran.out.splitlines()[-1].startswith("same: ")
        assert "other name" not in ran.out


def copied(path, folder):
    """Copy a checkpoint; return its path there."""
    source = Path(path)
    if source.name == "ckpt-1":
        shutil.copytree(source.parent, folder)
        return folder / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, folder)
    return folder


def extents(path, random):
    """A place in the values of each tensor of the model: file, offset, bit."""
    with ckptread.open(str(path)) as reader:
        infos = [t for t in reader.tensors.values() if t.role == "model" and t.repeats is None and t.nbytes]
    assert infos
    assert all(info.extent for info in infos)
    return [
        (t.name, t.extent.file, t.extent.offset + int(random.integers(t.extent.nbytes)), int(random.integers(8)))
        for t in infos
    ]


def turn(file, offset, bit):
    with open(file, "r+b") as stream:
        stream.seek(offset)
        (byte,) = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([byte ^ (1 << bit)]))


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("model", list(MODELS))
def test_one_bit_turned_over_in_any_tensor_is_found(run, ten_models, tmp_path, model, layout):
    """Where the format has checksums, it is damage, and exit 2; else a difference, of that very tensor."""
    against = ten_models[model]["saved-model" if layout == "checkpoint" else "checkpoint"]  # opened without a worker
    copy = copied(ten_models[model][layout], tmp_path / f"copy{layout if layout.startswith('.') else ''}")
    for name, file, offset, bit in extents(copy, np.random.default_rng(len(model))):
        turn(file, offset, bit)
        ran = run("diff", copy, against, "--role", "model")
        checked = layout in {"checkpoint", "saved-model"}
        assert ran.code == (2 if checked else 1), (name, ran.out, ran.err)
        assert ran.out.splitlines()[-1].startswith("different: ")
        place, _, last = name.rpartition("/")
        named = f"{place}/" if last.isdigit() else name  # a position is shown by the name that the other side has
        assert named in (ran.err if checked else ran.out)
        turn(file, offset, bit)
