"""The table of Keras' built-in layers: their weights in the order of the file, and the layers inside them.

It is taken from keras/src/layers of Keras 3.15 (``build``, ``save_own_variables``, ``variable_serialization_spec``) and
tf_keras 2.21; tests build every layer of the installed Keras and compare. ``layer.weights`` lists the trainable ones
first, then the others, then those of the inner layers in the order given here.

``when`` is an option of the layer's config that must be true: ``use_bias``, ``!tie_weights``, ``score_mode=concat``,
``mean=null``; ``|`` and ``&`` join them. No config has ``blocks``: whether a 4-bit layer has a scale per block of
channels follows from the number of its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Kind = Literal["float", "int", "any"]


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """One variable that a layer owns."""

    name: str
    when: str = ""
    """The option it depends on; "" if it always exists."""
    ndim: int | None = None
    """The number of its dimensions; None if that varies."""
    trainable: bool = True
    """False if it is never trained, whatever the layer's flag."""
    kind: Kind = "float"
    shared: str = ""
    """The group of the inner layer that also stores this variable, or ""."""


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """One layer inside another, or a list of them."""

    groups: tuple[str, ...]
    """The names of its attribute, and so of its group in the file, in different versions of Keras."""
    config: str = ""
    """The key of its config in the outer one; "" if it has none and depends on the outer one."""
    class_name: str = ""
    """Its class, if it has no config of its own."""
    name: str = ""
    """Its name, if the file has none."""
    prefix: str = ""
    """The prefix that the outer layer adds to its name."""
    silent: bool = False
    """Whether the outer layer builds it without its name scope, so that its name is not in those of its variables."""


class Layer(msgspec.Struct, frozen=True):
    """A row of the table."""

    weights: tuple[Weight, ...] = ()
    inner: tuple[Inner, ...] = ()


def _row(*parts: Weight | Inner) -> Layer:
    weights = tuple(part for part in parts if isinstance(part, Weight))
    return Layer(weights, tuple(part for part in parts if isinstance(part, Inner)))


KERNEL = Weight(name="kernel")
BIAS = Weight(name="bias", when="use_bias")
RECURRENT = Weight(name="recurrent_kernel")
DEPTHWISE = Weight(name="depthwise_kernel")
POINTWISE = Weight(name="pointwise_kernel")
GAMMA, BETA = Weight(name="gamma", when="scale", ndim=1), Weight(name="beta", when="center", ndim=1)
EMBEDDINGS = Weight(name="embeddings", ndim=2)
REVERSE = Weight(name="reverse_embeddings", when="!tie_weights", ndim=2)
MEAN, VARIANCE = (
    Weight(name="moving_mean", ndim=1, trainable=False),
    Weight(name="moving_variance", ndim=1, trainable=False),
)

DENSE = _row(msgspec.structs.replace(KERNEL, ndim=2), msgspec.structs.replace(BIAS, ndim=1))
EINSUM = _row(KERNEL, Weight(name="bias", when="bias_axes"))
CONV = {n: _row(msgspec.structs.replace(KERNEL, ndim=n + 2), msgspec.structs.replace(BIAS, ndim=1)) for n in (1, 2, 3)}
SEPARABLE = {
    n: _row(msgspec.structs.replace(DEPTHWISE, ndim=n + 2), msgspec.structs.replace(POINTWISE, ndim=n + 2), BIAS)
    for n in (1, 2)
}
BATCH_NORMALIZATION = _row(
    GAMMA, BETA, MEAN, VARIANCE,
    *(Weight(name=name, when="renorm", ndim=1, trainable=False) for name in ("moving_stddev", "renorm_mean",
        "renorm_stddev")),
)  # fmt: skip
RNN_CELL = _row(msgspec.structs.replace(KERNEL, ndim=2), msgspec.structs.replace(RECURRENT, ndim=2), BIAS)
CONV_CELL = _row(KERNEL, RECURRENT, msgspec.structs.replace(BIAS, ndim=1))
WRAPPER = _row(Inner(groups=("layer",), config="layer"))
ATTENTION_INNER = (
    Inner(groups=("query_dense", "_query_dense"), class_name="EinsumDense", name="query"),
    Inner(groups=("key_dense", "_key_dense"), class_name="EinsumDense", name="key"),
    Inner(groups=("gate_dense", "_gate_dense"), class_name="EinsumDense", name="gate"),
    Inner(groups=("value_dense", "_value_dense"), class_name="EinsumDense", name="value"),
    Inner(groups=("output_dense", "_output_dense"), class_name="EinsumDense", name="attention_output"),
)


def _recurrent(cell: str, name: str, *, silent: bool = False) -> Layer:
    return _row(Inner(groups=("cell",), class_name=cell, name=name, silent=silent))


