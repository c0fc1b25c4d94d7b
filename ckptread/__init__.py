"""Read TensorFlow, Keras and HDF5 checkpoints without rebuilding the model.

>>> import ckptread
>>> with ckptread.open("fixtures/tf-object/ckpt-1") as checkpoint:
...     checkpoint["sequential/dense/kernel"].shape
(4, 2)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckptread.errors import CheckpointError as CheckpointError
    from ckptread.errors import DamagedFileError as DamagedFileError
    from ckptread.errors import TensorNotFoundError as TensorNotFoundError
    from ckptread.errors import UnknownFormatError as UnknownFormatError
    from ckptread.errors import UnsafeFileError as UnsafeFileError
    from ckptread.errors import UnsupportedError as UnsupportedError
    from ckptread.errors import UsageError as UsageError
    from ckptread.formats.locate import locate as locate
    from ckptread.formats.locate import open_checkpoint
    from ckptread.model import LayerFact as LayerFact
    from ckptread.model import ModelFacts as ModelFacts
    from ckptread.operations.assets import Asset as Asset
    from ckptread.operations.check.check import CheckedCheckpoint as CheckedCheckpoint
    from ckptread.operations.check.check import CheckResult as CheckResult
    from ckptread.operations.check.check import check as check
    from ckptread.operations.check.pair_rules import Offender as Offender
    from ckptread.operations.check.rule_checker import RuleResult as RuleResult
    from ckptread.operations.check.rules import Rule as Rule
    from ckptread.operations.convert.convert import convert as convert
    from ckptread.operations.convert.results import Conversion as Conversion
    from ckptread.operations.convert.results import ConvertedTensor as ConvertedTensor
    from ckptread.operations.convert.results import OmittedTensor as OmittedTensor
    from ckptread.operations.diff.compare_assets import AssetDifference as AssetDifference
    from ckptread.operations.diff.diff import ComparedCheckpoint as ComparedCheckpoint
    from ckptread.operations.diff.diff import Difference as Difference
    from ckptread.operations.diff.diff import diff as diff
    from ckptread.operations.diff.match.layouts import Arrangement as Arrangement
    from ckptread.operations.diff.tensor_difference import TensorDifference as TensorDifference
    from ckptread.operations.digest.digest import Digest as Digest
    from ckptread.operations.digest.digest import digest as digest
    from ckptread.operations.digest.listing import LineResult as LineResult
    from ckptread.operations.each_checkpoint import CheckpointResult as CheckpointResult
    from ckptread.operations.each_checkpoint import for_each_checkpoint as for_each_checkpoint
    from ckptread.operations.each_tensor import TensorResult as TensorResult
    from ckptread.operations.extract.extract import extract as extract
    from ckptread.operations.extract.written import Extraction as Extraction
    from ckptread.operations.extract.written import SkippedTensor as SkippedTensor
    from ckptread.operations.extract.written import WrittenTensor as WrittenTensor
    from ckptread.operations.history.follow_steps import GroupStatistics as GroupStatistics
    from ckptread.operations.history.follow_steps import StepStatistics as StepStatistics
    from ckptread.operations.history.history import History as History
    from ckptread.operations.history.history import history as history
    from ckptread.operations.history.steps import Step as Step
    from ckptread.operations.history.steps import find_checkpoints as find_checkpoints
    from ckptread.operations.inspect.inspect import Listing as Listing
    from ckptread.operations.inspect.inspect import inspect as inspect
    from ckptread.operations.inspect.layers import Amount as Amount
    from ckptread.operations.inspect.layers import LayerSummary as LayerSummary
    from ckptread.operations.inspect.layers import ModelSummary as ModelSummary
    from ckptread.operations.inspect.layers import ModelTotals as ModelTotals
    from ckptread.operations.inspect.layers import summarize as summarize
    from ckptread.operations.ls.ls import CheckpointList as CheckpointList
    from ckptread.operations.ls.ls import ListedCheckpoint as ListedCheckpoint
    from ckptread.operations.ls.ls import ls as ls
    from ckptread.operations.salvage.salvage import LostTensor as LostTensor
    from ckptread.operations.salvage.salvage import Salvage as Salvage
    from ckptread.operations.salvage.salvage import SavedTensor as SavedTensor
    from ckptread.operations.salvage.salvage import salvage as salvage
    from ckptread.operations.show.image import SavedImage as SavedImage
    from ckptread.operations.show.image import save_image as save_image
    from ckptread.operations.show.show import Quantile as Quantile
    from ckptread.operations.show.show import TensorSlice as TensorSlice
    from ckptread.operations.show.show import TensorStatistics as TensorStatistics
    from ckptread.operations.show.show import show as show
    from ckptread.operations.show.show import tensor_statistics
    from ckptread.operations.textconv.textconv import CheckpointText as CheckpointText
    from ckptread.operations.textconv.textconv import textconv as textconv
    from ckptread.operations.verify.verify import Verification as Verification
    from ckptread.operations.verify.verify import verify as verify
    from ckptread.reader import Reader as Reader
    from ckptread.reader import Tensor as Tensor
    from ckptread.tensors import Extent as Extent
    from ckptread.tensors import Finding as Finding
    from ckptread.tensors import Region as Region
    from ckptread.tensors import TensorInfo as TensorInfo
    from ckptread.values.difference import Change as Change
    from ckptread.values.difference import Tolerance as Tolerance

    open = open_checkpoint  # noqa: A001 - as in ckptread.open(path)
    statistics = tensor_statistics

__version__ = "0.1.0"

_MODULES = {
    "errors": ("CheckpointError", "DamagedFileError", "TensorNotFoundError", "UnknownFormatError", "UnsafeFileError",
               "UnsupportedError", "UsageError"),
    "formats.locate": ("locate", "open"),
    "model": ("LayerFact", "ModelFacts"),
    "operations.assets": ("Asset",),
    "operations.check.check": ("CheckResult", "CheckedCheckpoint", "check"),
    "operations.check.pair_rules": ("Offender",),
    "operations.check.rule_checker": ("RuleResult",),
    "operations.check.rules": ("Rule",),
    "operations.convert.convert": ("convert",),
    "operations.convert.results": ("Conversion", "ConvertedTensor", "OmittedTensor"),
    "operations.diff.compare_assets": ("AssetDifference",),
    "operations.diff.diff": ("ComparedCheckpoint", "Difference", "diff"),
    "operations.diff.match.layouts": ("Arrangement",),
    "operations.diff.tensor_difference": ("TensorDifference",),
    "operations.digest.digest": ("Digest", "digest"),
    "operations.digest.listing": ("LineResult",),
    "operations.each_checkpoint": ("CheckpointResult", "for_each_checkpoint"),
    "operations.each_tensor": ("TensorResult",),
    "operations.extract.extract": ("extract",),
    "operations.extract.written": ("Extraction", "SkippedTensor", "WrittenTensor"),
    "operations.history.follow_steps": ("GroupStatistics", "StepStatistics"),
    "operations.history.history": ("History", "history"),
    "operations.history.steps": ("Step", "find_checkpoints"),
    "operations.inspect.inspect": ("Listing", "inspect"),
    "operations.inspect.layers": ("Amount", "LayerSummary", "ModelSummary", "ModelTotals", "summarize"),
    "operations.ls.ls": ("CheckpointList", "ListedCheckpoint", "ls"),
    "operations.salvage.salvage": ("LostTensor", "Salvage", "SavedTensor", "salvage"),
    "operations.show.image": ("SavedImage", "save_image"),
    "operations.show.show": ("Quantile", "TensorSlice", "TensorStatistics", "show", "statistics"),
    "operations.textconv.textconv": ("CheckpointText", "textconv"),
    "operations.verify.verify": ("Verification", "verify"),
    "reader": ("Reader", "Tensor"),
    "tensors": ("Extent", "Finding", "Region", "TensorInfo"),
    "values.difference": ("Change", "Tolerance"),
}  # fmt: skip
"""The public names, by the module that each is in. A name is imported when it is first used."""

_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_ELSEWHERE = {"open": "open_checkpoint", "statistics": "tensor_statistics"}
"""What a public name is called in its module, where it is not called so there."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a test holds it to what the type checker sees


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ckptread' has no attribute {name!r}")
    value = getattr(import_module(f"ckptread.{_HOMES[name]}"), _ELSEWHERE.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
