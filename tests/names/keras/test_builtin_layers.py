"""Every layer of the installed Keras is built and compared with the table; a class that is missing fails by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")


from ckptread.names.keras.layers import LAYERS, WEIGHTLESS
from tests.names.keras import formats
from tests.names.keras.agreement import disagreements, unordered_disagreements, weights_of

L = keras.layers
Build = Callable[[], Any]
Recipe = tuple[Build, tuple[tuple[int, ...], ...]]

SEQUENCE, IMAGE, VIDEO, VECTOR = (5, 4), (8, 8, 3), (6, 6, 6, 2), (4,)
TWO = (SEQUENCE, SEQUENCE)
CONVOLUTIONS = {"Conv1D": (9, 3), "Conv2D": IMAGE, "Conv3D": VIDEO,
                "Conv1DTranspose": (9, 3), "Conv2DTranspose": IMAGE, "Conv3DTranspose": VIDEO}  # fmt: skip


def quantized(build: Build, shape: tuple[int, ...], mode: str) -> Build:
    def make() -> Any:
        layer = build()
        layer.build((None, *shape))
        layer.quantize(mode)
        return layer

    return make


def einsum() -> Any:
    return L.EinsumDense("ab,bc->ac", 3, bias_axes="c")


RECIPES: dict[str, Recipe] = {
    "Dense": (lambda: L.Dense(3), (VECTOR,)),
    "Dense no bias": (lambda: L.Dense(3, use_bias=False), (VECTOR,)),
    "EinsumDense": (lambda: L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), (SEQUENCE,)),
    "EinsumDense no bias": (lambda: L.EinsumDense("abc,cd->abd", (None, 3)), (SEQUENCE,)),
    "Embedding": (lambda: L.Embedding(7, 3), (VECTOR,)),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(7, 3), (VECTOR,)),
    "ReversibleEmbedding untied": (lambda: L.ReversibleEmbedding(7, 3, tie_weights=False), (VECTOR,)),
    **{name: (lambda name=name: getattr(L, name)(3, 2), (shape,)) for name, shape in CONVOLUTIONS.items()},
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(2), ((9, 3),)),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(2, use_bias=False), (IMAGE,)),
    "SeparableConv1D": (lambda: L.SeparableConv1D(3, 2), ((9, 3),)),
    "SeparableConv2D": (lambda: L.SeparableConv2D(3, 2, use_bias=False), (IMAGE,)),
    "BatchNormalization": (L.BatchNormalization, (IMAGE,)),
    "BatchNormalization bare": (lambda: L.BatchNormalization(center=False, scale=False), (IMAGE,)),
    "BatchNormalization no scale": (lambda: L.BatchNormalization(scale=False), (IMAGE,)),
    "BatchNormalization renorm": (lambda: L.BatchNormalization(renorm=True), (IMAGE,)),
    "LayerNormalization": (L.LayerNormalization, (VECTOR,)),
    "LayerNormalization no scale": (lambda: L.LayerNormalization(scale=False), (VECTOR,)),
    "LayerNormalization no center": (lambda: L.LayerNormalization(center=False), (VECTOR,)),
    "GroupNormalization": (lambda: L.GroupNormalization(2), (VECTOR,)),
    "GroupNormalization no center": (lambda: L.GroupNormalization(2, center=False), (VECTOR,)),
    "RMSNormalization": (L.RMSNormalization, (VECTOR,)),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Dense(3)), (VECTOR,)),
    "SpectralNormalization convolution": (lambda: L.SpectralNormalization(L.Conv2D(3, 2, use_bias=False)), (IMAGE,)),
    "PReLU": (L.PReLU, (VECTOR,)),
    "Attention": (lambda: L.Attention(use_scale=True, score_mode="concat"), TWO),
    "Attention scale": (lambda: L.Attention(use_scale=True), TWO),
    "Attention concat": (lambda: L.Attention(score_mode="concat"), TWO),
    "AdditiveAttention": (L.AdditiveAttention, TWO),
    "MultiHeadAttention": (lambda: L.MultiHeadAttention(2, 3), TWO),
    "MultiHeadAttention gate": (lambda: L.MultiHeadAttention(2, 3, use_bias=False, use_gate=True), TWO),
    "GroupedQueryAttention": (lambda: L.GroupQueryAttention(4, 4, 2), TWO),
    "GroupedQueryAttention gate": (lambda: L.GroupQueryAttention(4, 4, 2, use_gate=True), TWO),
    "Normalization": (L.Normalization, (VECTOR,)),
    "Normalization given": (lambda: L.Normalization(mean=1.0, variance=2.0), (VECTOR,)),
    "STFTSpectrogram": (lambda: L.STFTSpectrogram(frame_length=16, frame_step=8, window=None), ((64, 1),)),
    "STFTSpectrogram real": (lambda: L.STFTSpectrogram("real", 16, 8, window=None), ((64, 1),)),
    "STFTSpectrogram imag": (lambda: L.STFTSpectrogram("imag", 16, 8, window=None), ((64, 1),)),
    "SimpleRNN": (lambda: L.SimpleRNN(3), (SEQUENCE,)),
    "GRU": (lambda: L.GRU(3), (SEQUENCE,)),
    "GRU reset before": (lambda: L.GRU(3, reset_after=False), (SEQUENCE,)),
    "LSTM": (lambda: L.LSTM(3), (SEQUENCE,)),
    "LSTM dropout": (lambda: L.LSTM(3, dropout=0.2, recurrent_dropout=0.2, use_bias=False), (SEQUENCE,)),
    "SimpleRNNCell": (lambda: L.RNN(L.SimpleRNNCell(3)), (SEQUENCE,)),
    "GRUCell": (lambda: L.RNN(L.GRUCell(3)), (SEQUENCE,)),
    "LSTMCell": (lambda: L.RNN(L.LSTMCell(3)), (SEQUENCE,)),
    "RNN": (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2), L.LSTMCell(3)]), (SEQUENCE,)),
    "StackedRNNCells": (lambda: L.RNN(L.StackedRNNCells([L.GRUCell(3), L.GRUCell(2)])), (SEQUENCE,)),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(3, 2), ((4, 9, 2),)),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(3, 2), ((4, 6, 6, 2),)),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(3, 2), ((3, 5, 5, 5, 2),)),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(3)), (SEQUENCE,)),
    "Bidirectional two": (lambda: L.Bidirectional(L.GRU(3), backward_layer=L.GRU(3, go_backwards=True)), (SEQUENCE,)),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3)), (SEQUENCE,)),
    "TimeDistributed model": (
        lambda: L.TimeDistributed(keras.Sequential([L.Dense(3), L.BatchNormalization()])), (SEQUENCE,)
    ),
    "Dense int8": (quantized(lambda: L.Dense(3), VECTOR, "int8"), (VECTOR,)),
    "Dense int4": (quantized(lambda: L.Dense(3), VECTOR, "int4"), (VECTOR,)),
    "Dense float8": (quantized(lambda: L.Dense(3), VECTOR, "float8"), (VECTOR,)),
    "Dense int8 no bias": (quantized(lambda: L.Dense(3, use_bias=False), VECTOR, "int8"), (VECTOR,)),
    "EinsumDense int8": (quantized(einsum, VECTOR, "int8"), (VECTOR,)),
    "EinsumDense int4": (quantized(einsum, VECTOR, "int4"), (VECTOR,)),
    "EinsumDense float8": (quantized(einsum, VECTOR, "float8"), (VECTOR,)),
    "Embedding int8": (quantized(lambda: L.Embedding(7, 3), VECTOR, "int8"), (VECTOR,)),
    "Embedding int4": (quantized(lambda: L.Embedding(7, 3), VECTOR, "int4"), (VECTOR,)),
    "ReversibleEmbedding int8": (quantized(lambda: L.ReversibleEmbedding(7, 3), VECTOR, "int8"), (VECTOR,)),
    "ReversibleEmbedding untied int8": (
        quantized(lambda: L.ReversibleEmbedding(7, 3, tie_weights=False), VECTOR, "int8"), (VECTOR,)
    ),
    "ReversibleEmbedding untied int4": (
        quantized(lambda: L.ReversibleEmbedding(7, 3, tie_weights=False), VECTOR, "int4"), (VECTOR,)
    ),
    "Pipeline": (lambda: L.Pipeline([L.Dense(3), L.BatchNormalization()]), (VECTOR,)),
}  # fmt: skip

ABSTRACT = {"Layer", "Wrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"}
"""Bases, and layers that hold another library's module."""

