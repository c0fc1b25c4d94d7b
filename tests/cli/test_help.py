"""Help pages: what they begin and end with, and that their examples run."""

import inspect
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ckptread.operations
from ckptread.cli.app import EXAMPLES as FIRST
from ckptread.cli.commands import COMMANDS
from ckptread.cli.startup import main
from tests.conformance.cases import FIXTURES

EXAMPLES = [
    (name, line)
    for name in COMMANDS
    for line in import_module(f"ckptread.cli.commands.{name}").EXAMPLES.strip().splitlines()
] + [("", line) for line in FIRST.strip().splitlines()]
DIFFERENT = {"diff", "check"}
"""Of two steps of a training run, these report a difference: exit 1."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the examples name."""
    found = tmp_path_factory.mktemp("examples")
    shutil.copytree(FIXTURES / "tf-object", found / "run")
    shutil.copy(FIXTURES / "keras3" / "model.keras", found / "model.keras")
    shutil.copy(FIXTURES / "keras3" / "legacy.h5", found / "model.h5")
    (found / "runs.txt").write_text("run\nmodel.keras\n")
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


def test_the_first_help_page_ends_with_examples(run):
    page = [line.strip() for line in run("--help").out.splitlines()]
    assert page[page.index("Examples:") + 1 :] == FIRST.strip().splitlines()


@pytest.fixture
def run_line(monkeypatch, capsysbinary):
    """Run a line as a shell would, in this process; returns its exit code, what it printed, and its errors."""

    def run_one(line):
        command, _, written = line.partition("  #")[0].partition(" > ")
        written = written.strip()
        monkeypatch.setattr(sys, "argv", shlex.split(command, comments=True))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsysbinary.readouterr()
        if written:
            Path(written).write_bytes(out)
        return ended.value.code, out, err

    return run_one


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_runs(folder, monkeypatch, run_line, name, line):
    assert line.startswith(f"ckptread {name}")
    assert len(line) < 77  # with its indent, on a terminal of 80 columns
    monkeypatch.chdir(folder)
    if "weights.sha256" in line:
        run_line("ckptread digest model.keras > weights.sha256")
    for written in ("kernel.npy", "weights.npz", "kernels.npz", "kernel.png"):
        (folder / written).unlink(missing_ok=True)
    shutil.rmtree(folder / "saved", ignore_errors=True)
    code, out, err = run_line(line)
    assert code in ((0, 1) if line.split()[1] in DIFFERENT else (0,)), err
    assert out


def test_each_operation_has_a_command_and_a_public_function_of_its_name():
    operations = {path.parent.name for path in Path(ckptread.operations.__file__).parent.glob("*/__init__.py")}
    assert len(operations) >= 10
    assert set(COMMANDS) == operations
    assert operations <= set(ckptread.__all__)
