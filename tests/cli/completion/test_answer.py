"""What Tab offers, and how long the process that answers takes."""

import os
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest
import safetensors.numpy
from typer.main import get_command

import ckptread
from ckptread.cli.app import build_app
from ckptread.cli.commands import COMMANDS
from ckptread.cli.completion import grammar
from ckptread.cli.completion.answer import candidates
from ckptread.cli.completion.tensor_names import MOST
from ckptread.formats.hdf5.paths import list_paths_in
from ckptread.storage.local import FileSource
from tests.conformance.cases import CASES, FIXTURES, each

KERAS = str(FIXTURES / "keras3" / "model.keras")
STEP = str(FIXTURES / "tf-object" / "ckpt-1")


@pytest.mark.parametrize(("words", "found"), [
    ([""], [*COMMANDS, "help"]),
    (["i"], ["inspect"]),
    (["help", "di"], ["diff", "digest"]),
    (["--vers"], ["--version"]),
    (["--show-completion", "z"], ["zsh"]),
    (["inspect", "--mo"], ["--model"]),
    (["inspect", "--js"], ["--json"]),
    (["inspect", "--sort", "si"], ["size"]),
    (["inspect", "--format=c"], ["--format=csv"]),
    (["inspect", ""], []),
    (["inspect", KERAS, "--depth", ""], []),
    (["extract", KERAS, "head/bias", "-o", ""], []),
    (["inspect", KERAS, "head/"], ["head/kernel", "head/bias"]),
    (["inspect", "--role", "model", KERAS, "head/k"], ["head/kernel"]),
    (["inspect", KERAS, "--tree", "--exclude", "head/k"], ["head/kernel"]),
    (["show", KERAS, "head/kernel", "head/"], []),
    (["diff", KERAS, STEP, "head/k"], ["head/kernel"]),
    (["diff", KERAS, STEP, "head/kernel", "sequential/dense/k"], ["sequential/dense/kernel"]),
    (["check", KERAS, "--frozen", "head/k"], ["head/kernel"]),
    (["show", "/there/is/none.h5", ""], []),
    (["show", __file__, ""], []),
    ([KERAS, "head/k"], ["head/kernel"]),
    (["--layers", KERAS, "head/k"], ["head/kernel"]),
    (["nosuch", "x"], []),
], ids=str)  # fmt: skip
def test_what_may_come_at_the_cursor(words, found):
    assert candidates(words) == found


def test_the_grammar_has_every_command_with_its_options():
    group = get_command(build_app(COMMANDS))
    assert list(grammar.COMMANDS) == list(COMMANDS)
    for name, (arguments, options) in grammar.COMMANDS.items():
        params = group.commands[name].params
        own = {option for param in params for option in param.opts if option.startswith("-")}
        assert set(options) == own | {"--help", "-h"} | ({"--json"} if "--format" in own else set())
        assert len(arguments) == sum(param.param_type_name == "argument" for param in params)


@each(CASES)
def test_a_name_that_is_offered_finds_its_tensor(case):
    offered = candidates(["show", str(case.path), ""])
    with ckptread.open(case.path) as reader:
        for name in offered:
            if name[-1:] not in "/.":
                assert name in reader or reader.select(name)
        assert bool(offered) == any(tensor.repeats is None for tensor in reader.tensors.values())


def test_of_many_names_the_next_parts_are_offered(tmp_path):
    names = [f"encoder/layer_{number}/kernel" for number in range(MOST + 1)]
    np.savez(tmp_path / "a.npz", **dict.fromkeys(names, np.zeros(1)))
    for typed in ("", "enc"):
        found = candidates(["show", str(tmp_path / "a.npz"), typed])
        assert sorted(found) == sorted(name.removesuffix("kernel") for name in names)
    assert candidates(["show", str(tmp_path / "a.npz"), "encoder/layer_7/"]) == ["encoder/layer_7/kernel"]
    dotted = {name.replace("/", "."): np.zeros(1, "f4") for name in names}
    safetensors.numpy.save_file(dotted, tmp_path / "a.safetensors")
    assert "encoder.layer_7." in candidates(["show", str(tmp_path / "a.safetensors"), "e"])