NAMED_BY_POSITION = {
    "Bidirectional",
    "TimeDistributed",
    "SpectralNormalization",
    "SimpleRNNCell",
    "GRUCell",
    "LSTMCell",
}
"""Wrappers: without a config, nothing says of which class the layer inside is."""
AMBIGUOUS = {
    "LayerNormalization no scale", "LayerNormalization no center", "GroupNormalization no center", "Attention scale",
    "Attention concat", "BatchNormalization no scale", "STFTSpectrogram real", "STFTSpectrogram imag",
    "Dense int4", "EinsumDense int4", "Embedding int4", "ReversibleEmbedding untied int8", "ReversibleEmbedding int4",
    "ReversibleEmbedding untied int4", "Dense int8 no bias", "Dense int8", "EinsumDense int8", "Embedding int8",
}  # fmt: skip
"""Without a config, the number of weights leaves open which ones they are: then no name is given."""


@cache
def model_of(name: str) -> Any:
    """A model with this layer, built once for all formats that it is saved in. Never change it."""
    keras.backend.clear_session()
    build, shapes = RECIPES[name]
    inputs = [keras.Input(shape) for shape in shapes]
    layer = build()
    return keras.Model(inputs, layer(inputs) if isinstance(layer, L.Attention) else layer(*inputs))