LAYERS: Mapping[str, Layer] = {
    "Dense": DENSE,
    "EinsumDense": EINSUM,
    "Embedding": _row(EMBEDDINGS),
    "ReversibleEmbedding": _row(EMBEDDINGS, REVERSE),
    "Conv1D": CONV[1], "Conv2D": CONV[2], "Conv3D": CONV[3],
    "Conv1DTranspose": CONV[1], "Conv2DTranspose": CONV[2], "Conv3DTranspose": CONV[3],
    "DepthwiseConv1D": CONV[1], "DepthwiseConv2D": CONV[2],
    "SeparableConv1D": SEPARABLE[1], "SeparableConv2D": SEPARABLE[2],
    "BatchNormalization": BATCH_NORMALIZATION,
    "LayerNormalization": _row(Weight(name="gamma", when="scale|rms_scaling"),
        Weight(name="beta", when="center&!rms_scaling")),
    "GroupNormalization": _row(GAMMA, BETA),
    "RMSNormalization": _row(Weight(name="scale")),
    "SpectralNormalization": _row(
        Weight(name="", shared="layer"), Weight(name="vector_u", ndim=2, trainable=False),
            Inner(groups=("layer",), config="layer")
    ),
    "PReLU": _row(Weight(name="alpha")),
    "Attention": _row(Weight(name="scale", when="use_scale", ndim=0),
        Weight(name="concat_score_weight", when="score_mode=concat", ndim=0)),
    "AdditiveAttention": _row(Weight(name="scale", when="use_scale", ndim=1)),
    "MultiHeadAttention": _row(*ATTENTION_INNER),
    "GroupedQueryAttention": _row(*ATTENTION_INNER),
    "Normalization": _row(
        Weight(name="mean", when="mean=null", trainable=False),
        Weight(name="variance", when="mean=null", trainable=False),
        Weight(name="count", when="mean=null", ndim=0, trainable=False, kind="any"),
    ),
    "STFTSpectrogram": _row(Weight(name="real_kernel", when="mode!=imag", ndim=3),
        Weight(name="imag_kernel", when="mode!=real", ndim=3)),
    "SimpleRNNCell": RNN_CELL, "GRUCell": RNN_CELL, "LSTMCell": RNN_CELL, "ConvLSTMCell": CONV_CELL,
    "SimpleRNN": _recurrent("SimpleRNNCell", "simple_rnn_cell"),
    "GRU": _recurrent("GRUCell", "gru_cell"),
    "LSTM": _recurrent("LSTMCell", "lstm_cell"),
    "ConvLSTM1D": _recurrent("ConvLSTMCell", "conv_lstm_cell"),
    "ConvLSTM2D": _recurrent("ConvLSTMCell", "conv_lstm_cell"),
    "ConvLSTM3D": _recurrent("ConvLSTMCell", "conv_lstm_cell"),
    "RNN": _row(Inner(groups=("cell",), config="cell")),
    "StackedRNNCells": _row(Inner(groups=("cells",), config="cells")),
    "Bidirectional": _row(
        Inner(groups=("forward_layer",), config="layer", prefix="forward_"),
        Inner(groups=("backward_layer",), config="backward_layer|layer", prefix="backward_"),
    ),
    "TimeDistributed": WRAPPER,
    "Pipeline": _row(Inner(groups=("layers", "_pipeline_layers"), config="layers")),
    "Wrapper": WRAPPER,
}  # fmt: skip
"""Every layer of Keras 3 that has weights, by class."""

