"""The weights manifest: groups of files, and the weights that are in the files of each, one after another."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, TypeGuard

import msgspec

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.limits import JSON_BYTES, MAX_ENTRIES, MAX_KEY_BYTES, MAX_RANK, MAX_SHARD_FILES, MAX_STRINGS
from ckptread.storage.small_files import read_small_file
from ckptread.storage.source import Storage
from ckptread.tensors import ITEM_BYTES, element_count, shape_problem
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json, is_plain_text
from ckptread.wording import quoted

ADVICE = "download it again"
STRING = "string"
DTYPES = ("float32", "float16", "int32", "uint16", "uint8", "bool", "complex64", STRING)
"""What the format names; numpy has the same names."""
QUANTIZED = {"uint8": ("float32", "int32"), "uint16": ("float32", "int32"), "float16": ("float32",)}
"""What may be stored in place of which dtypes."""
WIDEST = 3e38
"""Factors beyond it are beyond float32."""


class Quantization(msgspec.Struct, frozen=True):
    """How values are stored in fewer bits: ``stored * scale + min``; float16 is only widened."""

    dtype: str
    scale: float = 1.0
    min: float = 0.0

    def __str__(self) -> str:
        return self.dtype if self.dtype == "float16" else f"{self.dtype}, times {self.scale:g}, plus {self.min:g}"


class ManifestWeight(msgspec.Struct, frozen=True, kw_only=True):
    """A weight as the manifest describes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    group: Literal["model", "optimizer"] | None = None
    problem: str | None = None
    """Why its values cannot be read; then its size is unknown too."""

    @property
    def stored(self) -> str:
        """The dtype of the bytes in the file."""
        return self.dtype if self.quantization is None else self.quantization.dtype

    @property
    def nbytes(self) -> int | None:
        """The bytes in the file; None where only the file has their number (strings), or they are unknown."""
        if self.problem is not None or self.dtype == STRING:
            return None
        return element_count(self.shape) * ITEM_BYTES[self.stored]


class WeightGroup(msgspec.Struct, frozen=True):
    """Files that are joined end to end, and the weights in them, in their order."""

    paths: tuple[str, ...]
    weights: tuple[ManifestWeight, ...]


def read_document(storage: Storage, name: str) -> Any:
    """Return the JSON of a model. Raises DamagedFileError for other bytes, UnsafeFileError where it is too large."""
    data = read_small_file(storage, name, JSON_BYTES, "a model.json")
    try:
        return bounded_json(data, unique=True)
    except Malformed as error:
        raise DamagedFileError(storage.address(name), error.problem, advice=ADVICE) from error


def _groups_of(document: Any) -> list[dict[str, Any]]:
    """Return the groups of a model's manifest, or of a manifest alone; those that have both lists."""
    found = document.get("weightsManifest") if isinstance(document, dict) else document
    groups = found if isinstance(found, list) else []
    return [g for g in groups if isinstance(g, dict) and all(isinstance(g.get(k), list) for k in ("paths", "weights"))]


def list_weight_files(document: Any) -> list[str]:
    """Return the files that a manifest names, each once."""
    return list(dict.fromkeys(str(path) for group in _groups_of(document) for path in group["paths"]))


def read_groups(path: str, document: Any) -> list[WeightGroup]:
    """Return the groups of the model at ``path``.

    Raises DamagedFileError where it has none or a weight has no valid description, UnsafeFileError beyond the limits.
    """
    found = _groups_of(document)
    if not found:
        raise DamagedFileError(path, "it has no weightsManifest with paths and weights", advice=ADVICE)
    count, files = sum(len(group["weights"]) for group in found), sum(len(group["paths"]) for group in found)
    if count > MAX_ENTRIES or files > MAX_SHARD_FILES:
        raise UnsafeFileError(path, f"it lists {count:,} weights in {files:,} files")
    try:
        groups = list(map(_group, found))
        _check_unique(groups)
    except Malformed as error:
        raise DamagedFileError(path, f"its weightsManifest: {error.problem}", advice=ADVICE) from error
    weights = (weight for group in groups for weight in group.weights)
    strings = sum(element_count(weight.shape) for weight in weights if weight.dtype == STRING)
    if strings > MAX_STRINGS:
        raise UnsafeFileError(path, f"it has {strings:,} strings; at most {MAX_STRINGS:,} are read")
    return groups


def _group(value: dict[str, Any]) -> WeightGroup:
    if value["weights"] and not value["paths"]:
        raise Malformed("a group of weights has no files", 0)
    return WeightGroup(tuple(map(_path, value["paths"])), tuple(map(_weight, value["weights"])))


def _path(value: Any) -> str:
    if not isinstance(value, str) or not is_plain_text(value):
        raise Malformed("a path is not text", 0)
    return value


def _check_unique(groups: list[WeightGroup]) -> None:
    """Raise Malformed where a weight or a file is named twice."""
    names = Counter(weight.name for group in groups for weight in group.weights)
    paths = Counter(path for group in groups for path in group.paths)
    twice = next((name for counts in (names, paths) for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise Malformed(f"{quoted(twice)} occurs twice", 0)


def _weight(value: Any) -> ManifestWeight:
    """Return a weight. Raises Malformed where its name, shape or dtype are none."""
    given = value if isinstance(value, dict) else {}
    name, shape, dtype, group = (given.get(key) for key in ("name", "shape", "dtype", "group"))
    if not isinstance(name, str) or not is_plain_text(name) or len(name) > MAX_KEY_BYTES:
        raise Malformed("the name of a weight is missing, too long, or no text", 0)
    if not _is_shape(shape):
        raise Malformed(f"the shape of {quoted(name)} is not a list of at most {MAX_RANK} non-negative integers", 0)
    if not isinstance(dtype, str):
        raise Malformed(f"the weight {quoted(name)} has no dtype", 0)
    quantization, problem = _quantization(given.get("quantization"), dtype)
    return ManifestWeight(
        name=name,
        shape=tuple(shape),
        dtype=dtype,
        quantization=quantization,
        group=group if group in ("model", "optimizer") else None,
        problem=shape_problem(tuple(shape)) or problem or _dtype_problem(dtype),
    )


def _is_shape(value: Any) -> TypeGuard[list[int]]:
    integers = isinstance(value, list) and all(type(dim) is int and 0 <= dim < 1 << 64 for dim in value)
    return integers and len(value) <= MAX_RANK


def _dtype_problem(dtype: str) -> str | None:
    return None if dtype in DTYPES else f"its dtype {quoted(dtype)} is not one that the format names"


def _quantization(value: Any, dtype: str) -> tuple[Quantization | None, str | None]:
    """Return how a weight's values are stored; None and the reason where that is not known."""
    if value is None:
        return None, None
    given = value if isinstance(value, dict) else {}
    factors: list[Any] = [given.get("scale"), given.get("min")]
    stored = given.get("dtype")
    if not isinstance(stored, str) or dtype not in QUANTIZED.get(stored, ()):
        return None, f"{quoted(dtype)} values cannot be quantized as {quoted(str(stored))}"
    if stored == "float16":
        return Quantization(stored), None
    numbers = [float(each) for each in factors if type(each) in (int, float) and abs(each) < WIDEST]
    if len(numbers) < len(factors):
        return None, "its quantization has no scale and min"
    return Quantization(stored, *numbers), None
