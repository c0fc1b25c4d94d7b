"""A Keras 3 weights file walked along its config: every variable in the order of ``model.weights``.

The config says which layers there are, in which order, of which class and with which options; the groups of the
file say which of them have variables and (from Keras 3.8 on) what they are called. A layer that stands twice in
the config has its group at the first place only, so it is found once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ckptread.names.keras import variants
from ckptread.names.keras.configs import ANYTHING, Config, Configured, inner_config, inner_layers, parse_config
from ckptread.names.keras.groups import VariableGroup, in_saved_order, snake_case, split_number, walk_groups
from ckptread.names.keras.layers import METRICS, WEIGHTLESS, Inner, Layer, Weight
from ckptread.tensors import Role, TensorInfo

Chain = tuple[str, ...] | None
"""The names of the layers from the outermost to the one at hand; None where one of them is unknown."""

METRIC_CLASSES = {snake_case(name) for name in METRICS}
METRIC_GROUPS = ("metrics", "_metrics", "compile_metrics", "_compile_metrics")
SEED_GROUPS = ("seed_generator", "_seed_generator", "_random_generator")
NOT_THE_MODEL = (*METRIC_GROUPS, *SEED_GROUPS)


class Place(msgspec.Struct, frozen=True):
    """Where a walk stands: the names so far, the trainable flag and the role of what is there."""

    chain: Chain = ()
    flag: bool | None = None
    role: Role | None = "model"

    def below(self, name: str | None) -> Place:
        """Return the place of an object inside, called ``name``."""
        return msgspec.structs.replace(self, chain=None if name is None or self.chain is None else (*self.chain, name))


class LayerWalk(msgspec.Struct):
    """What has been found so far."""

    table: Mapping[str, Layer]
    version_2: bool = False
    """Whether Keras 2 wrote the file: there a frozen layer's flag holds for all in it."""
    has_names: bool = False
    """Whether the file gives its objects' names: then a group without one is a list."""
    found: list[TensorInfo] = msgspec.field(default_factory=list)
    ordered: bool = True
    """Whether ``found`` is in the order of ``model.weights`` for certain."""
    classes: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Built-in classes by their name in a path."""
    visited: set[int] = msgspec.field(default_factory=set)
    """The numbers that the config gives layers which stand in it twice."""

    def __post_init__(self) -> None:
        names = (*self.table, *WEIGHTLESS, "Sequential", "Functional")
        self.classes = {snake_case(name): name for name in names}

    def visit(self, thing: Configured, group: VariableGroup, place: Place) -> None:
        """Record what ``thing``, stored as ``group``, holds."""
        if thing.trainable is not None and not (self.version_2 and place.flag is False):
            place = msgspec.structs.replace(place, flag=thing.trainable)
        row = None if thing.inner is not None else self.table.get(thing.class_name or "")
        if row is not None:
            self._visit_known(thing, row, group, place)
        elif thing.inner is not None:
            self._own(group, place)
            done = self._visit_layers(thing.inner, group, place)
            self._visit_rest(done, thing.config, group, place)
        else:
            # A custom class may freeze what it likes inside, so its own flag tells only when it is off.
            place = msgspec.structs.replace(place, flag=False if place.flag is False else None)
            self._own(group, place)
            self._visit_rest(set(), thing.config, group, place)

    def _visit_known(self, thing: Configured, row: Layer, group: VariableGroup, place: Place) -> None:
        """Record a built-in layer: its own weights, then the layers in it, as the table has them."""
        weights = variants.resolve(str(thing.class_name), row, thing.config, group.own)
        if weights is None:
            self._own(group, place)
        else:
            for at in variants.model_order(weights):
                self._weight(weights[at], at, thing, group, place)
        done = {name for inner in row.inner for name in self._visit_inner(inner, thing, group, place)}
        self._visit_rest(done, None, group, place)

    def _weight(self, weight: Weight, at: int, thing: Configured, group: VariableGroup, place: Place) -> None:
        if weight.shared:
            self._shared(weight.shared, group.own[at], thing, group, place)
            return
        trainable = place.flag if weight.trainable else False
        self._record(group.own[at], place, weight.name or str(at), trainable, positional=not weight.name)

    def _shared(self, attribute: str, info: TensorInfo, thing: Configured, group: VariableGroup, place: Place) -> None:
        """Record a variable that a wrapper stores beside the layer it wraps, under the layer's name for it."""
        child, inner = (
            group.child(attribute) or VariableGroup(),
            parse_config((thing.config or {}).get(attribute)) or ANYTHING,
        )
        same = [at for at, own in enumerate(child.own) if own.shape == info.shape]
        row = self.table.get(inner.class_name or "")
        weights = variants.resolve(str(inner.class_name), row, inner.config, child.own) if row else None
        if weights is not None:
            same = [at for at in same if weights[at].name in ("kernel", "embeddings")]
        if len(same) != 1:
            self._own(VariableGroup(own=[info]), place)
            return
        at, flag = same[0], place.flag if inner.trainable is None else inner.trainable
        weight = weights[at] if weights is not None else Weight(name="")
        below = place.below(child.name or inner.name)
        trainable = flag if weight.trainable else False
        self._record(info, below, weight.name or str(at), trainable, positional=not weight.name)
        child.own[at] = msgspec.structs.replace(child.own[at], alias_of=info.key)

    def _own(self, group: VariableGroup, place: Place) -> None:
        """Record variables of which only their place is known."""
        for at, info in enumerate(group.own):
            self._record(info, place, str(at), False if place.flag is False else None, positional=True)

    def _record(
        self, info: TensorInfo, place: Place, name: str, trainable: bool | None, *, positional: bool = False
    ) -> None:
        known = bool(place.chain) and not (positional and place.role != "model")
        self.found.append(
            msgspec.structs.replace(
                info,
                variable="/".join((*(place.chain or ()), name)) if known else None,
                layer="/".join(place.chain) if place.chain else None,
                role=place.role,
                trainable=trainable if place.role in ("model", None) else None,
                positional=positional and known,
            )
        )

    def _visit_layers(self, layers: Sequence[Configured], group: VariableGroup, place: Place) -> set[str]:
        """Record a model's layers in the order of its config; return the groups that were dealt with."""
        stored = group.layers
        if stored is None:
            return set()
        keys = self._keys_of(layers, stored)
        for layer, key in zip(layers, keys, strict=True):
            child = stored.children.get(key) if key is not None else None
            if child is not None:
                self.visit(layer, child, place.below(child.name or layer.name))
        dealt_with = set(keys)
        rest = [item for item in in_saved_order(stored) if item[0] not in dealt_with]
        self._visit_members(rest, place)
        return {"layers", "_layer_checkpoint_dependencies"}

    def _keys_of(self, layers: Sequence[Configured], stored: VariableGroup) -> list[str | None]:
        """Return the name of each layer's group in the file, or None: by its own name, else by its class and turn."""
        own_names = Counter(child.name for child in stored.children.values() if child.name is not None)
        by_name = {child.name: key for key, child in stored.children.items() if own_names[child.name or ""] == 1}
        passed = self._passed_over(layers, stored) if self.version_2 else set()
        turns: Counter[str] = Counter()
        keys: list[str | None] = []
        for at, layer in enumerate(layers):
            base = snake_case(layer.written)
            key = f"{base}_{turns[base]}" if turns[base] else base
            turns[base] += at not in passed
            child = stored.children.get(key)
            if layer.name in by_name and layer.name is not None:
                keys.append(by_name[layer.name])
            else:
                there = child is not None and child.name in (None, layer.name) and at not in passed
                keys.append(key if there else None)
        return keys

    def _passed_over(self, layers: Sequence[Configured], stored: VariableGroup) -> set[int]:
        """Return the layers that Keras 2 did not count here, having saved them in another model already.

        The config gives them the number of a layer that was there before, and their groups are missing.
        """
        again = {at for at, layer in enumerate(layers) if layer.shared is not None and layer.shared in self.visited}
        self.visited |= {layer.shared for layer in layers if layer.shared is not None}
        classes = Counter(snake_case(layer.written) for layer in layers)
        groups = Counter(split_number(key)[0] for key in stored.children)
        missing = {base for base, count in classes.items() if groups[base] < count}
        return {at for at in again if snake_case(layers[at].written) in missing}

    def _visit_inner(self, inner: Inner, thing: Configured, group: VariableGroup, place: Place) -> Iterable[str]:
        """Record a layer, or a list of layers, that the table has inside another; return its group's name."""
        name = next((name for name in inner.groups if name in group.children), None)
        if name is None:
            return ()
        child, things = group.children[name], inner_layers(inner, thing)
        if isinstance(inner_config(inner, thing.config), list):
            self._visit_layers(things, VariableGroup(children={"layers": child}), place)
        elif thing.config is not None or not (child.is_list and self.has_names):
            layer = things[0]
            self.visit(layer, child, place if inner.silent else place.below(child.name or layer.name))
        else:
            self._visit_members(in_saved_order(child), place)
        return (name,)

    def _visit_rest(self, done: set[str], config: Config | None, group: VariableGroup, place: Place) -> None:
        """Record what is stored under attributes that neither the table nor the config tells of."""
        rest = [(name, child) for name, child in in_saved_order(group) if name not in done]
        holding = sum(_holds_variables(child) for name, child in rest if name not in NOT_THE_MODEL)
        if place.role == "model" and (holding > 1 or (holding == 1 and done)):
            self.ordered = False  # Keras stores attributes by name, but lists weights as they were assigned
        for name, child in rest:
            self._visit_attribute(name, child, config or {}, place)

    def _visit_attribute(self, name: str, child: VariableGroup, config: Config, place: Place) -> None:
        if name in METRIC_GROUPS:
            place = msgspec.structs.replace(place, role="metric")
        elif name in SEED_GROUPS:
            place = msgspec.structs.replace(place, role="bookkeeping")
        if child.is_list and (self.has_names or name == "layers" or name in METRIC_GROUPS):
            self._visit_members(in_saved_order(child), place)
            return
        thing = parse_config(config.get(name))
        if thing is None or (child.name is not None and thing.name != child.name):
            thing = ANYTHING
        if thing is ANYTHING and place.role == "model" and self._may_be_metric(child, place):
            place = msgspec.structs.replace(place, role=None)
        self.visit(thing, child, place.below(child.name or thing.name))

    def _may_be_metric(self, group: VariableGroup, place: Place) -> bool:
        """Whether an object of unknown class could be a metric: nothing inside, and scalars, or on a model vectors too.

        Layers keep normalizations of their own, not metrics of more than scalars; and by the name that Keras gives
        a normalization it is known.
        """
        most = max((len(info.shape or ()) for info in group.own), default=0)
        named_by_keras = split_number(group.name or "")[0] in self.classes
        return not group.children and most < (2 if place.chain == () and not named_by_keras else 1)

    def _visit_members(self, members: Sequence[tuple[str, VariableGroup]], place: Place) -> None:
        """Record the members of a list, each of the class that its group is called after."""
        if place.role == "model" and sum(_holds_variables(child) for _, child in members) > 1:
            self.ordered = False
        for name, child in members:
            path_class = name if name in self.classes else split_number(name)[0]
            if path_class in METRIC_CLASSES:
                self.visit(ANYTHING, child, msgspec.structs.replace(place, role="metric").below(child.name))
            elif child.is_list and self.has_names:
                self._visit_members(in_saved_order(child), place)
            else:
                thing = Configured(class_name=self.classes.get(path_class))
                self.visit(thing, child, place.below(child.name))


def _holds_variables(group: VariableGroup) -> bool:
    return any(each.own for each in walk_groups(group))
