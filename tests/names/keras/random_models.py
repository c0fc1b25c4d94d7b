"""Random models of Keras 3: nested, with names that collide, layers frozen anywhere, custom layers, any optimizer.

Every weight is filled with its own number, so that a tensor of a file tells which weight it is, whatever it is called.
"""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np

from tests.names.keras.test_models import Block, Scale

L, O = keras.layers, keras.optimizers  # noqa: E741

NAMES = ("dense", "dense_1", "a", "kernel", "bias", "layers", "vars", "optimizer", "metrics", "lstm_cell",
         "inner", "forward_lstm", "sequential", "functional", "0", "seed_generator", "layer", "cell", "query",
         "model", "A_b")  # fmt: skip
OPTIMIZERS = ("Adam", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion", "AdamW", "Adafactor",
              "Lamb", "Muon", "ScheduleFreeAdamW")  # fmt: skip
FIRST_OF_OPTIMIZER = 1001


@keras.saving.register_keras_serializable("names")
class Own(keras.Model):
    """A functional model of a class of one's own."""


class Maker:
    """Makes the model of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def model(self) -> Any:
        kind = self.random.randrange(4)
        made = (
            self.sequential(4, 2) if kind == 0 else self.functional(4, 2, Own if kind == 1 else keras.Model, width=None)
        )
        if self.random.random() < 0.7:
            made.compile(self.optimizer(), "mse")
            if made.trainable_variables and self.random.random() < 0.8:
                made.optimizer.build(made.trainable_variables)
        for number, weight in enumerate(made.weights, 1):
            weight.assign(np.full(weight.shape, number))
        for number, state in enumerate(states(made), FIRST_OF_OPTIMIZER):
            state.assign(np.full(state.shape, number))
        return made

    def name(self, used: set[str]) -> dict[str, str]:
        name = self.random.choice(NAMES)
        if name in used or self.random.random() < 0.5:
            return {}
        used.add(name)
        return {"name": name}

    def sequential(self, width: int, depth: int, **options: str) -> Any:
        used: set[str] = set()
        made = keras.Sequential([keras.Input((width,))], **options)
        for _ in range(self.random.randint(1, 3)):
            made.add(self.layer(made.outputs[0].shape[-1] if made.layers else width, depth, used))
        return self.freeze(made)

    def functional(self, inputs: int, depth: int, cls: Any = keras.Model, *, width: int | None, **options: str) -> Any:
        used: set[str] = {"out"}
        x = keras.Input((inputs,))
        outputs = [x]
        for _ in range(self.random.randint(1, 3)):
            y = self.random.choice(outputs[-2:])
            turn = self.random.random()
            if turn < 0.1:
                y = y + 1.0
            elif turn < 0.4:
                y = L.Flatten()(self.over_time(L.Reshape((y.shape[-1], 1))(y), used, depth))
            else:
                y = self.layer(y.shape[-1], depth, used)(y)
            outputs += [y] if y.shape[-1] is not None else []
        joined = L.Concatenate()(outputs[1:]) if len(outputs) > 2 else outputs[-1]
        return self.freeze(cls(x, L.Dense(width or 2, name="out")(joined), **options))

    def layer(self, width: int, depth: int, used: set[str]) -> Any:
        """Return a layer for vectors of ``width``."""
        flip = self.random.random
        k = self.name(used)
        makers = [
            lambda: L.Dense(3, use_bias=flip() < 0.7, **k),
            lambda: L.BatchNormalization(center=flip() < 0.7, scale=flip() < 0.7, **k),
            lambda: L.LayerNormalization(center=flip() < 0.7, scale=flip() < 0.7, **k),
            lambda: L.Dropout(0.5, **k),
            lambda: L.PReLU(**k),
            lambda: Scale(**k),
            lambda: Block(3, **k),
            lambda: L.Normalization(axis=-1, **k),
            lambda: self.sequential(width, depth - 1, **k),
            lambda: self.functional(width, depth - 1, width=None, **k),
        ]
        return self.random.choice(makers if depth > 0 else makers[:-2])()

    def over_time(self, x: Any, used: set[str], depth: int) -> Any:
        """Return the output of a layer for sequences."""
        k, inner = self.name(used), self.name(set())
        makers = [
            lambda: L.LSTM(2, return_sequences=True, **k)(x),
            lambda: L.GRU(2, return_sequences=True, reset_after=False, **k)(x),
            lambda: L.Bidirectional(L.LSTM(2, return_sequences=True, **inner), **k)(x),
            lambda: L.TimeDistributed(L.Dense(3, **inner), **k)(x),
            lambda: L.TimeDistributed(self.sequential(1, depth - 1), **k)(x),
            lambda: L.Conv1D(2, 1, use_bias=self.random.random() < 0.7, **k)(x),
            lambda: L.RNN([L.LSTMCell(2, **inner), L.GRUCell(3), L.LSTMCell(2)], return_sequences=True, **k)(x),
            lambda: L.MultiHeadAttention(2, 2, **k)(x, x),
            lambda: L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", **k)(x),
        ]
        return self.random.choice(makers)()

    def freeze(self, made: Any) -> Any:
        """Freeze some layers, and some in them; thaw some again. As people do it: when they are built."""
        for layer in made.layers:
            if self.random.random() < 0.2:
                layer.trainable = False
            if getattr(layer, "layers", None) and self.random.random() < 0.2:
                self.random.choice(layer.layers).trainable = self.random.random() < 0.5
        return made

    def optimizer(self) -> Any:
        name, options = self.random.choice(OPTIMIZERS), {}
        options["use_ema"] = self.random.random() < 0.3
        rate = O.schedules.ExponentialDecay(0.1, 10, 0.9) if self.random.random() < 0.2 else 0.01
        if self.random.random() < 0.2:
            options["gradient_accumulation_steps"] = 2
        elif self.random.random() < 0.2:
            return O.LossScaleOptimizer(getattr(O, name)(rate, **options))
        return getattr(O, name)(rate, **options)


def states(model: Any) -> list[Any]:
    return list(model.optimizer.variables) if model.compiled else []


def chains(model: Any) -> dict[int, set[str]]:
    """Return by a weight's identity what it is called: the names of the layers around it, then its own."""
    found: dict[int, set[str]] = {}

    def visit(layer: Any, chain: tuple[str, ...]) -> None:
        for weight in (*layer._trainable_variables, *layer._non_trainable_variables):
            found.setdefault(id(weight), set()).add("/".join((*chain, weight.name)))
        for inner in layer._layers:
            inside = inner is getattr(layer, "_functional", None)
            visit(inner, chain if inside else (*chain, inner.name))

    visit(model, ())
    return found
