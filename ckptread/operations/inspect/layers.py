"""The layers of a model and their totals, as in ``model.summary()``. No value is read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import msgspec

from ckptread.errors import UnsafeFileError
from ckptread.limits import MAX_LAYER_DEPTH, ROWS_BYTES
from ckptread.model import LayerFact, ModelFacts
from ckptread.operations.opening import Checkpoint, opened
from ckptread.reader import Reader
from ckptread.reports.report import Report, Reportable
from ckptread.select import filter_tensors, records_roles
from ckptread.tensors import OBJECT_VALUE, TensorInfo

ROW_BYTES = 1000
"""What a row counts for beside its name and its keys."""
LISTS = ("layers", "_layer_checkpoint_dependencies")
"""Attributes of a Keras model that list its layers."""
NEVER_TRAINED = {"moving_mean", "moving_variance", "mean", "variance", "count", "seed_generator_state"}
"""The names of variables that no layer trains: statistics of its inputs, and seeds."""
STATES = ("optimizer", "ema")
"""The roles of what an optimizer keeps."""


class Amount(msgspec.Struct, frozen=True):
    """The size of some tensors, without aliases and copies."""

    parameters: int = 0
    """Elements."""
    nbytes: int = 0


class LayerSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One layer, with all that is in it."""

    name: str
    """With those of the layers around it: ``encoder/dense``; "" for weights of the model itself or of unknown layer."""
    class_name: str | None
    """None where the file does not say."""
    depth: int
    """1 for a layer of the model, 2 for one in such a layer, and so on."""
    trainable: bool | None
    """Its own flag; where the file has none: True if any of its weights is trained, else None."""
    keys: tuple[str, ...]
    """Its weights, by key, in the model's order."""
    weights: Amount
    trained: Amount
    """Of these, what is trained."""
    frozen: Amount
    """What is not: of a frozen layer, or never trained, as moving statistics are."""
    unknown: Amount
    """Weights of unknown trainability."""
    partly: bool = False
    """Whether some of the layers in it are frozen, and others are trained."""


class ModelTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of a model. Keras 3 prints the first four as Total, Trainable, Non-trainable and Optimizer params."""

    total: Amount
    """Of the model and its optimizer."""
    trained: Amount
    frozen: Amount
    optimizer: Amount
    """The optimizer's variables, with averages of weights; nothing if it was not built yet, as in Keras."""
    unknown: Amount
    """Weights of unknown trainability."""
    model: Amount
    """All weights: trained, frozen and unknown. It is what Keras 2 prints as the total."""


class ModelSummary(Reportable, msgspec.Struct, frozen=True):
    """The layers of a model, in its order, and its totals."""

    layers: tuple[LayerSummary, ...]
    totals: ModelTotals

    def report(self) -> Report:
        """Return what ``ckptread inspect --layers`` prints below the heading."""
        from ckptread.operations.inspect.layers_report import LayersReport

        return LayersReport(self)


def summarize(checkpoint: Checkpoint, *, tensors: Iterable[TensorInfo] | None = None, depth: int = 1) -> ModelSummary:
    """Return the layers of the model in a checkpoint, and its totals.

    ``checkpoint`` is a path or an open reader. A row is a layer of the model, with all that is in it; with ``depth``
    above 1, the layers in a layer follow it as rows of their own, down to that depth. Layers without weights have rows
    if the config lists them. A layer that the file has in two places counts once, at the first. In a file that records
    no roles all tensors count, and the rows are the paths to them. ``tensors`` are those to count, all by default;
    layers with none of them have no row. Raises CheckpointError; UnsafeFileError for too many layers within layers.

    >>> import ckptread
    >>> summary = ckptread.summarize("fixtures/keras3/model.keras")
    >>> [(layer.name, layer.class_name, layer.weights.parameters) for layer in summary.layers][:2]
    [('series', 'InputLayer', 0), ('both_ways', 'Bidirectional', 80)]
    >>> summary.totals.trained.parameters
    104
    """
    with opened(checkpoint) as reader:
        return _summarized(reader, tensors, depth)


