"""What a listing calls tensors, and which it keeps: by what Keras said of the model that was saved.

The model is that of fixtures/make/keras3.py: 16 weights, of which two moving statistics and the frozen layer's two are
not trained.
"""

import json

import pytest
from cases import FIXTURES

MODEL = FIXTURES / "keras3" / "model.keras"


def names(ran):
    return [tensor["variable"] for tensor in json.loads(ran.out)["tensors"]]


def test_a_role_is_kept(run):
    assert len(names(run("inspect", MODEL, "--role", "model", "--format", "json"))) == 16
    assert "head/kernel" not in run("inspect", MODEL, "--role", "bookkeeping").out


def test_frozen_and_trainable_are_told_apart_and_the_unknown_is_said(run):
    frozen = run("inspect", MODEL, "--frozen", "--role", "model", "--format", "json")
    assert names(frozen) == ["norm/moving_mean", "norm/moving_variance", "frozen/kernel", "frozen/bias"]
    assert frozen.err == ""
    trainable = run("inspect", MODEL, "--trainable", "--format", "json")
    assert len(names(trainable)) == 12
    assert "does not say whether they are trainable" in trainable.err


def test_keys_are_shown_where_asked(run):
    assert "layers/dense_1/vars/0" in run("inspect", MODEL, "--names", "key").out
    both = run("inspect", MODEL, "head", "--names", "both").out
    assert "head/kernel" in both
    assert "layers/dense_1/vars/0" in both


@pytest.mark.parametrize("name", ["head/kernel", "head/kernel:0", "layers/dense_1/vars/0"])
def test_a_variable_is_shown_by_its_name(run, name):
    assert "layers/dense_1/vars/0" in run("show", MODEL, name).out


@pytest.mark.parametrize("other", ["model.weights.h5", "legacy.h5"])
def test_a_model_equals_itself_in_another_container(run, other):
    ran = run("diff", MODEL, FIXTURES / "keras3" / other, "both_ways", "encoder", "norm", "frozen", "head")
    assert ran.code == 0, ran.out
    assert ran.out.splitlines()[-1].startswith("same: 16 tensors, bit for bit")
