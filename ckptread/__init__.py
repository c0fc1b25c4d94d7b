"""Read TensorFlow, Keras and HDF5 checkpoints without rebuilding the model.

>>> import ckptread
>>> with ckptread.open("fixtures/tf_objects/ckpt-1") as checkpoint:  # doctest: +SKIP
...     checkpoint["dense/kernel"][:2]
"""

from ckptread.digests import Digest, digest
from ckptread.errors import (
    CheckpointError,
    DamagedFileError,
    TensorNotFoundError,
    UnknownFormatError,
    UnsafeFileError,
    UnsupportedError,
)
from ckptread.facts import LayerFact, ModelFacts
from ckptread.formats import locate
from ckptread.formats import open_checkpoint as open  # noqa: A004 - as in ckptread.open(path)
from ckptread.layers import Amount, LayerSummary, ModelSummary, ModelTotals, summarize
from ckptread.reader import Reader, Tensor
from ckptread.tensors import Extent, Finding, Region, TensorInfo

__version__ = "0.1.0"

__all__ = [
    "Amount",
    "CheckpointError",
    "DamagedFileError",
    "Digest",
    "Extent",
    "Finding",
    "LayerFact",
    "LayerSummary",
    "ModelFacts",
    "ModelSummary",
    "ModelTotals",
    "Reader",
    "Region",
    "Tensor",
    "TensorInfo",
    "TensorNotFoundError",
    "UnknownFormatError",
    "UnsafeFileError",
    "UnsupportedError",
    "digest",
    "locate",
    "open",
    "summarize",
]