def _summarized(reader: Reader, tensors: Iterable[TensorInfo] | None, depth: int) -> ModelSummary:
    counted = list(reader.tensors.values() if tensors is None else tensors)
    weights = [info for info in filter_tensors(reader.tensors, counted, "model") if info.repeats is None]
    if reader.model is not None and reader.model.trainable is False:
        # Nothing is trained, whatever the flags of the layers.
        weights = [msgspec.structs.replace(info, trainable=False) for info in weights]
    facts = reader.model.layers if reader.model is not None else ()
    paths = _paths(weights, facts, by_place=not records_roles(reader.tensors))
    above = _around(paths, reader.model)
    inside = [(path[len(above) :] if path[: len(above)] == above else path, info) for path, info in paths]
    rows = _rows(inside, facts, () if facts else above, depth + (0 if facts else len(above)), empty=tensors is None)
    return ModelSummary(tuple(_bounded(rows, reader)), _totals(weights, _states(reader, counted)))


def _bounded(rows: Iterable[LayerSummary], checkpoint: Reader) -> Iterator[LayerSummary]:
    taken = 0
    for row in rows:
        taken += ROW_BYTES + len(row.name) + 8 * len(row.keys) if row.depth > 1 else 0
        if taken > ROWS_BYTES:
            raise UnsafeFileError(
                checkpoint.path, "it has more layers within layers than can be listed", advice="give a smaller --depth"
            )
        yield row


Paths = Sequence[tuple[tuple[str, ...], TensorInfo]]
"""Weights, each with the names of the layers around it that are not dealt with yet."""


def _paths(weights: Iterable[TensorInfo], facts: Sequence[LayerFact], *, by_place: bool) -> Paths:
    if by_place:
        return [((info.layer or info.place,), info) for info in weights]
    taken = {fact.name for fact in facts}
    return [(_path(info, taken), info) for info in weights]


def _path(info: TensorInfo, taken: Container[str | None]) -> tuple[str, ...]:
    """Return the names of the layers around a weight; where the file has no names, the path of the object.

    An object's path is numbered by class: it may begin with the name of another layer, which is ``taken``.
    """
    if info.layer is None:
        path = _object_path(info.path)
        return () if path[:1] and path[0] in taken else path
    if info.outer is None or not info.layer.startswith(info.outer):
        return tuple(info.layer.split("/", MAX_LAYER_DEPTH))
    rest = info.layer.removeprefix(info.outer).strip("/")
    return (info.outer, *(rest.split("/", MAX_LAYER_DEPTH) if rest else ()))


def _object_path(path: str) -> tuple[str, ...]:
    """Return the objects around a weight that only a path names, without the attributes that list a model's layers."""
    place, vars_, _ = f"/{path}".rpartition("/vars/")
    parts = place.replace("\\", "/") if vars_ else path.rpartition("/")[0]
    return tuple(part for part in parts.split("/", MAX_LAYER_DEPTH) if part and part not in LISTS)


def _around(paths: Paths, model: ModelFacts | None) -> tuple[str, ...]:
    """Return the model's own name, where it stands before its layers', as in full names of TensorFlow."""
    if model is not None and model.layers:
        return (model.name,) if model.name and model.name not in {layer.name for layer in model.layers} else ()
    if not all(info.key.endswith(OBJECT_VALUE) for _, info in paths):
        return ()
    first = min((path for path, _ in paths), default=())
    last = max((path for path, _ in paths), default=())
    shared = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:1] if 0 < shared < min(len(path) for path, _ in paths) else ()


