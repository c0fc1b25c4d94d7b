"""A trained Keras model converted to PyTorch's names and layouts is verified by content, in two formats."""

import json
import warnings

import numpy as np
import pytest

import ckptread

pytestmark = pytest.mark.keras
UNITS = 6


def build():
    from keras import Input, Model, layers

    given = Input((8, 8, 8, 3))
    frames = layers.TimeDistributed(layers.Conv2D(5, 3, name="conv_a"), name="frames_a")(given)
    frames = layers.TimeDistributed(layers.DepthwiseConv2D(3, depth_multiplier=2, name="depth"), name="frames_b")(
        frames
    )
    frames = layers.TimeDistributed(layers.BatchNormalization(name="norm"), name="frames_c")(frames)
    frames = layers.TimeDistributed(layers.GlobalAveragePooling2D(), name="pool")(frames)
    x = layers.Conv1D(7, 2, name="conv_time")(frames)
    x = layers.LSTM(UNITS, name="lstm")(x)
    x = layers.Dense(9, name="wide")(x)
    x = layers.Dense(9, name="square")(x)
    x = layers.Dense(9, name="square_two")(x)
    return Model(given, layers.Dense(4, name="head")(x))


def trained():
    keras = pytest.importorskip("keras")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras.utils.set_random_seed(7)
        model = build()
        model.compile("adam", "mse", run_eagerly=True)
        random = np.random.default_rng(0)
        for _ in range(3):
            model.train_on_batch(random.normal(size=(4, 8, 8, 8, 3)), random.normal(size=(4, 4)))
    return model


def gates(values):
    """From Keras' order of gates (i, f, c, o) to another: PyTorch has i, f, g, o, the ONNX form i, o, f, c."""
    i, f, c, o = np.split(values, 4, axis=-1)
    return np.concatenate([i, o, f, c], axis=-1)


def converted(model, wrong=()):
    """What a converter to PyTorch would write."""
    find = {w.path: np.asarray(w) for w in model.weights}

    def of(ending):
        (found,) = [value for path, value in find.items() if path.endswith(ending)]
        return found

    def dense(name):
        return of(f"{name}/kernel") if name in wrong else of(f"{name}/kernel").T

    torch = {
        "features.0.weight": of("conv_a/kernel").transpose(3, 2, 0, 1),
        "features.0.bias": of("conv_a/bias"),
        "features.1.weight": of("depth/kernel").transpose(2, 3, 0, 1).reshape(10, 1, 3, 3),
        "features.1.bias": of("depth/bias"),
        "features.2.weight": of("gamma"),
        "features.2.bias": of("beta"),
        "features.2.running_mean": of("moving_mean"),
        "features.2.running_var": of("moving_variance"),
        "features.2.num_batches_tracked": np.int64(3),
        "temporal.weight": of("conv_time/kernel").transpose(2, 1, 0),
        "temporal.bias": of("conv_time/bias"),
        "rnn.weight_ih_l0": gates(of("lstm_cell/kernel")).T,
        "rnn.weight_hh_l0": gates(of("lstm_cell/recurrent_kernel")).T,
        "rnn.bias_ih_l0": gates(of("lstm_cell/bias")),
        "rnn.bias_hh_l0": np.zeros(4 * UNITS, "float32"),
    }
    for number, name in enumerate(("wide", "square", "square_two", "head")):
        torch |= {f"fc{number}.weight": dense(name), f"fc{number}.bias": of(f"{name}/bias")}
    return {key: np.ascontiguousarray(value) for key, value in torch.items()}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conversion")
    found = trained()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.save(folder / "model.keras")
    return found, folder / "model.keras"


def written(tensors, folder, suffix):
    path = folder / f"model{suffix}"
    if suffix == ".npz":
        np.savez(path, **tensors)
    else:
        from safetensors.numpy import save_file

        save_file(tensors, path)
    return path


REORDERED = {"lstm/lstm_cell/kernel": "rnn.weight_ih_l0", "lstm/lstm_cell/recurrent_kernel": "rnn.weight_hh_l0",
             "lstm/lstm_cell/bias": "rnn.bias_ih_l0"}  # fmt: skip


