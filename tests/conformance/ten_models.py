"""Ten models of Keras 3, trained where they are compiled, each written in five formats.

The fixture ``ten_models`` (conftest.py) writes them once for all tests: ``ten_models["nested"][".keras"]`` is a path.
"""

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORMATS = (".keras", ".weights.h5", ".h5", "checkpoint", "saved-model")

Paths = dict[str, dict[str, str]]


def write_all(folder: Path) -> Paths:
    """Build, train and write all ten; return the path of each, by model and format."""
    import keras

    found = {}
    with warnings.catch_warnings():  # Keras and TensorFlow warn of each other and of themselves
        warnings.simplefilter("ignore")
        for name, build in MODELS.items():
            keras.utils.set_random_seed(len(found))
            keras.backend.clear_session()
            model = build()
            stir(model)
            found[name] = write(model, folder / name)
    age(folder)
    return found


def age(folder: Path) -> None:
    """Date every file an hour back: of a file that changed just now, digest and verify say so."""
    an_hour_ago = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (an_hour_ago, an_hour_ago))


def write(model: Any, folder: Path) -> dict[str, str]:
    """Write a model in all five formats; return the paths."""
    import tensorflow as tf

    folder.mkdir(parents=True)
    files = {suffix: str(folder / f"model{suffix}") for suffix in FORMATS[:3]}
    model.save(files[".keras"])
    model.save_weights(files[".weights.h5"])
    model.save(files[".h5"])
    prefix = tf.train.Checkpoint(model=model).save(str(folder / "checkpoint" / "ckpt"))
    tf.saved_model.save(model, str(folder / "saved-model"))
    return {**files, "checkpoint": prefix, "saved-model": str(folder / "saved-model")}


def stir(model: Any) -> None:
    """Make every weight of the model differ from every other, as after long training."""
    import numpy as np

    random = np.random.default_rng(len(model.weights))
    for weight in model.weights:
        value = weight.numpy()
        if value.dtype.kind == "f" and value.size:
            weight.assign(value + random.uniform(0.01, 0.1, value.shape).astype(value.dtype))


def trained(model: Any, optimizer: Any, *, kind: str = "float32") -> Any:
    """Compile a model, and train it two steps."""
    import numpy as np

    model.compile(optimizer, "mse", metrics=["mae"], run_eagerly=True)
    random = np.random.default_rng(0)
    shapes = [(4, *tensor.shape[1:]) for tensor in model.inputs]
    inputs = [random.uniform(0, 3, shape).astype(kind) for shape in shapes]
    wanted = random.uniform(0, 1, (4, *model.outputs[0].shape[1:])).astype("float32")
    for _ in range(2):
        model.train_on_batch(inputs[0], wanted)
    return model


def dropout() -> Any:
    """Uncompiled: no optimizer, no metric."""
    from keras import Input, Sequential, layers

    return Sequential([Input((6,)), layers.Dense(5), layers.Dropout(0.5), layers.Dense(3)])


def convolution() -> Any:
    """BatchNormalization, and convolutions of four kinds."""
    from keras import Input, Sequential, layers

    return trained(
        Sequential(
            [
                Input((8, 8, 3)),
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
                layers.DepthwiseConv2D(3),
                layers.SeparableConv2D(5, 2),
                layers.Conv2DTranspose(3, 2),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2),
            ]
        ),
        "adam",
    )


def normalization() -> Any:
    """Normalization has adapted weights, which are no parameters."""
    import numpy as np
    from keras import Input, Sequential, layers

    first = layers.Normalization()
    first.adapt(np.arange(24.0).reshape(6, 4))
    return trained(Sequential([Input((4,)), first, layers.Dense(3), layers.LayerNormalization()]), "rmsprop")


def frozen() -> Any:
    """A frozen backbone below a head that learns."""
    from keras import Input, Model, Sequential, layers

    backbone = Sequential([layers.Dense(6), layers.BatchNormalization(), layers.Dense(5)], name="backbone")
    backbone.trainable = False
    given = Input((4,))
    return trained(Model(given, layers.Dense(2, name="head")(backbone(given))), "adam")


def nested() -> Any:
    """Models in models, one of them used twice."""
    from keras import Input, Model, Sequential, layers

    inner = Sequential([layers.Dense(4), layers.BatchNormalization()], name="inner")
    outer = Sequential([inner, layers.Dense(4, name="mine")], name="outer")
    given = Input((4,))
    return trained(Model(given, layers.Dense(2)(outer(given) + inner(given))), "sgd")


def mixed_precision() -> Any:
    """Computes in float16, keeps its variables in float32; the optimizer scales the loss."""
    from keras import Input, Sequential, layers, mixed_precision

    mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = Sequential([Input((6,)), layers.Dense(5), layers.Dense(3, dtype="float32")])
        return trained(model, "adam")
    finally:
        mixed_precision.set_dtype_policy("float32")


def ema() -> Any:
    """The optimizer keeps a moving average of every weight."""
    from keras import Input, Sequential, layers, optimizers

    model = Sequential([Input((6,)), layers.Dense(5), layers.Dense(3)])
    return trained(model, optimizers.Adam(use_ema=True, ema_momentum=0.9))


def loss_scale() -> Any:
    """An optimizer around another."""
    from keras import Input, Sequential, layers, optimizers

    model = Sequential([Input((6,)), layers.Dense(4), layers.PReLU(), layers.Dense(2)])
    return trained(model, optimizers.LossScaleOptimizer(optimizers.SGD(momentum=0.9), initial_scale=64.0))


def recurrent() -> Any:
    """Uncompiled; cells within wrappers."""
    from keras import Input, Sequential, layers

    cells = [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(4), layers.Dense(2)]
    return Sequential([Input((5, 6)), layers.Dense(3), *cells])


def attention() -> Any:
    """Embeddings, attention, and a residual."""
    from keras import Input, Model, layers

    given = Input((5,), dtype="int32")
    x = layers.Embedding(7, 6)(given)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 3)(x, x))
    return trained(Model(given, layers.Dense(2)(layers.Flatten()(x))), "adamw", kind="int32")


MODELS: dict[str, Callable[[], Any]] = {
    build.__name__: build
    for build in (
        dropout, convolution, normalization, frozen, nested, mixed_precision, ema, loss_scale, recurrent, attention,
    )
}  # fmt: skip
