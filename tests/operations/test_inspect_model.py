"""``inspect --layers`` and ``--model``: the model is that of fixtures/make/keras3.py, as Keras printed its summary."""

import csv
import io
import json

import numpy as np

import ckptread
from tests.conformance.cases import FIXTURES, SHARED, needs_shared

MODEL = FIXTURES / "keras3" / "model.keras"
LAYERS = {
    "series": ("InputLayer", 0),
    "both_ways": ("Bidirectional", 80),
    "encoder": ("Sequential", 15),
    "norm": ("BatchNormalization", 12),
    "frozen": ("Dense", 8),
    "head": ("Dense", 3),
}
TOTALS = {"total": 328, "trained": 104, "frozen": 14, "optimizer": 210, "unknown": 0, "model": 118}


def test_layers_in_json(run):
    said = json.loads(run("inspect", MODEL, "--layers", "--format", "json").out)
    assert {row["name"]: (row["class_name"], row["weights"]["parameters"]) for row in said["layers"]} == LAYERS
    assert {name: amount["parameters"] for name, amount in said["totals"].items()} == TOTALS
    assert {name: amount["nbytes"] for name, amount in said["totals"].items()}["model"] == 118 * 4


def test_layers_as_a_table(run):
    lines = run("inspect", MODEL, "--layers").out.splitlines()
    assert [line.split() for line in lines if line.startswith("frozen ")] == [["frozen", "Dense", "8", "32", "B", "no"]]
    assert ["non-trainable", "14", "56", "B"] in [line.split() for line in lines]


def test_layers_as_csv_and_markdown(run):
    rows = list(csv.DictReader(io.StringIO(run("inspect", MODEL, "--layers", "--format", "csv").out)))
    assert [row["name"] for row in rows if row["row"] == "layer"] == list(LAYERS)
    assert {row["name"]: int(row["parameters"]) for row in rows if row["row"] == "total"}["optimizer"] == 210
    assert (
        "| `norm` | `BatchNormalization` | 12 | 48 | yes |"
        in run("inspect", MODEL, "--layers", "--format", "markdown").out
    )


def test_layers_of_what_was_asked_for(run):
    said = json.loads(run("inspect", MODEL, "head", "encoder", "--layers", "--depth", "2", "--format", "json").out)
    assert [row["name"] for row in said["layers"]] == ["encoder", "encoder/squeeze", "head"]
    assert said["totals"]["total"]["parameters"] == 18


def test_a_file_without_roles_has_its_paths_for_layers(run, tmp_path):
    """All of its tensors count: what torch calls blocks.0.attn.weight, and what has no path at all."""
    shapes = {"enc/a/kernel": (3, 2), "enc/a/bias": (2,), "blocks.0.attn.weight": (4, 4), "scale": (5,)}
    np.savez(tmp_path / "plain.npz", **{name: np.ones(shape, "f4") for name, shape in shapes.items()})
    said = json.loads(run("inspect", tmp_path / "plain.npz", "--layers", "--format", "json").out)
    rows = {row["name"]: row["weights"]["parameters"] for row in said["layers"]}
    assert rows == {"enc/a": 8, "blocks.0.attn": 16, "scale": 5}
    totals = {name: amount["parameters"] for name, amount in said["totals"].items()}
    assert totals == {"total": 29, "trained": 0, "frozen": 0, "optimizer": 0, "unknown": 29, "model": 29}
    assert "enc/a " in run("inspect", tmp_path / "plain.npz", "--layers").out
    part = json.loads(run("inspect", tmp_path / "plain.npz", "enc", "--layers", "--format", "json").out)
    assert [row["name"] for row in part["layers"]] == ["enc/a"]


def test_unknown_flags_are_said(run):
    out = run("inspect", FIXTURES / "keras3" / "model.weights.h5", "--layers").out
    assert ["unknown", "trainability", "112", "448", "B"] in [line.split() for line in out.splitlines()]


def test_the_model_in_json(run):
    model = json.loads(run("inspect", MODEL, "--model", "--format", "json").out)["model"]
    assert [layer["name"] for layer in model["layers"]] == list(LAYERS)
    assert (model["class_name"], model["input_shape"], model["optimizer"]) == ("Functional", "(None, 5, 2)", "Adam")
    assert (model["loss"], model["dtype_policy"], model["runs_code"]) == ("mse", "float32", [])


def test_the_model_for_people(run):
    out = run("inspect", MODEL, "--model").out
    assert 'Functional "demo"' in out
    assert "2 Dense" in out
    assert "custom objects        none" in out


def test_a_file_without_a_config_says_so(run):
    ran = run("inspect", FIXTURES / "keras3" / "model.weights.h5", "--model")
    assert ran.code == 0
    assert "has no model config" in ran.out
    said = json.loads(run("inspect", FIXTURES / "tf-object" / "ckpt-1", "--model", "--format", "json").out)
    assert said["model"] is None


@needs_shared
def test_code_is_warned_of(run):
    ran = run("inspect", SHARED / "bad-modelaudit-h5" / "malicious_lambda.h5", "--model")
    assert "Lambda" in ran.out
    assert "warning: not safe to load from a stranger: Lambda" in ran.err


def test_summarize_is_public():
    with ckptread.open(MODEL) as checkpoint:
        found = ckptread.summarize(checkpoint)
        assert checkpoint["head/kernel"].info.trainable is True
    assert found.totals.frozen.parameters == 14
