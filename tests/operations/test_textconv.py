"""A checkpoint as text: stable, complete, and what git shows of it."""

import io
import os
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.operations.digest.digest import digest, digest_tensors
from tests.conformance.cases import CASES, FIXTURES, ROOT, all_but_one, each
from tests.conftest import write

MODEL = FIXTURES / "keras3" / "model.keras"


def rewritten(source, target, change):
    """Copy a .keras archive with another date, and its weights as ``change`` leaves them."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "model.weights.h5":
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as file:
                    change(file)
                data = buffer.getvalue()
            elif name == "metadata.json":
                data = data.replace(b"2026", b"2025")
            new.writestr(name, data)
    return target


def nothing(file):
    pass


def add_one(file):
    file["layers/dense_1/vars/0"][0, 0] += 1


@pytest.fixture
def repository(tmp_path):
    """A git repository whose .keras files are compared as docs/git.md says; returns a function that runs git in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    folder.mkdir()
    environment = {**os.environ, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}

    def git(*arguments):
        ran = subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def commit(message):
        git("add", ".")
        git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "-m", message)

    git("init", "-q")
    [setting] = [
        line for line in (ROOT / "docs" / "git.md").read_text().splitlines() if "diff.ckptread.textconv" in line
    ]
    assert setting == 'git config --global diff.ckptread.textconv "ckptread textconv"'
    git("config", "--global", "diff.ckptread.textconv", f"{sys.executable} -m ckptread textconv")
    (folder / ".gitattributes").write_text("*.keras diff=ckptread\n")
    git.commit, git.folder = commit, folder
    return git


@pytest.mark.slow
def test_git_shows_which_tensors_changed(repository):
    model = repository.folder / "model.keras"
    shutil.copy(MODEL, model)
    repository.commit("first")
    rewritten(MODEL, model, add_one)
    repository.commit("second")
    shown = repository("diff", "HEAD~1")
    before, after = (np.asarray(values_of(path, "head/kernel"), "float64") for path in (MODEL, model))
    changed = [line for line in shown.splitlines() if line.startswith(("+", "-")) and line[1:3] == "  "]
    assert changed == [
        "-  " + figures(before),
        "+  " + figures(after),
        f"-  sha256 {file_digest(MODEL, 'head/kernel')}",
        f"+  sha256 {file_digest(model, 'head/kernel')}",
    ]
    assert " head/kernel" in shown.splitlines()
    log = repository("log", "-p")
    assert log.count("+  sha256") == 42 + 1
    assert "second" in log


def figures(values):
    norm = np.sqrt((values * values).sum())
    found = {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std(), "L2": norm}
    return "  ".join(f"{name} {value:.6g}" for name, value in found.items())


def values_of(path, name):
    with ckptread.open(path) as reader:
        return reader[name][()]


def file_digest(path, name):
    with ckptread.open(path) as reader:
        [entry] = digest_tensors(reader, [reader[name].info])
        return entry.value


@pytest.mark.slow
def test_a_model_that_was_saved_twice_is_the_same_to_git(repository):
    model = repository.folder / "model.keras"
    shutil.copy(MODEL, model)
    repository.commit("first")
    rewritten(MODEL, model, nothing)
    assert "@@" not in repository("diff")
    assert repository("diff", "--no-textconv").count("Binary files") == 1


@pytest.mark.slow
def test_a_damaged_file_ends_neither_diff_nor_log(repository):
    model = repository.folder / "model.keras"
    shutil.copy(MODEL, model)
    repository.commit("sound")
    model.write_bytes(MODEL.read_bytes()[:20_000])
    repository.commit("damaged")
    model.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 52264\n")
    assert "+cannot be read as a checkpoint: this is a Git LFS pointer" in repository("diff")
    log = repository("log", "-p")
    assert "+cannot be read as a checkpoint: this zip archive is truncated" in log
    assert "sound" in log


@each(CASES, slow=all_but_one)
def test_every_tensor_of_every_fixture_has_its_digest_in_the_text(run, case):
    ran = run("textconv", case.path)
    assert ran.code == 0
    with ckptread.open(case.path) as reader:
        entries = digest(reader, role="all").tensors
    for entry in entries:
        assert f"  sha256 {entry.value}\n" in ran.out if entry.value else "  cannot be read: " in ran.out


@pytest.mark.parametrize("name", ["temporary", "x.txt", "model.h5", ".git-blob-abc123"])
@pytest.mark.parametrize(
    "path", ["keras3/model.keras", "keras3/legacy.h5", "numpy/stored.npz", "safetensors/model.safetensors"]
)
def test_the_name_of_the_file_says_nothing(run, tmp_path, path, name):
    expected = run("textconv", FIXTURES / path).out
    shutil.copy(FIXTURES / path, tmp_path / name)
    assert run("textconv", tmp_path / name).out == expected


def test_the_path_is_in_no_message(run, tmp_path):
    write(tmp_path / "ckpt", {"a": np.ones(3, "float32"), "b": np.ones(2, "float32")})
    data = tmp_path / "ckpt.data-00000-of-00001"
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    ran = run("textconv", tmp_path / "ckpt.index")
    assert "  cannot be read: the bytes of 'a' at byte 0" in ran.out
    assert ran.out.count("  sha256 ") == 1
    assert str(tmp_path) not in ran.out
    data.unlink()
    ran = run("textconv", tmp_path / "ckpt.index")
    assert (ran.code, ran.out.count("is missing")) == (0, 3)
    assert str(tmp_path) not in ran.out


@pytest.mark.slow
def test_a_folder_named_like_a_layer_changes_no_name(repository):
    """The tree has dense/model.keras, and git compares it with a copy elsewhere: both have the tensor dense/kernel."""
    model = repository.folder / "dense" / "model.keras"
    model.parent.mkdir()
    for number in (1.0, 2.0):
        with h5py.File(model, "w") as file:
            file["dense/kernel"] = np.full(3, number, "float32")
            file["other/dense/bias"] = np.zeros(2, "float32")
        repository("add", ".") if number == 2.0 else repository.commit("first")
    shown = repository("diff", "HEAD").splitlines()
    assert " dense/kernel" in shown
    assert "-  min 1  max 1  mean 1  std 0  L2 1.73205" in shown
    assert not [line for line in shown if line[1:] in ("kernel", "bias", "other/bias")]


def test_a_path_of_nothing_is_an_error(run, tmp_path):
    assert run("textconv", tmp_path / "nosuch").code == 2