def _rows(
    weights: Paths, facts: Sequence[LayerFact], above: tuple[str, ...], depth: int, *, empty: bool
) -> Iterator[LayerSummary]:
    """Yield the rows of one level, in the order of the config where there is one, else of first appearance."""
    known: Mapping[str, LayerFact] = {fact.name: fact for fact in facts if fact.name is not None}
    members: dict[str, list[tuple[tuple[str, ...], TensorInfo]]] = {name: [] for name in known}
    holders = _holders(facts)
    for path, info in weights:
        name, rest = _first(path, known, holders)
        members.setdefault(name, []).append((rest, info))
    for name, inside in members.items():
        if (not inside and not empty) or (not name and above):
            continue
        fact, path = known.get(name), (*above, name)
        yield _row(path, fact, [info for _, info in inside])
        if len(path) < depth and name:
            yield from _rows(inside, fact.layers if fact else (), path, depth, empty=empty)


def _holders(facts: Sequence[LayerFact]) -> dict[str, str]:
    """Return the layer of a level that holds each layer of the levels below, by name; not those of several."""
    found: dict[str, str] = {}
    twice = {fact.name for fact in facts}
    waiting = [(fact.name, inner) for fact in facts for inner in fact.layers]
    while waiting:
        holder, inner = waiting.pop()
        if inner.name is not None and holder is not None and found.setdefault(inner.name, holder) != holder:
            twice.add(inner.name)
        waiting += [(holder, each) for each in inner.layers]
    return {name: holder for name, holder in found.items() if name not in twice}


def _first(
    path: tuple[str, ...], known: Mapping[str, LayerFact], holders: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """Return the outermost layer of a path, and the rest: Keras 2 has layers called ``conv1/bn``.

    Full names of TensorFlow leave out the models that hold a layer.
    """
    for at in range(len(path), 1, -1):
        if "/".join(path[:at]) in known:
            return "/".join(path[:at]), path[at:]
    if not path or path[0] not in known:
        for at in range(len(path), 0, -1):
            if (holder := holders.get("/".join(path[:at]))) is not None:
                return holder, path
    return (path[0], path[1:]) if path else ("", ())


def _row(path: tuple[str, ...], fact: LayerFact | None, weights: Sequence[TensorInfo]) -> LayerSummary:
    flag = fact.trainable if fact is not None else None
    if flag is None and any(info.trainable for info in weights):
        flag = True
    trained, frozen, unknown = _by_flag(weights)
    return LayerSummary(
        name="/".join(path),
        class_name=fact.class_name if fact is not None else None,
        depth=len(path),
        trainable=flag,
        keys=tuple(info.key for info in weights),
        weights=_amount(weights),
        trained=trained,
        frozen=frozen,
        unknown=unknown,
        partly=_is_partly_frozen(weights),
    )


def _is_partly_frozen(weights: Sequence[TensorInfo]) -> bool:
    """Whether one layer has trained weights, and another one none; statistics and seeds are never trained."""
    trained = {info.place for info in weights if info.trainable}
    kept = {info.place for info in weights if info.trainable is False and not _is_state(info)}
    return bool(trained and kept - trained)


def _is_state(info: TensorInfo) -> bool:
    return info.name.rpartition("/")[2].removesuffix(":0") in NEVER_TRAINED


def _by_flag(weights: Sequence[TensorInfo]) -> Iterator[Amount]:
    """Yield what is trained, what is not, and what nobody says of."""
    for flag in (True, False, None):
        yield _amount(info for info in weights if info.trainable is flag)


def _totals(weights: Sequence[TensorInfo], states: Sequence[TensorInfo]) -> ModelTotals:
    trained, frozen, unknown = _by_flag(weights)
    return ModelTotals(
        total=_amount([*weights, *states]),
        trained=trained,
        frozen=frozen,
        optimizer=_amount(states),
        unknown=unknown,
        model=_amount(weights),
    )


def _states(checkpoint: Reader, tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Return what the optimizer keeps; nothing where it has its numbers alone, and would have slots once built."""
    states = [info for info in tensors if info.role in STATES and info.repeats is None]
    if checkpoint.model is not None and checkpoint.model.keeps_slots and all(info.shape == () for info in states):
        return []
    return states


def _amount(tensors: Iterable[TensorInfo]) -> Amount:
    listed = list(tensors)
    return Amount(sum(info.size for info in listed), sum(info.nbytes for info in listed))