def builtin_classes() -> list[Any]:
    found = {c for c in vars(L).values() if inspect.isclass(c) and issubclass(c, keras.Layer)}
    return sorted(found, key=lambda c: str(c.__name__))


@pytest.mark.parametrize("name", RECIPES)
def test_a_layer_agrees_in_a_keras_archive(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    assert disagreements(formats.keras_archive(model, tmp_path), weights_of(model)) == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_layer_agrees_in_weights_h5(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    exempt = name.split()[0] in NAMED_BY_POSITION or name in AMBIGUOUS
    named = formats.weights_h5(model, tmp_path)
    assert unordered_disagreements(named, weights_of(model), names_required=not exempt) == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_layer_agrees_in_legacy_h5(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    if name != "Pipeline":  # its get_config lacks what the legacy writer asks for
        assert unordered_disagreements(formats.legacy_h5(model, tmp_path), weights_of(model)) == []


def test_every_builtin_layer_with_weights_is_in_the_table() -> None:
    """A class is in the table and has a recipe here, or it has no weights when it is built."""
    recipes = {name.split()[0] for name in RECIPES}
    known = set(LAYERS) | WEIGHTLESS | ABSTRACT | recipes
    missing = [c.__name__ for c in builtin_classes() if c.__name__ not in known and has_weights(c) is not False]
    assert missing == []
    assert sorted(set(LAYERS) - recipes - ABSTRACT - {"ConvLSTMCell"}) == []


@pytest.mark.parametrize("cls", builtin_classes(), ids=lambda c: str(c.__name__))
def test_a_layer_that_is_called_weightless_is(cls: Any) -> None:
    if cls.__name__ in WEIGHTLESS:
        assert has_weights(cls) in (False, None)


def has_weights(cls: Any) -> bool | None:
    """Whether a layer of default options has weights once it is called; None where it takes no such inputs."""
    layer = None
    for arguments in ((), (1,), ((2, 2),), (0.5,), (2, 2), (8, 8), (0.5, 0.5)):
        try:
            layer = cls(*arguments)
            break
        except Exception:
            continue
    for shape in ((8, 8, 3), (4,), (5, 4), (6, 6, 6, 2)):
        try:
            assert layer is not None
            layer(keras.Input(shape))
        except Exception:
            continue
        return bool(layer.weights)
    return None
