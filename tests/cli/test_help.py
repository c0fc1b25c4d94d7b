"""Help pages: what they begin and end with, and that their examples run."""

import inspect
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ckptread.operations
from ckptread.cli.commands import COMMANDS
from tests.conformance.cases import FIXTURES

EXAMPLES = [
    (name, line)
    for name in COMMANDS
    for line in import_module(f"ckptread.cli.commands.{name}").EXAMPLES.strip().splitlines()
]
DIFFERENT = {"diff", "check"}
"""Of two steps of a training run, these report a difference: exit 1."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the examples name."""
    found = tmp_path_factory.mktemp("examples")
    shutil.copytree(FIXTURES / "tf-object", found / "run")
    shutil.copy(FIXTURES / "keras3" / "model.keras", found / "model.keras")
    shutil.copy(FIXTURES / "keras3" / "legacy.h5", found / "model.h5")
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_page_begins_with_a_sentence_and_ends_with_examples(run, name):
    module = import_module(f"ckptread.cli.commands.{name}")
    first = inspect.getdoc(getattr(module, f"{name}_command")).splitlines()[0]
    assert first.endswith(".")
    examples = [line for command, line in EXAMPLES if command == name]
    assert 2 <= len(examples) <= 4
    page = run(name, "--help").out.splitlines()
    assert [line.strip() for line in page[-len(examples) :]] == examples
    assert page[-len(examples) - 1].strip() == "Examples:"


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_runs(folder, name, line):
    assert line.startswith(f"ckptread {name} ")
    if "weights.sha256" in line:
        listing = subprocess.run(
            [sys.executable, "-m", "ckptread", "digest", "model.keras"], cwd=folder, capture_output=True, check=True
        ).stdout
        (folder / "weights.sha256").write_bytes(listing)
    for written in ("kernel.npy", "weights.npz"):
        (folder / written).unlink(missing_ok=True)
    shutil.rmtree(folder / "saved", ignore_errors=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode in ((0, 1) if name in DIFFERENT else (0,)), ran.stderr
    assert ran.stdout or ">" in line


def test_each_operation_has_a_command_and_a_public_function_of_its_name():
    operations = {path.parent.name for path in Path(ckptread.operations.__file__).parent.glob("*/__init__.py")}
    assert len(operations) >= 10
    assert set(COMMANDS) == operations
    assert operations <= set(ckptread.__all__)
