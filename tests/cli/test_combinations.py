"""What options mean together, and what is refused rather than dropped in silence."""

import csv
import io

import pytest

from tests.conftest import ARRAYS

VIEWS = ["--stats", "--tree", "--layers", "--model", "--depth=1", "--sort=name", "--names=key", "--names=both"]
TOGETHER = {
    ("--stats", "--sort=name"), ("--stats", "--names=key"), ("--stats", "--names=both"), ("--tree", "--depth=1"),
    ("--tree", "--sort=name"), ("--tree", "--names=key"), ("--layers", "--model"), ("--layers", "--depth=1"),
    ("--depth=1", "--sort=name"), ("--depth=1", "--names=key"), ("--sort=name", "--names=key"),
    ("--sort=name", "--names=both"), ("--names=key", "--names=both"),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [(a, b) for n, a in enumerate(VIEWS) for b in VIEWS[n + 1 :]])
def test_options_of_inspect_go_together_or_are_refused(run, checkpoint, one, other):
    for options in ([one, other], [other, one]):
        ran = run("inspect", checkpoint, *options)
        if (one, other) in TOGETHER:
            assert ran.code == 0
        else:
            assert (ran.code, ran.out) == (2, "")
            assert "do not go together" in ran.err
            assert one.split("=")[0] in ran.err
            assert other.split("=")[0] in ran.err


def test_a_model_with_its_layers_takes_a_depth(run, checkpoint):
    assert run("inspect", checkpoint, "--layers", "--model", "--depth", "2").code == 0


@pytest.mark.parametrize("option", [["--format", "json"], ["--format", "csv"], ["--layers"]])
def test_a_quiet_diff_prints_in_no_layout(run, checkpoint, option):
    ran = run("diff", checkpoint, checkpoint, "-q", *option)
    assert (ran.code, ran.out) == (2, "")
    assert f"--quiet and {option[0]} do not go together" in ran.err


@pytest.mark.parametrize("command", [
    ["diff", "CKPT", "CKPT", "--brief", "--format", "json"],
    ["diff", "CKPT", "CKPT", "--brief", "--format", "csv"],
    ["diff", "CKPT", "CKPT", "--brief", "--layers"],
    ["diff", "CKPT", "CKPT", "--brief", "--quiet"],
    ["diff", "CKPT", "CKPT", "--layers", "--depth", "1"],
    ["verify", "CKPT", "-q", "--format", "json"],
    ["inspect", "CKPT", "dense/kernel", "--model"],
    ["inspect", "CKPT", "--model", "--exclude", "dense"],
    ["inspect", "CKPT", "--model", "--role", "model"],
    ["inspect", "CKPT", "--tree", "--format", "json"],
    ["digest", "CKPT", "-q"],
    ["history", "CKPT", "--by", "tensor", "--pattern", "dense"],
], ids=" ".join)  # fmt: skip
def test_what_would_be_dropped_in_silence_is_refused(run, checkpoint, command):
    ran = run(*(checkpoint if part == "CKPT" else part for part in command))
    assert (ran.code, ran.out) == (2, "")
    assert "do not go together" in ran.err or "--quiet is for --check" in ran.err


def test_patterns_choose_the_layers_beside_a_model(run, checkpoint):
    assert run("inspect", checkpoint, "dense/kernel", "--layers", "--model").code == 0


@pytest.mark.parametrize("layout", ["csv", "markdown"])
def test_show_writes_a_page_or_json(run, checkpoint, layout):
    ran = run("show", checkpoint, "dense/kernel", "--format", layout)
    assert (ran.code, ran.out) == (2, "")
    assert "'table', 'json'" in ran.err


@pytest.mark.parametrize("option", ["--rtol", "--atol", "-p", "-d"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_tolerance_is_a_finite_number(run, checkpoint, option, value):
    ran = run("diff", checkpoint, checkpoint, option, value)
    assert (ran.code, ran.out) == (2, "")
    assert "Invalid value for" in ran.err


def test_another_way_of_matching_is_refused_with_those_that_there_are(run, checkpoint):
    ran = run("diff", checkpoint, checkpoint, "--match", "contents")
    assert (ran.code, ran.out) == (2, "")
    assert "'contents' is neither a way of matching (auto, key, variable, content) nor a file" in ran.err
    assert "(auto, key, variable, content) nor a file" in ran.err


def test_a_mapping_is_not_written_to_a_file_called_dash(run, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run("diff", checkpoint, checkpoint, "--save-map", "-")
    assert (ran.code, ran.out) == (2, "")
    assert not (tmp_path / "-").exists()


def test_a_tree_for_machines_has_whole_paths_and_plain_numbers(run, checkpoint):
    rows = list(csv.DictReader(io.StringIO(run("inspect", checkpoint, "--tree", "--format", "csv").out)))
    tensors = {row["name"]: row for row in rows if row["dtype"]}
    assert {name: (row["parameters"], row["bytes"]) for name, row in tensors.items()} == {
        name: (str(array.size), str(array.nbytes)) for name, array in ARRAYS.items()
    }
    branches = {row["name"]: (row["parameters"], row["bytes"]) for row in rows if not row["dtype"]}
    assert branches == {"dense": ("8", "32"), "head": ("4", "16")}
    markdown = run("inspect", checkpoint, "--tree", "--format", "markdown").out
    assert "| `dense/kernel` | float32 | (3, 2) | 6 | 24 |" in markdown


@pytest.mark.parametrize("options", [("--trainable", "--frozen"), ("--frozen", "--trainable")])
def test_a_tensor_cannot_be_both_trainable_and_frozen(run, checkpoint, options):
    for command in (["inspect", checkpoint], ["diff", checkpoint, checkpoint]):
        ran = run(*command, *options)
        assert (ran.code, ran.out) == (2, "")
        assert "--trainable and --frozen do not go together" in ran.err
