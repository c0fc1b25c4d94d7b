"""What PyTorch puts into a pickle: tensors over storages, in dictionaries, lists and modules.

Specification: torch/_utils.py (``_rebuild_tensor_v2`` and its kin), torch/serialization.py (``persistent_load``) and
torch/_weights_only_unpickler.py, which lists the names that hold data, of https://github.com/pytorch/pytorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ckptread.limits import PICKLE_DEPTH, PICKLE_VISITS
from ckptread.tensors import ITEM_BYTES
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.pickle_machine import PickledCall, PickledDict, PickledName, PickledReference

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8", "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
}  # fmt: skip
"""The dtype of a storage, by its class in torch."""
DTYPES = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip
"""Other names of dtypes in torch."""
TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3")
PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
SUBCLASS = "torch._tensor._rebuild_from_type_v2"
UNREADABLE = {
    "torch._utils._rebuild_qtensor": "it is quantized",
    "torch._utils._rebuild_sparse_tensor": "it is sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "it is sparse",
    "torch._utils._rebuild_nested_tensor": "it is nested",
    "torch._utils._rebuild_meta_tensor_no_storage": "it was saved without values (on the meta device)",
    "torch._utils._rebuild_wrapper_subclass": "it is of a class of its own",
}
"""Tensors that are more than a view of a storage, and what to call them."""
DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict")
OTHER_DATA = (
    "torch.Size", "torch.device", "torch.serialization._get_layout", "torch.Tensor", "torch.nn.parameter.Parameter",
    "torch.nn.Parameter", "builtins.set", "__builtin__.set", "builtins.frozenset", "builtins.bytearray",
    "builtins.complex", "_codecs.encode",
)  # fmt: skip
MOST_WRAPPERS = 8
"""Parameters and subclasses around one tensor."""
INSIDE_MODULES = ("_parameters", "_buffers", "_modules")
"""Attributes of a module that its state_dict leaves out of the names."""


class TensorStorage(NamedTuple):
    """A run of bytes that tensors are views of."""

    key: str
    dtype: str
    elements: int
    """How many, of that dtype."""
    offset: int = 0
    """In elements, from the beginning of what is stored under the key: old files have views of storages."""

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.elements * ITEM_BYTES[self.dtype]


class StoredTensor(NamedTuple):
    """A tensor as a view of a storage: offset and strides in elements."""

    storage: TensorStorage | None
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    trainable: bool | None = None
    problem: str | None = None
    """Why it has no values that can be read."""


class FoundTensor(NamedTuple):
    """A tensor and the way to it."""

    path: tuple[str, ...]
    tensor: StoredTensor


def is_data(name: str) -> bool:
    """Whether a name in a pickle stands for data of PyTorch: whatever else it names is code that loading would run."""
    module, _, last = name.rpartition(".")
    if name in {*TENSORS, *PARAMETERS, SUBCLASS, *UNREADABLE, *DICTIONARIES, *OTHER_DATA}:
        return True
    if module == "torch":
        return DTYPES.get(last, last) in ITEM_BYTES or last in STORAGES
    return module in {"torch.storage", "torch.cuda"} and last in {*STORAGES, "TypedStorage"}


def find_tensors(root: Any) -> Iterator[FoundTensor]:
    """Yield the tensors within an object, in the order of the file. Raises Malformed beyond the limits."""
    pending: list[tuple[Any, tuple[str, ...], bool]] = [(root, (), False)]
    for _ in range(PICKLE_VISITS):
        if not pending:
            return
        value, path, module = pending.pop()
        if len(path) > PICKLE_DEPTH:
            raise Malformed(f"it nests more than {PICKLE_DEPTH} objects in each other", 0)
        tensor = parse_tensor(value)
        if tensor is not None:
            yield FoundTensor(path, tensor)
        else:
            pending += reversed([(child, (*path, *step), inner) for step, child, inner in _children(value, module)])
    raise Malformed(f"it refers to its objects more than {PICKLE_VISITS:,} times", 0)


def _children(value: Any, module: bool) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Yield what an object holds: the step to it, and whether the step is into the state of a module."""
    if isinstance(value, PickledDict):
        for key, child in value.pairs:
            hidden = module and key in INSIDE_MODULES if isinstance(key, str) else False
            yield (() if hidden else (component(key),)), child, False
    elif isinstance(value, list | tuple):
        yield from (((str(number),), child, False) for number, child in enumerate(value) if _may_hold(child))
    elif isinstance(value, PickledCall):
        yield from _contents(value)