def compared(run, *arguments):
    ran = run("diff", *arguments, "--role", "model", "--match", "content", "--format", "json")
    return ran.code, json.loads(ran.out)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_all_but_reordered_gates_are_matched(run, model, tmp_path, suffix):
    keras_model, path = model
    torch = converted(keras_model)
    code, found = compared(run, path, written(torch, tmp_path, suffix))
    assert code == 1
    paired = {entry["b"]: entry for entry in found["tensors"] if entry["a"] and entry["b"]}
    assert set(torch) - set(paired) == {*REORDERED.values(), "rnn.bias_hh_l0", "features.2.num_batches_tracked"}
    assert {entry["status"] for entry in paired.values()} == {"renamed", "transposed"}
    assert not any(entry["differs"] or entry["suspect"] for entry in paired.values())
    for key, entry in paired.items():
        with ckptread.open(str(path)) as reader:
            ours = reader[entry["a"]][...]
        if entry["axes"] is not None:
            ours = ours.reshape(entry["reshape"]).transpose(entry["axes"])
        assert ours.tobytes() == torch[key].tobytes()
    alone = {entry["a"] or entry["b"]: entry for entry in found["tensors"] if not (entry["a"] and entry["b"])}
    assert alone["rnn.bias_hh_l0"]["status"] == "added"
    removed = {entry["variable"]: entry["reason"] for entry in alone.values() if entry["status"] == "removed"}
    assert len(removed) == len(REORDERED)
    for name, theirs in REORDERED.items():
        (reason,) = [reason for variable, reason in removed.items() if variable.endswith(name)]
        assert theirs in reason
        assert "another order" in reason


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_wrongly_transposed_square_kernel_is_reported(run, model, tmp_path, suffix):
    keras_model, path = model
    other = written(converted(keras_model, wrong={"square"}), tmp_path, suffix)
    code, found = compared(run, path, other)
    assert code == 1
    assert [entry["variable"] for entry in found["tensors"] if entry["suspect"]] == ["square/kernel"]
    ran = run("diff", path, other, "--role", "model", "--match", "content")
    row = ran.out.partition("square/kernel ->")[2].splitlines()[:2]
    assert "wrongly transposed?" in " ".join(row)
    assert "1 wrongly transposed?" in ran.out.splitlines()[-1]


def test_a_fine_tuned_pair_goes_through_the_mapping_of_its_base(run, model, tmp_path):
    keras_model, path = model
    base = written(converted(keras_model), tmp_path, ".safetensors")
    mapping = tmp_path / "map.json"
    run("diff", path, base, "--role", "model", "--match", "content", "--save-map", mapping)
    assert run("diff", path, base, "--match", mapping, "head", "wide", "frames_b").code == 0
    tuned = converted(keras_model)
    tuned["fc3.weight"] = tuned["fc3.weight"] + np.float32(0.25)
    (tmp_path / "tuned").mkdir()
    other = written(tuned, tmp_path / "tuned", ".npz")
    ran = run("diff", path, other, "--match", mapping, "head/kernel", "--format", "json")
    (entry,) = json.loads(ran.out)["tensors"]
    assert (ran.code, entry["status"], entry["changed"], entry["matched_by"]) == (1, "changed", 36, "map")
    assert entry["max_abs"] == pytest.approx(0.25, rel=1e-6)


def test_sublayers_built_inside_call_are_paired_by_content(run, tmp_path):
    """TensorFlow's format has no names for the weights of layers that are made on the first call."""
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")

    @keras.saving.register_keras_serializable("conversion")
    class Late(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.one, self.two, self.three = (keras.layers.Dense(4) for _ in range(3))

        def call(self, x):
            return self.three(self.two(self.one(x)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = keras.Sequential([keras.Input((5,)), Late(), keras.layers.Dense(2)])
        for number, weight in enumerate(model.weights):
            weight.assign(np.random.default_rng(number).normal(size=weight.shape))
        prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "late"))
        model.save(tmp_path / "late.keras")
    torch = {f"late.{n}": np.ascontiguousarray(np.asarray(w).T) for n, w in enumerate(model.weights)}
    np.savez(tmp_path / "late.npz", **torch)
    ran = run("diff", prefix, tmp_path / "late.npz", "--match", "content", "--format", "json")
    found = json.loads(ran.out)["tensors"]
    paired = {entry["b"]: entry["axes"] for entry in found if entry["a"] and entry["b"]}
    assert set(paired) >= set(torch)
    ran = run("diff", prefix, tmp_path / "late.keras", "--exclude", "save_counter", "--exclude", "_CHECKPOINTABLE*")
    assert ran.code == 0, ran.out
