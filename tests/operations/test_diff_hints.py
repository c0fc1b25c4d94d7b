"""What diff says besides the differences: another order of weights, opaque elements, and layers that stay alone."""

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import ckptread
from tests.conformance.cases import FIXTURES


def legacy(path, layers):
    """Write an .h5 as Keras 2 does: lists of names by which it loads the weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, weights in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{name}:0".encode() for name in weights]
            for name in weights:
                group[f"{name}:0"] = np.full(3, len(name), "f4")
    return path


def notes_of(a, b, **options):
    return " ".join(ckptread.diff(a, b, **options).notes)


def test_weights_in_another_order_have_a_note_as_keras_loads_by_position(run, tmp_path):
    a = legacy(tmp_path / "a.h5", {"mid": ["d1/kernel", "d1/bias", "d2/kernel"], "head": ["kernel"]})
    b = legacy(tmp_path / "b.h5", {"mid": ["d2/kernel", "d1/kernel", "d1/bias"], "head": ["kernel"]})
    ran = run("diff", a, b)
    assert ran.code == 0
    assert "the weights of 'mid' are listed in another order: Keras loads them by position" in ran.err
    assert notes_of(a, a) == notes_of(a, FIXTURES / "keras3" / "model.keras") == ""


def test_layers_in_another_order_have_a_note(tmp_path):
    a = legacy(tmp_path / "a.h5", {"one": ["x"], "two": ["y"]})
    assert "the layers in another order" in notes_of(a, legacy(tmp_path / "b.h5", {"two": ["y"], "one": ["x"]}))


def test_a_model_whose_inner_layers_were_frozen_loads_in_another_order(tmp_path):
    keras = pytest.importorskip("tf_keras")
    for name in ("open", "frozen"):
        keras.utils.set_random_seed(0)
        dense = [keras.layers.Dense(5, name=each) for each in ("d1", "d2")]
        inner = keras.Sequential([keras.Input((5,)), *dense], name="inner")
        inner.layers[0].trainable = name == "open"
        keras.Sequential([keras.Input((5,)), inner], name="outer").save_weights(tmp_path / f"{name}.h5")
    assert "the weights of 'inner'" in notes_of(tmp_path / "open.h5", tmp_path / "frozen.h5")


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4"])
def test_opaque_elements_are_compared_as_what_the_other_file_says(tmp_path, dtype):
    values = np.array([[1, -2, 3], [0, 4, -5]]).astype(getattr(ml_dtypes, dtype))
    np.savez(tmp_path / "a.npz", w=values, v=values.T)
    np.savez(tmp_path / "c.npz", w=values, v=(values.T + values.T).astype(values.dtype))
    if dtype == "int4":  # not in safetensors
        pytest.importorskip("tensorflow")
        import tensorflow as tf

        variables = {"w": tf.constant(values), "v": tf.constant(values.T)}
        tf.raw_ops.SaveV2(prefix=str(tmp_path / "b"), tensor_names=list(variables), shape_and_slices=["", ""],
                          tensors=list(variables.values()))  # fmt: skip
        other = tmp_path / "b"
    else:
        other = tmp_path / "b.safetensors"
        save_file({"w": values, "v": np.ascontiguousarray(values.T)}, other)
    found = ckptread.diff(tmp_path / "a.npz", other)
    assert found.same
    assert [entry.status for entry in found.tensors] == ["same", "same"]
    assert f"compared as {dtype}" in " ".join(found.notes)
    assert ckptread.diff(other, tmp_path / "a.npz", match="content").same
    changed = [entry for entry in ckptread.diff(tmp_path / "c.npz", other).tensors if entry.differs]
    assert [entry.name for entry in changed] == ["v"]
    expected = np.abs(values.astype("f8") - (values + values).astype(values.dtype).astype("f8")).max()
    assert changed[0].change.max_abs == expected


def test_opaque_elements_that_may_be_of_two_dtypes_are_not_compared(tmp_path):
    one, other = (np.arange(3).astype(dtype) for dtype in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2))
    np.savez(tmp_path / "a.npz", one=one, other=other)
    save_file({"one": one, "other": other}, tmp_path / "b.safetensors")
    assert {e.status for e in ckptread.diff(tmp_path / "a.npz", tmp_path / "b.safetensors").tensors} == {
        "not-comparable"
    }


def test_layers_that_stay_alone_on_both_sides_have_a_hint(tmp_path):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(a, **{"dense/w": np.arange(6.0), "same": np.ones(2)})
    np.savez(b, **{"dense/k": np.arange(7.0), "same": np.ones(2)})
    assert "1 layer has tensors only in A and tensors only in B ('dense')" in notes_of(a, b)
    assert "--save-map" in notes_of(a, b)
    assert notes_of(a, b, save_map=tmp_path / "map.json") == notes_of(a, b, match=tmp_path / "map.json") == ""


def test_names_of_keras_1_pair_with_those_of_keras_2(tmp_path):
    rng = np.random.default_rng(0)
    kernel, bias, mean = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)
    with h5py.File(tmp_path / "theano.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense_1", b"bn"]
        for layer, weights in {"dense_1": {"W": kernel, "b": bias}, "bn": {"running_mean": mean}}.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}_{name}".encode() for name in weights]
            for name, values in weights.items():
                group[f"{layer}_{name}"] = values
    later = {"dense_1/kernel": kernel + 1, "dense_1/bias": bias + 1, "bn/moving_mean": mean + 1}
    np.savez(tmp_path / "later.npz", **later)
    found = ckptread.diff(tmp_path / "theano.h5", tmp_path / "later.npz").tensors
    assert {(e.a.name, e.b.name, e.by) for e in found} == {
        ("dense_1/W", "dense_1/kernel", "variable"), ("dense_1/b", "dense_1/bias", "variable"),
        ("bn/running_mean", "bn/moving_mean", "variable"),
    }  # fmt: skip