def _contents(call: PickledCall) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Yield what a call puts into its result, and what it is given where that is a dictionary."""
    yield from (((component(key),), child, False) for key, child in pairs_of(call))
    yield from (((str(number),), child, False) for number, child in enumerate(call.items))
    states = call.state if isinstance(call.state, tuple) else (call.state,)
    yield from (((), state, True) for state in states if isinstance(state, PickledDict))


def pairs_of(value: Any) -> list[tuple[Any, Any]]:
    """Return the pairs of a dictionary of any kind; none of anything else."""
    if isinstance(value, PickledDict):
        return value.pairs
    return [*_given_pairs(value), *value.pairs] if isinstance(value, PickledCall) else []


def _given_pairs(call: PickledCall) -> list[tuple[Any, Any]]:
    """Return the pairs that a dictionary's class is called with."""
    given = call.arguments[-1] if isinstance(call.arguments, tuple) and call.arguments else None
    if call.name not in DICTIONARIES or not isinstance(given, list | tuple):
        return []
    return [(each[0], each[1]) for each in given if isinstance(each, list | tuple) and len(each) == 2]


def _may_hold(value: Any) -> bool:
    return isinstance(value, list | tuple | PickledDict | PickledCall)


def component(key: Any) -> str:
    """Return a dictionary's key as part of a name."""
    if isinstance(key, str):
        return key
    return str(key) if isinstance(key, int | float | None) else type(key).__name__


def parse_tensor(value: Any) -> StoredTensor | None:
    """Return the tensor that a call rebuilds; None if it is not a tensor. One that cannot be rebuilt has a problem."""
    trainable = None
    for _ in range(MOST_WRAPPERS):
        if not isinstance(value, PickledCall) or not isinstance(value.arguments, tuple):
            return None
        arguments = value.arguments
        if value.name in PARAMETERS and len(arguments) >= 2:
            value, trainable = arguments[0], arguments[1] is True
        elif value.name == SUBCLASS and len(arguments) >= 3:
            value = PickledCall(arguments[0], arguments[2])
        else:
            found = _rebuild(value.name, arguments)
            return None if found is None else found._replace(trainable=trainable)
    return None


def _rebuild(name: str, arguments: tuple[Any, ...]) -> StoredTensor | None:
    try:
        if name in TENSORS and len(arguments) >= 4:
            return _view(name, arguments)
        return _unreadable(name, arguments) if name in UNREADABLE else None
    except Malformed as error:
        return StoredTensor(None, "unknown", 0, (), (), problem=error.problem)


def _view(name: str, arguments: tuple[Any, ...]) -> StoredTensor:
    storage = parse_storage(arguments[0])
    offset, shape, strides = arguments[1], _counts(arguments[2]), _counts(arguments[3])
    if not isinstance(offset, int) or offset < 0 or len(shape) != len(strides):
        raise Malformed("a tensor's place is not that of a view", 0)
    dtype = _dtype_of(arguments[6]) if name.endswith("_v3") and len(arguments) > 6 else storage.dtype
    return StoredTensor(storage, dtype, offset, shape, strides)


def _unreadable(name: str, arguments: tuple[Any, ...]) -> StoredTensor:
    """Return the shape and dtype of a tensor that is more than a view; those of its values, where it has several."""
    parts = [each for given in arguments for each in (given if isinstance(given, tuple) else (given,))]
    shapes = [_counts(each) for each in (*parts, *arguments) if _is_shape(each)]
    inner = [_rebuild(each.name, each.arguments) for each in parts if isinstance(each, PickledCall)]
    storages = [parse_storage(each) for each in parts if isinstance(each, PickledReference)]
    dtypes = [each.dtype for each in (*inner, *storages) if each is not None]
    shape = shapes[0] if shapes else ()
    return StoredTensor(None, dtypes[-1] if dtypes else "unknown", 0, shape, (), problem=UNREADABLE[name])


def _is_shape(value: Any) -> bool:
    if isinstance(value, PickledCall) and value.name == "torch.Size" and len(value.arguments) == 1:
        value = value.arguments[0]
    return isinstance(value, tuple) and all(type(each) is int and each >= 0 for each in value)


def _counts(value: Any) -> tuple[int, ...]:
    """Return a shape, or strides."""
    if not _is_shape(value):
        raise Malformed("a tensor's shape is not one", 0)
    found: tuple[int, ...] = value.arguments[0] if isinstance(value, PickledCall) else value
    return found


def _dtype_of(value: Any) -> str:
    name = value.text.removeprefix("torch.") if isinstance(value, PickledName) else ""
    return DTYPES.get(name, name) or "unknown"


def parse_storage(value: Any) -> TensorStorage:
    """Return the storage that a persistent id stands for: ("storage", class, key, device, elements, view).

    Raises Malformed for another id.
    """
    identity = value.identity if isinstance(value, PickledReference) else None
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise Malformed("a tensor is not a view of a storage", 0)
    _, kind, key, _, count, *view = identity
    dtype = STORAGES.get(kind.text.rpartition(".")[2]) if isinstance(kind, PickledName) else None
    if dtype is None or not isinstance(key, str) or type(count) is not int or count < 0:
        raise Malformed("a storage has no class, key or size that is known", 0)
    if view and isinstance(view[0], tuple) and len(view[0]) == 3 and type(view[0][1]) is int and view[0][1] >= 0:
        return TensorStorage(key, dtype, count, view[0][1])
    return TensorStorage(key, dtype, count)
