"""Command lines as people type them out of habit: they work, or the error says what does."""

import json
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy

import ckptread
from tests.conformance.cases import FIXTURES
from tests.hostile.watched import watch

KERAS, STEPS = FIXTURES / "keras3" / "model.keras", FIXTURES / "tf-object"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, and the home folder, with two checkpoints."""
    for name in ("a.keras", "b.keras"):
        shutil.copy(KERAS, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("words", [("inspect", "CKPT"), ("diff", "CKPT", "CKPT"), ("show", "CKPT", "dense/kernel"),
                                   ("digest", "CKPT"), ("verify", "CKPT")], ids=" ".join)  # fmt: skip
def test_json_is_short_for_the_format(run, checkpoint, words):
    words = [checkpoint if word == "CKPT" else word for word in words]
    short = run(*words, "--json")
    assert json.loads(short.out)["schema"] == 1
    assert short == run(*words, "--format", "json")


def test_words_after_the_end_of_options_are_names(run, checkpoint):
    ran = run("inspect", checkpoint, "--", "--json")
    assert ran.code == 2
    assert "no tensor matches the tensor or path '--json'" in ran.err


@pytest.mark.parametrize(("typed", "meant"), [(["-V"], ["--version"]), (["help"], ["--help"]),
                                              (["help", "diff"], ["diff", "--help"])], ids=str)  # fmt: skip
def test_the_version_and_the_help_have_the_usual_names(run, typed, meant):
    assert run(*typed) == run(*meant)
    assert run(*typed).code == 0


@pytest.mark.parametrize("options", [["--role=Model"], ["--role", "MODEL", "--format", "CSV"], ["--sort=Size"],
                                     ["--names", "Key"], ["--backend=Native"]], ids=str)  # fmt: skip
def test_choices_are_taken_in_upper_and_lower_case(run, checkpoint, options):
    assert run("inspect", checkpoint, *options) == run("inspect", checkpoint, *(o.lower() for o in options))
    assert run("inspect", checkpoint, *options).code == 0


@pytest.mark.parametrize(("typed", "verb"), [
    (["--file_name", "F", "--tensor_name", "dense/kernel"], ["show", "F", "dense/kernel"]),
    (["--file_name=F", "--tensor_name=dense/kernel"], ["show", "F", "dense/kernel"]),
    (["inspect", "--file_name=F", "--all_tensors"], ["inspect", "F"]),
    (["inspect", "F", "--tensor_name=dense/kernel", "--json"], ["show", "F", "dense/kernel", "--json"]),
    (["--all_tensor_names", "--file_name=F"], ["inspect", "F"]),
], ids=str)  # fmt: skip
def test_options_of_inspect_checkpoint_run_the_command_and_name_it(run, checkpoint, typed, verb):
    typed, verb = ([word.replace("F", checkpoint) for word in words] for words in (typed, verb))
    ran, same = run(*typed), run(*verb)
    assert (ran.code, ran.out) == (0, same.out)
    assert f"Here it is: ckptread {verb[0]} {checkpoint}" in ran.err


def test_options_may_come_first_and_a_checkpoint_in_place_of_a_command_is_listed(run, folder):
    assert run("a.keras", "--role", "model") == run("inspect", "a.keras", "--role", "model")
    assert run(STEPS).out == run("inspect", STEPS).out
    assert run(STEPS / "ckpt-1").out == run("inspect", STEPS / "ckpt-1").out
    assert run("--format", "csv", "inspect", "a.keras") == run("inspect", "a.keras", "--format", "csv")
    assert run("--no-pager", "a.keras") == run("inspect", "a.keras")
    assert run("--layers", "a.keras") == run("inspect", "--layers", "a.keras")
    for word in ("inspct", "c.keras"):
        ran = run(word)
        assert ran.code == 2
        assert f"No such command '{word}'" in ran.err


@pytest.mark.parametrize(("command", "advice"), [
    ("inspect a.keras b.keras", "`ckptread ls a.keras b.keras`, or compare them with `ckptread diff a.keras b.keras`"),
    ("extract a.keras b.keras", "`ckptread diff a.keras b.keras`"),
    ("inspect a.keras b.keras a.keras b.keras", "`ckptread ls a.keras b.keras a.keras …`"),
    ("diff a.keras b.keras a.keras", "`ckptread history a.keras b.keras a.keras`"),
])  # fmt: skip
def test_a_checkpoint_in_place_of_a_tensor_is_named(run, folder, command, advice):
    ran = run(*command.split())
    assert (ran.code, ran.out) == (2, "")
    assert "is another checkpoint" in ran.err
    assert advice in ran.err


def test_the_home_folder_is_found_where_the_shell_left_it(run, folder):
    assert run("inspect", "~/a.keras").code == 0
    assert run("diff", "~/a.keras", "b.keras").code == 0
    with ckptread.open("~/a.keras") as reader:
        assert reader.path == str(folder / "a.keras")
    assert run("extract", "a.keras", "head/bias", "--output=~/bias.npy").code == 0
    assert np.load(folder / "bias.npy").shape == (1,)
    os.mkdir("~")
    shutil.copy(KERAS, "~/own.keras")
    assert run("inspect", "~/own.keras").out.startswith("~/own.keras\n")


WIDER = [
    ("*kernel", "**kernel"),
    ("head*", "head**"),
    ("*/lstm_cell/bias", "**/lstm_cell/bias"),
    ("encoder/*", "encoder/**"),
]


@pytest.mark.parametrize(("typed", "wide"), WIDER)
def test_a_star_that_does_not_reach_is_doubled(run, folder, typed, wide):
    ran = run("inspect", "a.keras", typed)
    assert ran.code == 2
    assert f"'*' does not match a '/': try '{wide}'" in ran.err
    assert run("inspect", "a.keras", wide).code == 0


def test_a_star_that_does_not_reach_is_doubled_in_dotted_names(run, tmp_path):
    safetensors.numpy.save_file({"encoder.layer.0.weight": np.zeros(3, "f4")}, tmp_path / "a.safetensors")
    ran = run("inspect", tmp_path / "a.safetensors", "*weight")
    assert "'*' does not match a '.': try '**weight'" in ran.err
    assert run("inspect", tmp_path / "a.safetensors", "**weight").code == 0


def test_a_glob_that_no_star_mends_gets_similar_names(run, folder):
    assert "Did you mean head" in run("inspect", "a.keras", "*hed*").err


def test_a_tensor_that_is_not_found_opens_no_other_file(folder, tmp_path):
    (folder / "notes.txt").write_text("not a checkpoint")
    ran = watch("show", folder / "a.keras", "no/such", trace=tmp_path / "trace")
    assert ran.code == 2
    assert not [path for path in ran.opened if path.endswith(("notes.txt", "b.keras"))]
