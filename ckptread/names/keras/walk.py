"""Walks a Keras 3 weights file along its config: every variable in the order of ``model.weights``.

The config lists the layers in order, with their classes and options; the groups of the file show which of them have
variables and (from Keras 3.8 on) how they are named. A layer that occurs twice in the config has its group at the first
position only, so it is found once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from ckptread.names.keras import variants
from ckptread.names.keras.configs import ANYTHING, Config, Configured, inner_config, inner_layers, parse_config
from ckptread.names.keras.groups import VariableGroup, in_saved_order, snake_case, split_number, walk_groups
from ckptread.names.keras.layers import METRICS, WEIGHTLESS, Inner, Layer, Weight
from ckptread.names.keras.lora import Factor, is_adapted, lora_factors
from ckptread.names.keras.optimizer_groups import is_optimizer
from ckptread.tensors import Role, TensorInfo

Chain = tuple[str, ...] | None
"""The names of the layers from the outermost to the current one; None if one of them is unknown."""

METRIC_CLASSES = {snake_case(name) for name in METRICS}
METRIC_GROUPS = ("metrics", "_metrics", "compile_metrics", "_compile_metrics")
SEED_GROUPS = ("seed_generator", "_seed_generator", "_random_generator")
NOT_THE_MODEL = (*METRIC_GROUPS, *SEED_GROUPS)


class Scope(msgspec.Struct, frozen=True):
    """What is known around an object: the names of the layers, their trainable flag and the role."""

    chain: Chain = ()
    flag: bool | None = None
    role: Role | None = "model"

    def inside(self, name: str | None) -> Scope:
        """Return the scope of an object in it with this name."""
        return msgspec.structs.replace(self, chain=None if name is None or self.chain is None else (*self.chain, name))


class LayerWalk(msgspec.Struct):
    """Visits the groups of a file, and records their variables."""

    table: Mapping[str, Layer]
    version_2: bool = False
    """Whether Keras 2 wrote the file: then a frozen layer freezes everything inside it."""
    has_names: bool = False
    """Whether the file has its objects' names: then a group without one is a list."""
    found: list[TensorInfo] = msgspec.field(default_factory=list)
    ordered: bool = True
    """Whether ``found`` is certainly in the order of ``model.weights``."""
    classes: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Built-in classes by their name in a path."""
    visited: set[int] = msgspec.field(default_factory=set)
    """The numbers by which the config marks layers that occur twice."""
    shapes: Counter[tuple[int, ...] | None] = msgspec.field(default_factory=Counter)
    """How many variables of the file have each shape."""
    optimizers: list[tuple[str, VariableGroup]] = msgspec.field(default_factory=list)
    """The optimizers among the model's attributes, each with the attribute's name."""
    factors: dict[int, list[Factor]] = msgspec.field(default_factory=dict)
    """LoRA's factors, which are trained but not stored, by how many variables of ``found`` come before them."""

    def __post_init__(self) -> None:
        names = (*self.table, *WEIGHTLESS, "Sequential", "Functional")
        self.classes = _by_path(names)

    def visit(self, obj: Configured, group: VariableGroup, scope: Scope) -> None:
        """Record the variables of an object and of everything inside it."""
        if obj.trainable is not None and not (self.version_2 and scope.flag is False):
            scope = msgspec.structs.replace(scope, flag=obj.trainable)
        row = None if obj.inner is not None else self.table.get(obj.class_name or "")
        if row is not None:
            self._visit_builtin(obj, row, group, scope)
        elif obj.inner is not None:
            self._record_unnamed(group, scope)
            done = self._visit_layers(obj.inner, group, scope)
            self._visit_rest(done, obj.config, group, scope)
        else:
            # A custom class may freeze anything inside it, so only a flag that is off counts.
            scope = msgspec.structs.replace(scope, flag=False if scope.flag is False else None)
            self._record_unnamed(group, scope)
            self._visit_rest(set(), obj.config, group, scope)

    def _visit_builtin(self, obj: Configured, row: Layer, group: VariableGroup, scope: Scope) -> None:
        """Record a built-in layer: its weights, then the layers inside it, in the order of the table."""
        weights = variants.resolve(str(obj.class_name), row, obj.config, group.own)
        if weights is None:
            self._record_unnamed(group, scope)
        else:
            for at in variants.model_order(weights):
                self._record_weight(weights[at], at, obj, group, scope)
            self._note_factors(obj, weights, group, scope)
        done = {name for inner in row.inner for name in self._visit_inner(inner, obj, group, scope)}
        self._visit_rest(done, None, group, scope)

    def _record_weight(self, weight: Weight, at: int, obj: Configured, group: VariableGroup, scope: Scope) -> None:
        if weight.shared:
            self._record_shared(weight.shared, group.own[at], obj, group, scope)
            return
        trainable = scope.flag if weight.trainable and not is_adapted(weight.name, obj.config) else False
        self._record(group.own[at], scope, weight.name or str(at), trainable, positional=not weight.name)

    def _note_factors(self, obj: Configured, weights: Sequence[Weight], group: VariableGroup, scope: Scope) -> None:
        """Note the factors of a layer with LoRA, which Keras merges into the kernel when it saves."""
        for weight, info in zip(weights, group.own, strict=True):
            if is_adapted(weight.name, obj.config) and scope.flag is not False:
                factors = lora_factors("/".join((*(scope.chain or ()), weight.name)), info.shape or (), obj.config)
                self.factors.setdefault(len(self.found), []).extend(factors)

    def _record_shared(
        self, attribute: str, info: TensorInfo, obj: Configured, group: VariableGroup, scope: Scope
    ) -> None:
        """Record a variable that a wrapper and the layer inside it both store, under the inner layer's name for it."""
        child = group.child(attribute) or VariableGroup()
        inner = parse_config((obj.config or {}).get(attribute)) or ANYTHING
        found = self._find_shared(inner, child, info)
        if found is None:
            self._record_unnamed(VariableGroup(own=[info]), scope)
            return
        at, weight = found
        flag = scope.flag if inner.trainable is None else inner.trainable
        inner_scope = scope.inside(child.name or inner.name)
        trainable = flag if weight.trainable else False
        self._record(info, inner_scope, weight.name or str(at), trainable, positional=not weight.name)
        child.own[at] = msgspec.structs.replace(child.own[at], copy_of=info.key)

    def _find_shared(self, inner: Configured, child: VariableGroup, info: TensorInfo) -> tuple[int, Weight] | None:
        """Return which variable of the inner layer ``info`` repeats; None if that is not certain."""
        same = [at for at, own in enumerate(child.own) if own.shape == info.shape]
        row = self.table.get(inner.class_name or "")
        weights = variants.resolve(str(inner.class_name), row, inner.config, child.own) if row else None
        if weights is not None:
            same = [at for at in same if weights[at].name in ("kernel", "embeddings")]
        if len(same) != 1:
            return None
        return same[0], weights[same[0]] if weights is not None else Weight(name="")

    def _record_unnamed(self, group: VariableGroup, scope: Scope) -> None:
        """Record variables of which only the position is known."""
        for at, info in enumerate(group.own):
            self._record(info, scope, str(at), False if scope.flag is False else None, positional=True)

    def _record(
        self, info: TensorInfo, scope: Scope, name: str, trainable: bool | None, *, positional: bool = False
    ) -> None:
        known = bool(scope.chain) and not (positional and scope.role != "model")
        self.found.append(
            msgspec.structs.replace(
                info,
                variable="/".join((*(scope.chain or ()), name)) if known else None,
                layer="/".join(scope.chain) if scope.chain else None,
                role=scope.role,
                trainable=trainable if scope.role in ("model", None) else None,
                positional=positional and known,
            )
        )

    def _visit_layers(self, layers: Sequence[Configured], group: VariableGroup, scope: Scope) -> set[str]:
        """Record a model's layers in the order of its config; return the names of the groups that were visited."""
        stored = group.layers
        if stored is None:
            return set()
        keys = self._group_names(layers, stored)
        for layer, key in zip(layers, keys, strict=True):
            child = stored.children.get(key) if key is not None else None
            if child is not None:
                self.visit(layer, child, scope.inside(child.name or layer.name))
        visited = set(keys)
        rest = [item for item in in_saved_order(stored) if item[0] not in visited]
        self._visit_members(rest, scope)
        return {"layers", "_layer_checkpoint_dependencies"}

    def _group_names(self, layers: Sequence[Configured], stored: VariableGroup) -> list[str | None]:
        """Return the name of each layer's group in the file, or None: by the layer's name, else by class and number."""
        own_names = Counter(child.name for child in stored.children.values() if child.name is not None)
        by_name = {child.name: key for key, child in stored.children.items() if own_names[child.name or ""] == 1}
        skipped = self._find_skipped(layers, stored) if self.version_2 else set()
        turns: Counter[str] = Counter()
        keys: list[str | None] = []
        for at, layer in enumerate(layers):
            base = snake_case(layer.written)
            key = f"{base}_{turns[base]}" if turns[base] else base
            turns[base] += at not in skipped
            child = stored.children.get(key)
            if layer.name in by_name and layer.name is not None:
                keys.append(by_name[layer.name])
            else:
                exists = child is not None and child.name in (None, layer.name) and at not in skipped
                keys.append(key if exists else None)
        return keys

    def _find_skipped(self, layers: Sequence[Configured], stored: VariableGroup) -> set[int]:
        """Return the layers that Keras 2 did not count here, as it had saved them in another model already.

        They have the number of an earlier layer in the config, and no group in the file.
        """
        again = {at for at, layer in enumerate(layers) if layer.shared is not None and layer.shared in self.visited}
        self.visited |= {layer.shared for layer in layers if layer.shared is not None}
        classes = Counter(snake_case(layer.written) for layer in layers)
        groups = Counter(split_number(key)[0] for key in stored.children)
        missing = {base for base, count in classes.items() if groups[base] < count}
        return {at for at in again if snake_case(layers[at].written) in missing}

    def _visit_inner(self, inner: Inner, obj: Configured, group: VariableGroup, scope: Scope) -> Iterable[str]:
        """Record a layer, or a list of layers, that the table lists inside another; return its group's name."""
        name = next((name for name in inner.groups if name in group.children), None)
        if name is None:
            return ()
        child, objects = group.children[name], inner_layers(inner, obj)
        if isinstance(inner_config(inner, obj.config), list):
            self._visit_layers(objects, VariableGroup(children={"layers": child}), scope)
        elif obj.config is not None or not (child.is_list and self.has_names):
            layer = objects[0]
            self.visit(layer, child, scope if inner.silent else scope.inside(child.name or layer.name))
        else:
            self._visit_members(in_saved_order(child), scope)
        return (name,)

    def _visit_rest(self, done: set[str], config: Config | None, group: VariableGroup, scope: Scope) -> None:
        """Record what is stored under attributes that neither the table nor the config lists."""
        rest = [(name, child) for name, child in in_saved_order(group) if name not in done]
        count = sum(
            _holds_variables(child) and not is_optimizer(name, child, self.shapes)
            for name, child in rest
            if name not in NOT_THE_MODEL
        )
        if scope.role == "model" and (count > 1 or (count == 1 and done)):
            self.ordered = False  # attributes are stored by name, but weights are listed in the order of assignment
        for name, child in rest:
            self._visit_attribute(name, child, config or {}, scope)

    def _visit_attribute(self, name: str, child: VariableGroup, config: Config, scope: Scope) -> None:
        if scope.role == "model" and is_optimizer(name, child, self.shapes):
            self.optimizers.append((name, child))
            return
        if name in METRIC_GROUPS:
            scope = msgspec.structs.replace(scope, role="metric")
        elif name in SEED_GROUPS:
            scope = msgspec.structs.replace(scope, role="bookkeeping")
        if child.is_list and (self.has_names or name == "layers" or name in METRIC_GROUPS):
            self._visit_members(in_saved_order(child), scope)
            return
        obj = parse_config(config.get(name))
        if obj is None or (child.name is not None and obj.name != child.name):
            obj = ANYTHING
        if obj is ANYTHING and scope.role == "model" and self._may_be_metric(child, scope):
            scope = msgspec.structs.replace(scope, role=None)
        self.visit(obj, child, scope.inside(child.name or obj.name))

    def _may_be_metric(self, group: VariableGroup, scope: Scope) -> bool:
        """Whether an object of unknown class could be a metric: it has only scalars or, directly on a model, vectors.

        A layer's own vectors are those of a normalization, not of a metric; on a model, a normalization is recognised
        by the name that Keras gives it.
        """
        most = max((len(info.shape or ()) for info in group.own), default=0)
        named_by_keras = split_number(group.name or "")[0] in self.classes
        return not group.children and most < (2 if scope.chain == () and not named_by_keras else 1)

    def _visit_members(self, members: Sequence[tuple[str, VariableGroup]], scope: Scope) -> None:
        """Record the members of a list; the group of each is named after its class."""
        if scope.role == "model" and sum(_holds_variables(child) for _, child in members) > 1:
            self.ordered = False
        for name, child in members:
            path_class = name if name in self.classes else split_number(name)[0]
            if scope.role == "model" and is_optimizer(name, child, self.shapes):
                self.optimizers.append((name, child))
            elif path_class in METRIC_CLASSES:
                self.visit(ANYTHING, child, msgspec.structs.replace(scope, role="metric").inside(child.name))
            elif child.is_list and self.has_names:
                self._visit_members(in_saved_order(child), scope)
            else:
                obj = Configured(class_name=self.classes.get(path_class))
                self.visit(obj, child, scope.inside(child.name))


@lru_cache(maxsize=4)
def _by_path(names: tuple[str, ...]) -> dict[str, str]:
    """Return the names of classes by what they are called in a path."""
    return {snake_case(name): name for name in names}


def _holds_variables(group: VariableGroup) -> bool:
    return any(each.own for each in walk_groups(group))