def test_names_are_offered_as_they_are_printed_and_never_as_options(tmp_path):
    names = {"a\nb": "a\\x0ab", "c\x1b[2J": "c\\x1b[2J", "--force": "--force", "-o": "-o"}
    safetensors.numpy.save_file(dict.fromkeys(names, np.zeros(1, "f4")), tmp_path / "a.safetensors")
    path = str(tmp_path / "a.safetensors")
    assert sorted(candidates(["show", path, ""])) == ["a\\x0ab", "c\\x1b[2J"]
    assert "--force" in candidates(["show", path, "--", "--f"])
    assert all(each.isprintable() for each in candidates(["show", path, "--", ""]))


def ask(line):
    """Ask as bash does; return what is printed, and the seconds of processor time from start to exit."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "_CKPTREAD_COMPLETE": "complete_bash", "COMP_LINE": line}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", "from ckptread.cli.startup import main; main()"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ran.stdout.split(), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize(("name", "typed", "count"), [
    ("keys", "enc", 625), ("attributes", "encoder/layer_7/", 8), ("old.h5", "layers/dense_12", 11),
    ("flat.h5", "tensor_1", 1111),
])  # fmt: skip
def test_a_tab_in_a_checkpoint_of_5000_tensors_takes_a_fifth_of_a_second(large, name, typed, count):
    answers = [ask(f"ckptread show {large / name} {typed}") for _ in range(3)]
    assert all(len(names) == count and all(each.startswith(typed) for each in names) for names, _ in answers)
    bare = ask("ckptread ins")[1]  # 0.05 s; more on a machine that is slower, or busy
    assert min(seconds for _, seconds in answers) < max(0.2, 4 * bare)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["old.h5", "new.h5", "flat.h5"])
def test_paths_of_a_large_file_are_those_that_h5py_lists(large, name):
    with h5py.File(large / name) as file, FileSource(str(large / name)) as source:
        groups = ["", "layers/", "layers/dense_7/"] if "layers" in file else [""]
        for group in groups:
            parts, expected = group, list(file[group or "/"])
            while len(expected) == 1 and isinstance(file[parts + expected[0]], h5py.Group):
                parts += expected[0] + "/"
                expected = list(file[parts])
            found = list_paths_in(source, group)
            assert sorted(path.rstrip("/") for path in found) == sorted(parts + each for each in expected)


@pytest.mark.slow
def test_a_group_that_contains_itself_is_completed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(1600):
            file[f"many/{number}"] = np.zeros(100)
        file["again"] = file.create_group("loop")
        file["loop/loop"] = file["loop"]
    with FileSource(str(tmp_path / "a.h5")) as source:
        assert list_paths_in(source, "loop/")[0].startswith("loop/loop/")
        assert sorted(list_paths_in(source, "")) == ["again/", "loop/", "many/"]


def test_the_process_that_answers_loads_no_typer_and_starts_no_other():
    program = (
        "import os, sys\nos.environ.update(_CKPTREAD_COMPLETE='complete_bash', COMP_LINE=sys.argv[1])\n"
        "from ckptread.cli.startup import main\n"
        "try: main()\nfinally: print(sorted({'typer', 'numpy', 'h5py', 'subprocess', 'rich'} & set(sys.modules)))"
    )
    for path in (KERAS, STEP, FIXTURES / "keras3" / "legacy.h5"):
        command = [sys.executable, "-c", program, f"ckptread show {path} "]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines()[-1] == "[]"
        assert len(ran.stdout.splitlines()) > 1


def test_the_script_that_typer_installed_is_answered_too(run, monkeypatch):
    monkeypatch.setenv("_CKPTREAD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"ckptread\nshow\n{KERAS}\nhead/k")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert run().out == "head/kernel\n"
    monkeypatch.setenv("COMP_WORDS", f"ckptread\nshow\n{KERAS}")
    assert "head/kernel\n" in run().out


def test_an_unknown_request_is_a_usage_error(run, monkeypatch):
    monkeypatch.setenv("_CKPTREAD_COMPLETE", "complete_tcsh")
    ran = run("inspect", KERAS)
    assert (ran.code, ran.out) == (2, "")
    assert "_CKPTREAD_COMPLETE" in ran.err
