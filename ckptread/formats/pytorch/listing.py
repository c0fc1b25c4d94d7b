"""The tensors of a PyTorch checkpoint as a listing: their names, roles, places, and which share their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ckptread.formats.pytorch.objects import (
    DICTIONARIES,
    StoredTensor,
    component,
    find_tensors,
    is_data,
    pairs_of,
)
from ckptread.formats.pytorch.strided import is_contiguous, reach
from ckptread.limits import MAX_ENTRIES, MAX_KEY_BYTES, VALUES_BYTES
from ckptread.model import ModelFacts
from ckptread.storage.source import Source
from ckptread.tensors import ITEM_BYTES, Extent, Role, TensorInfo, element_count, shape_problem
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.pickle_machine import PickledCall
from ckptread.wording import plural, quoted

TOO_SPREAD = "its elements are too far apart in their storage to be read at once"
OPTIMIZER_DEPTH = 3
"""How deep an optimizer's dictionary is looked for: checkpoint, trainer, optimizer."""
OPTIMIZER = {"state", "param_groups"}
"""The keys of an optimizer's state_dict."""
BOOKKEEPING = ("rng_state", "rng_states", "cuda_rng_state", "random_state")
AVERAGES = ("ema", "ema_state_dict", "model_ema", "ema_model", "state_dict_ema")
METADATA_CHARACTERS = 200
MOST_METADATA = 32


class Storages:
    """The sources of storages, by key."""

    def __init__(self, sources: Mapping[str, Source], *, big: bool = False) -> None:
        self._sources = sources
        self.big = big
        """Whether the values are stored with the most significant byte first."""

    def source(self, tensor: StoredTensor) -> Source | None:
        """Return the source of a tensor's storage."""
        return None if tensor.storage is None else self._sources.get(tensor.storage.key)

    def start(self, tensor: StoredTensor) -> int:
        """Return the first byte of a tensor's first element in the source; 0 where it has no elements."""
        if not element_count(tensor.shape):
            return 0
        storage = tensor.storage
        before = 0 if storage is None else storage.offset * ITEM_BYTES[storage.dtype]
        return before + tensor.offset * ITEM_BYTES[tensor.dtype]


def tensors_by_name(root: Any) -> dict[str, StoredTensor]:
    """Return the tensors by name. Raises Malformed where there are too many, or a name is too long."""
    found: dict[str, StoredTensor] = {}
    for path, tensor in find_tensors(root):
        name = ".".join(path) or "tensor"
        if len(found) >= MAX_ENTRIES or len(name) > MAX_KEY_BYTES:
            raise Malformed(f"it has more than {MAX_ENTRIES:,} tensors, or a name above {MAX_KEY_BYTES:,} bytes", 0)
        found[name if name not in found else _another(name, found)] = tensor
    return found


def _another(name: str, taken: Mapping[str, object]) -> str:
    """Return a name for a second tensor of one name: a key with a dot reads like two keys."""
    number = len(taken)
    while (another := f"{name}#{number}") in taken:
        number += 1
    return another


def describe_tensors(root: Any, named: Mapping[str, StoredTensor], storages: Storages) -> Iterator[TensorInfo]:
    """Yield what each tensor is and where; of several with the same bytes, all but the first are aliases."""
    roles = [*_role_prefixes(root)]
    rest: Role | None = "model" if roles else None
    first: dict[StoredTensor, str] = {}
    for key, tensor in named.items():
        info = _describe(key, tensor, storages)
        original = first.setdefault(tensor._replace(trainable=None), key)
        alias = original if original != key and info.problem is None else None
        role = next((role for prefix, role in roles if key.startswith(prefix)), None) or _role_of(key) or rest
        yield msgspec.structs.replace(info, alias_of=alias, role=role)


def _describe(key: str, tensor: StoredTensor, storages: Storages) -> TensorInfo:
    problem = tensor.problem or shape_problem(tensor.shape) or _place_problem(tensor, storages)
    nbytes = element_count(tensor.shape) * ITEM_BYTES.get(tensor.dtype, 0)
    whole = is_contiguous(tensor.shape, tensor.strides) if problem is None else False
    return TensorInfo(
        key=key, shape=tensor.shape, dtype=tensor.dtype, nbytes=nbytes, problem=problem, trainable=tensor.trainable,
        extent=_extent(tensor, nbytes, storages) if whole else None,
        unsupported=tensor.problem is not None or problem == TOO_SPREAD,
    )  # fmt: skip


def _place_problem(tensor: StoredTensor, storages: Storages) -> str | None:
    """Return why the values cannot be where the tensor claims that they are; None if they can."""
    source, storage = storages.source(tensor), tensor.storage
    if tensor.dtype not in ITEM_BYTES:
        return f"its dtype {quoted(tensor.dtype)} is not known"
    if storage is None or source is None:
        return f"its storage {quoted(storage.key)} is missing" if storage else "it has no storage"
    span = reach(tensor.shape, tensor.strides) * ITEM_BYTES[tensor.dtype]
    end = storages.start(tensor) + span
    if end > source.size:
        return f"it reaches byte {end:,} of a storage of {plural(source.size, 'byte')}"
    return TOO_SPREAD if span > VALUES_BYTES and not is_contiguous(tensor.shape, tensor.strides) else None


def _extent(tensor: StoredTensor, nbytes: int, storages: Storages) -> Extent | None:
    source = storages.source(tensor)
    if source is None or not source.addressable:
        return None
    start = storages.start(tensor)
    checksum = source.checksum if (start, nbytes) == (0, source.size) else None
    extent = source.extent(start, nbytes, checksum)
    return msgspec.structs.replace(extent, byteorder="big") if storages.big else extent


def _role_prefixes(root: Any) -> Iterator[tuple[str, Role]]:
    """Yield the beginnings of the names that are an optimizer's: of a dictionary as its state_dict() is."""
    pending = [("", root, 0)]
    for prefix, value, depth in pending:
        pairs = pairs_of(value)
        if {key for key, _ in pairs if isinstance(key, str)} >= OPTIMIZER:
            yield prefix, "optimizer"
        elif depth < OPTIMIZER_DEPTH and len(pairs) <= MOST_METADATA:
            pending += [(f"{prefix}{component(key)}.", child, depth + 1) for key, child in pairs]


def _role_of(key: str) -> Role | None:
    """Return the role that the parts of a name show; None where they show none."""
    parts = key.split(".")
    if parts[0] in AVERAGES:
        return "ema"
    return "bookkeeping" if any(part in BOOKKEEPING for part in parts) else None


def plain_values(root: Any) -> dict[str, str]:
    """Return the numbers and short texts at the top of a checkpoint: epoch, step, version."""
    found = {
        component(key): str(value)
        for key, value in pairs_of(root)
        if isinstance(value, int | float | str) and len(str(value)) <= METADATA_CHARACTERS
    }
    return dict(list(found.items())[:MOST_METADATA])


def model_facts(root: Any, names: Iterable[str]) -> ModelFacts | None:
    """Return the class of a module that was saved whole, and what loading would run; None where it runs nothing."""
    runs = tuple(name for name in names if not is_data(name))
    if not runs:
        return None
    whole = isinstance(root, PickledCall) and root.name not in DICTIONARIES
    return ModelFacts(class_name=root.name if whole else "dict", runs_code=runs)