EXPORTED_AS = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Class names in config.json that differ from those in the code, which the groups of the file use."""

LAYERS_KERAS_2: Mapping[str, Layer] = {
    **LAYERS,
    "DepthwiseConv1D": _row(msgspec.structs.replace(DEPTHWISE, ndim=4), msgspec.structs.replace(BIAS, ndim=1)),
    "DepthwiseConv2D": _row(msgspec.structs.replace(DEPTHWISE, ndim=4), msgspec.structs.replace(BIAS, ndim=1)),
    "ConvLSTM1D": _recurrent("ConvLSTMCell", "conv_lstm_cell", silent=True),
    "ConvLSTM2D": _recurrent("ConvLSTMCell", "conv_lstm_cell", silent=True),
    "ConvLSTM3D": _recurrent("ConvLSTMCell", "conv_lstm_cell", silent=True),
    "TimeDistributed": _row(Inner(groups=("layer",), config="layer", silent=True)),
    "SyncBatchNormalization": BATCH_NORMALIZATION,
    "LocallyConnected1D": _row(KERNEL, BIAS),
    "LocallyConnected2D": _row(KERNEL, BIAS),
}
"""The same for Keras 2."""

WEIGHTLESS = frozenset((
    "Activation", "ActivityRegularization", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "Add",
    "AlphaDropout", "Average", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "CategoryEncoding",
    "CenterCrop", "Concatenate", "Cropping1D", "Cropping2D", "Cropping3D", "Discretization", "Dot", "Dropout",
    "ELU", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    "HashedCrossing", "Hashing", "Identity", "InputLayer", "IntegerLookup", "Lambda", "LeakyReLU", "Masking",
    "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum", "MelSpectrogram", "Minimum", "Multiply",
    "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing", "Softmax", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "StringLookup", "Subtract", "TextVectorization", "ThresholdedReLU",
    "UnitNormalization", "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D",
    "ZeroPadding3D",
))  # fmt: skip
"""Built-in layers that never have weights."""

INT_KERNEL = Weight(name="kernel", trainable=False, kind="int")
KERNEL_SCALE = Weight(name="kernel_scale", trainable=False)
SUB_CHANNEL = (
    Weight(name="kernel_zero", when="blocks", trainable=False, kind="any"),
    Weight(name="g_idx", when="blocks", trainable=False),
)
PACKED = (
    BIAS,
    Weight(name="quantized_kernel", trainable=False, kind="int"),
    KERNEL_SCALE,
    Weight(name="kernel_zero", trainable=False, kind="any"),
)
INT_EMBEDDINGS = Weight(name="embeddings", ndim=2, trainable=False, kind="int")
EMBEDDINGS_SCALE = Weight(name="embeddings_scale", trainable=False)
INT_REVERSE = (
    Weight(name="reverse_embeddings", when="!tie_weights", ndim=2, trainable=False, kind="int"),
    Weight(name="reverse_embeddings_scale", when="!tie_weights", trainable=False),
)

_DENSE_MODES: Mapping[str, tuple[Weight, ...]] = {
    "int8": (INT_KERNEL, BIAS, KERNEL_SCALE),
    "int4": (INT_KERNEL, BIAS, KERNEL_SCALE, *SUB_CHANNEL),
    "float8": (
        KERNEL, BIAS, Weight(name="inputs_scale", ndim=0), Weight(name="inputs_amax_history", ndim=1),
        Weight(name="kernel_scale", ndim=0), Weight(name="kernel_amax_history", ndim=1),
        Weight(name="outputs_grad_scale", ndim=0), Weight(name="outputs_grad_amax_history", ndim=1),
    ),
    "gptq": (*PACKED, Weight(name="g_idx", trainable=False)),
    "awq": (*PACKED, Weight(name="awq_scales", trainable=False), Weight(name="g_idx", trainable=False)),
}  # fmt: skip
_EMBEDDING_INT4 = (
    INT_EMBEDDINGS,
    EMBEDDINGS_SCALE,
    Weight(name="embeddings_zero", when="blocks", trainable=False, kind="any"),
    Weight(name="g_idx", when="blocks", trainable=False),
)

QUANTIZED: Mapping[str, Mapping[str, tuple[Weight, ...]]] = {
    "Dense": _DENSE_MODES,
    "EinsumDense": {
        mode: tuple(EINSUM.weights[1] if weight is BIAS else weight for weight in weights)
        for mode, weights in _DENSE_MODES.items()
    },
    "Embedding": {"int8": (INT_EMBEDDINGS, EMBEDDINGS_SCALE), "int4": _EMBEDDING_INT4},
    "ReversibleEmbedding": {
        "int8": (INT_EMBEDDINGS, EMBEDDINGS_SCALE, *INT_REVERSE),
        "int4": (
            *_EMBEDDING_INT4, *INT_REVERSE,
            Weight(name="reverse_embeddings_zero", when="blocks&!tie_weights", trainable=False, kind="any"),
        ),
    },
}  # fmt: skip
"""The weights of a quantized layer, by class and mode (Keras 3.3 and later)."""

METRICS = frozenset((
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalHinge", "ConcordanceCorrelation", "CosineSimilarity", "F1Score",
    "FBetaScore", "FalseNegatives", "FalsePositives", "Hinge", "IoU", "KLDivergence", "LogCoshError", "Mean",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU", "MeanMetricWrapper", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "MeanTensor", "OneHotIoU", "OneHotMeanIoU", "PearsonCorrelation", "Poisson",
    "Precision", "PrecisionAtRecall", "R2Score", "Recall", "RecallAtPrecision", "RootMeanSquaredError",
    "SensitivityAtSpecificity", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity", "SquaredHinge", "Sum",
    "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives",
))  # fmt: skip
"""Keras' metrics: a group of this class in a container is not part of the model."""
