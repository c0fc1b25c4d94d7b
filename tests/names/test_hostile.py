"""Evidence is untrusted: whatever it holds, no tensor is lost, nothing crashes and nothing takes long."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from msgspec.structs import replace

from ckptread.names.keras import describe as keras_names
from ckptread.names.keras import model_facts as model
from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.tensorflow import describe as tensorflow_names
from ckptread.names.tensorflow.describe import OBJECT_GRAPH_KEY, TensorFlowEvidence
from ckptread.names.tensorflow.object_graph import parse_object_graph
from ckptread.operations.inspect.layers import summarize
from ckptread.reader import Reader
from ckptread.tensors import TensorInfo
from tests.names import evidence
from tests.names.keras.test_models import mixed, nested
from tests.names.keras.test_optimizers import O, trained

L = keras.layers
JUNK: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "/",
    [],
    [None],
    {},
    {"class_name": "Dense"},
    "\udc80",
    [[]] * 3,
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("hostile")
    made = []
    for number, build in enumerate(
        (nested, mixed, lambda: trained(lambda: O.LossScaleOptimizer(O.Adam(use_ema=True))))
    ):
        model = build()
        for name in (f"{number}.keras", f"{number}.h5"):
            model.save(folder / name)
            made.append(folder / name)
    return made


class Described(Reader):
    """What a reader of such evidence says, without a file."""

    def __init__(self, named: list[TensorInfo], given: KerasEvidence) -> None:
        self.tensors = {info.key: info for info in named}
        self.model = model.read_model_facts(given)

    def read(self, key: str, selection: Any = (), *, out: Any = None) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


def read(path: Path) -> tuple[list[TensorInfo], KerasEvidence]:
    return evidence.keras_archive(path) if path.suffix == ".keras" else evidence.hdf5(path)


def mutate(value: Any, chance: random.Random) -> Any:
    """Replace one value of a config somewhere by something that does not belong there."""
    value = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        each = pending.pop()
        items = (
            list(each.items()) if isinstance(each, dict) else list(enumerate(each)) if isinstance(each, list) else []
        )
        places += [(each, key) for key, _ in items]
        pending += [child for _, child in items]
    for _ in range(chance.choice((1, 1, 3, 10))):
        if places:
            holder, key = chance.choice(places)
            holder[key] = chance.choice(JUNK)
    return value


@pytest.mark.parametrize("seed", range(60))
def test_broken_configs_and_attributes(seed: int, files: list[Path]) -> None:
    chance = random.Random(seed)
    for path in files:
        tensors, given = read(path)
        given = replace(
            given, config=mutate(given.config, chance), training_config=mutate(given.training_config, chance)
        )
        if seed % 2:
            given = replace(given, attributes=mutate(given.attributes, chance))
            given = replace(given, attributes={k: v for k, v in given.attributes.items() if isinstance(v, dict)})
        chance.shuffle(tensors)
        if seed % 3 == 0:
            tensors = [replace(t, shape=chance.choice([t.shape, None, (), (0,), (3,) * 64])) for t in tensors]
        named = keras_names.name_keras_tensors(tensors, given)
        assert sorted(t.key for t in named) == sorted(t.key for t in tensors)
        names = [t.variable for t in named if t.variable is not None and t.repeats is None]
        assert len(names) == len(set(names))
        summarize(Described(named, given), depth=3)


@pytest.mark.parametrize("seed", range(40))
def test_broken_protocol_buffers(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    tensors, given, graph = _export(tmp_path)
    broken = {
        "object_graph": parse_object_graph(_damage(graph, chance)),
        "saved_model": _damage(given.saved_model, chance),
    }
    given = replace(given, **broken, keras_metadata=chance.randbytes(100), same_bytes=None)
    named = tensorflow_names.name_tensorflow_tensors(tensors, given)
    assert sorted(t.key for t in named) == sorted(t.key for t in tensors)


_exported: list[tuple[list[TensorInfo], TensorFlowEvidence, bytes]] = []


def _export(folder: Path) -> tuple[list[TensorInfo], TensorFlowEvidence, bytes]:
    if not _exported:
        tf.saved_model.save(trained(O.Adam), str(folder / "s"))
        graph = tf.train.load_checkpoint(str(folder / "s/variables/variables")).get_tensor(OBJECT_GRAPH_KEY)
        _exported.append((*evidence.saved_model(folder / "s"), graph))
    return _exported[0]


def _damage(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 3, 30))):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))])


def test_deep_paths_and_odd_keys() -> None:
    deep = "/".join(["a"] * 900) + "/vars/0"
    keys = [deep, "vars/0", "/vars/0", "vars//0", "layers/dense/vars/00", "//", "", "vars/\u0663",
            "layers/dense/vars/0", "layers/dense/vars/0/vars/1"]  # fmt: skip
    tensors = [TensorInfo(key=key, shape=(2, 2), dtype="float32", nbytes=16) for key in keys]
    named = keras_names.name_keras_tensors(tensors, KerasEvidence(config={"class_name": "Sequential"}, archive=True))
    assert sorted(t.key for t in named) == sorted(keys)


def test_a_nest_of_configs_is_bounded() -> None:
    config: Any = {"class_name": "Dense", "config": {}}
    for _ in range(150):
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": [config], "layer": config}}
    tensors = [
        TensorInfo(key="/".join(["layers/sequential"] * 28) + "/vars/0", shape=(2, 2), dtype="float32", nbytes=16)
    ]
    with counted_calls(limit=20_000_000):
        assert len(keras_names.name_keras_tensors(tensors, KerasEvidence(config=config, archive=True))) == 1
        model.read_model_facts(KerasEvidence(config=config))


@contextmanager
def counted_calls(limit: int) -> Iterator[list[int]]:
    """Count the calls of functions, ours and the interpreter's; fail as soon as there are more than ``limit``."""
    count = [0]

    def count_one(_frame: FrameType, event: str, _argument: object) -> None:
        count[0] += event in ("call", "c_call")
        if count[0] > limit:
            sys.setprofile(None)
            pytest.fail(f"more than {limit:,} calls")

    sys.setprofile(count_one)
    try:
        yield count
    finally:
        sys.setprofile(None)


def large(count: int) -> int:
    """Name the tensors of a model of so many layers; returns how many calls that took."""
    options = {"units": 3, "use_bias": True, "trainable": True, "dtype": "float32"}
    layers = [{"class_name": "Dense", "config": {"name": f"layer_{n}", **options}} for n in range(count)]
    config = {"class_name": "Sequential", "config": {"name": "big", "layers": layers}}
    groups = ["dense" if n == 0 else f"dense_{n}" for n in range(count)]
    tensors = [
        TensorInfo(key=f"layers/{group}/vars/{i}", shape=shape, dtype="float32", nbytes=12)
        for group in sorted(groups)
        for i, shape in enumerate(((3, 3), (3,)))
    ]
    with counted_calls(limit=1_000 * count) as calls:
        named = keras_names.name_keras_tensors(tensors, KerasEvidence(config=config, archive=True))
    assert [named[0].variable, named[-1].variable] == ["layer_0/kernel", f"layer_{count - 1}/bias"]
    return calls[0]


def test_twice_the_tensors_take_twice_the_work() -> None:
    assert large(2_000) < 2.5 * large(1_000)
