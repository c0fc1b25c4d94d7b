"""What ``inspect`` shows first: the model and its parameters, the rest folded, and names that can be typed."""

import csv
import io
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.operations.inspect.order import natural_key
from ckptread.operations.inspect.scalars import decode_scalar
from ckptread.reports.cells import rounded_text
from ckptread.reports.report import Table
from ckptread.reports.table import table_lines
from tests.conftest import write

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODEL = FIXTURES / "keras3" / "model.keras"
WEIGHTS = FIXTURES / "keras3" / "model.weights.h5"
SAVED_MODEL = FIXTURES / "saved-model-keras"


def shown(text):
    """The rows of the table below the heading, split at white space, without the titles."""
    return [line.split() for line in text.split("\n\n")[1].splitlines()[1:]]


@pytest.fixture
def numbered(tmp_path):
    shapes = {
        f"net/block_{at}/{name}": shape for at in (1, 2, 10) for name, shape in (("kernel", (4, at)), ("bias", (at,)))
    }
    return write(tmp_path / "numbered", {name: np.full(shape, 0.5, "float32") for name, shape in shapes.items()})


def test_the_heading_counts_the_model_as_keras_does(run):
    """Keras printed these for the model when the fixture was made."""
    expected = json.loads((MODEL.parent / "expected.json").read_text())
    assert expected
    out = run("inspect", MODEL).out
    assert "model 118 parameters, 472 B (104 trainable, 14 frozen) · optimizer Adam 844 B" in out
    with h5py.File(WEIGHTS) as file:
        state = sum(each.size for each in file["optimizer/vars"].values())
    assert ["optimizer", "Adam", "26", str(state)] in [line.split()[:4] for line in out.splitlines()]


def test_the_optimizer_and_other_roles_are_lines_until_they_are_asked_for(run):
    assert not any("adam" in row[0] for row in shown(run("inspect", MODEL).out))
    assert all("adam" in row[0] for row in shown(run("inspect", MODEL, "--role", "optimizer").out))
    assert len(shown(run("inspect", MODEL, "--role", "ALL").out)) == len(ckptread.inspect(MODEL))
    assert any("adam" in row[0] for row in shown(run("inspect", MODEL, "adam/**").out))


@pytest.mark.parametrize("options", [[], ["--tree"], ["--depth", "1"], ["--stats"]])
def test_programs_get_every_tensor(run, options):
    rows = list(csv.reader(io.StringIO(run("inspect", MODEL, *options, "--format", "csv").out)))
    assert any("adam" in row[0] for row in rows)
    assert "adam" not in run("inspect", MODEL, *options).out.split("\n\n")[1]


def test_aliases_and_copies_are_counted_and_not_listed(run):
    listing = ckptread.inspect(SAVED_MODEL)
    copies = [tensor for tensor in listing if tensor.repeats is not None]
    assert copies
    out = run("inspect", SAVED_MODEL).out
    assert ["aliases", "and", "copies", str(len(copies)), "--role", "all"] in [
        line.split() for line in out.splitlines()
    ]
    assert len(listing.rows) + len(copies) + sum(tensor.role == "bookkeeping" for tensor in listing) == len(listing)


def test_counters_and_rates_show_the_values_that_the_library_reads(run, monkeypatch):
    with h5py.File(WEIGHTS) as file:
        step, rate = (file[f"optimizer/vars/{at}"][()] for at in (0, 1))
    assert f"adam/iteration = {step}, adam/learning_rate = {rate:.7g}" in run("inspect", MODEL).out
    monkeypatch.setenv("COLUMNS", "120")
    rows = {row[0]: row[1:] for row in shown(run("inspect", MODEL, "--role", "optimizer").out)}
    assert rows["adam/iteration"][:4] == ["int64", "()", "=", str(step)]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
                                   "float16", "float32", "float64"])  # fmt: skip
@pytest.mark.parametrize("order", ["little", "big"])
def test_a_scalar_is_decoded_as_numpy_does(dtype, order):
    kind = np.dtype(dtype).newbyteorder("<" if order == "little" else ">")
    values = [0, 1] if dtype == "bool" else [3, 100.5] if dtype.startswith("f") else [1, np.iinfo(dtype).max]
    for value in values:
        assert decode_scalar(dtype, np.array(value, kind).tobytes(), order) == value


def test_no_more_scalars_are_read_than_a_screen_can_use(tmp_path):
    names = [f"save_counter_{at}" for at in range(100)]
    listing = ckptread.inspect(
        write(tmp_path / "many", {"global_step": np.array(3), **dict.fromkeys(names, np.array(7))})
    )
    assert listing.values == {"global_step": 3}
    assert len(listing) == 101


def test_a_path_and_a_dtype_that_all_share_are_said_once_and_names_stay_typable(run, numbered):
    out = run("inspect", numbered).out
    assert "  all float32, names begin with net/" in out.splitlines()
    names = [row[0] for row in shown(out)]
    assert names == [f"block_{at}/{name}" for at in (1, 10, 2) for name in ("bias", "kernel")]
    for name in names:
        assert f"net/{name}" in run("show", numbered, name).out
    assert len(shown(run("inspect", numbered, "block_*/kernel").out)) == 3
    assert len(shown(run("inspect", numbered, "block_10").out)) == 2


@pytest.mark.parametrize("names", [
    ["a/b/w", "a/b/v", "b/w"],  # another tensor is called as one would be without the path
    ["a/w", "a/w/x"],
    ["a/", "a/b"],
    ["w"],
])  # fmt: skip
def test_every_name_finds_its_tensor(run, tmp_path, names):
    path = write(tmp_path / "names", {name: np.full(1, at, "float32") for at, name in enumerate(names)})
    with ckptread.open(path) as reader:
        for row in shown(run("inspect", path).out):
            assert run("show", path, row[0]).code == 0
        assert {reader[row[0]].info.key for row in shown(run("inspect", path).out)} == set(names)


def test_numbers_are_not_left_without_their_word(run, tmp_path):
    path = write(tmp_path / "n", {f"net/layer/{at}/w": np.ones(1, "float32") for at in range(3)})
    assert [row[0] for row in shown(run("inspect", path).out)] == [f"layer/{at}/w" for at in range(3)]


def test_names_are_sorted_as_people_count(run, numbered):
    names = [row[0] for row in shown(run("inspect", numbered, "--sort", "name").out)]
    assert names[::2] == ["block_1/bias", "block_2/bias", "block_10/bias"]
    assert sorted(["b10", "b9", "b09", "a", "b"], key=natural_key) == ["a", "b", "b9", "b09", "b10"]


@pytest.mark.parametrize(("condition", "count"), [
    ("size>=32", 3), ("size > 40", 1), ("size=8", 1), ("parameters!=1", 5), ("rank=2", 3), ("dtype=FLOAT32", 6),
    ("dtype!=float32", 0), ("shape=(4,10)", 1), ("shape = (10,)", 1), ("mean=0.5", 6), ("nan>0", 0), ("max<1e-1", 0),
    ("size>1K", 0), ("size<0.01M", 6), ("name=net/block_1/bias", 1), ("l2>=1", 4),
])  # fmt: skip
def test_a_condition_selects(run, numbered, condition, count):
    """A kernel has 4 * N values of 0.5, a bias N of them, for N of 1, 2 and 10."""
    assert len(json.loads(run("inspect", numbered, "--where", condition, "--json").out)["tensors"]) == count


def test_all_conditions_must_hold_and_nan_is_found_wherever_it_is(run, tmp_path):
    arrays = {name: np.ones(3, "float32") for name in ("w", "v", "global_step")}
    arrays["v"][1] = arrays["global_step"][0] = np.nan
    path = write(tmp_path / "nan", arrays)
    assert [row[0] for row in shown(run("inspect", path, "--where", "nan>0").out)] == ["global_step", "v"]
    assert [row[0] for row in shown(run("inspect", path, "--where", "nan>0", "--where", "name!=v").out)] == [
        "global_step"
    ]
    assert shown(run("inspect", path, "--sort", "nan", "--limit", "1").out)[0][0] == "v"


@pytest.mark.parametrize(("condition", "said"), [
    ("size", "is not a comparison"), ("siz>1", "there is no field 'siz'"), ("size>big", "'big' is not a number"),
    ("dtype>int8", "compare it with = or !="), ("", "is not a comparison"),
])  # fmt: skip
def test_what_is_not_a_condition_is_refused(run, numbered, condition, said):
    ran = run("inspect", numbered, "--where", condition)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(("order", "first"), [("std", "b"), ("l2", "b"), ("size", "a")])
def test_statistics_sort_the_largest_first(run, tmp_path, order, first):
    arrays = {"a": np.array([1, 1, 1, 1.5], "float32"), "b": np.array([-9, 9], "float32")}
    path = write(tmp_path / "s", arrays)
    assert shown(run("inspect", path, "--sort", order, "--limit", "1").out)[0][0] == first


def test_limit_counts_rows_and_says_of_how_many(run):
    out = run("inspect", MODEL, "--limit", "3").out
    assert len(shown(out)) == 3
    assert "3 of 16 tensors shown" in out
    assert len(json.loads(run("inspect", MODEL, "--limit", "30", "--json").out)["tensors"]) == 30


def test_names_are_grouped_by_a_text_with_numbers(run, numbered):
    rows = shown(run("inspect", numbered, "--group", "block_#").out)
    assert [row[:3] for row in rows] == [[f"net/block_{at}", "2", str(5 * at)] for at in (1, 10, 2)]
    assert shown(run("inspect", numbered, "--group", "block_1").out)[0][:3] == ["net/block_1", "2", "5"]


def test_names_that_differ_in_numbers_are_one_row(run, numbered):
    rows = shown(run("inspect", numbered, "--collapse").out)
    assert [row[:3] for row in rows] == [["net/block_#/bias", "3", "13"], ["net/block_#/kernel", "3", "52"]]
    assert shown(run("inspect", numbered, "--collapse", "--depth", "2").out)[0][:3] == ["net/block_#", "6", "65"]


def test_a_tree_has_lines_and_folds(run, numbered):
    lines = run("inspect", numbered, "--tree").out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["net/", "├─", "│"]
    assert lines[4].startswith("│  └─ kernel ")
    assert lines[-1].startswith("   └─ kernel ")
    assert "block_10/ …" in run("inspect", numbered, "--tree", "--depth", "2").out


@pytest.mark.parametrize(("count", "text"), [
    (7, "7"), (999, "999"), (640_514, "641 K"), (999_499, "999 K"), (999_600, "1.0 M"), (15_012_362, "15.0 M"),
    (2_500_000_000, "2.5 G"),
])  # fmt: skip
def test_counts_are_rounded(count, text):
    assert rounded_text(count) == text


def test_a_layer_that_is_not_frozen_is_not_partly_trained(run):
    """Moving statistics are never trained: batch normalization is trained all the same."""
    rows = {line.split()[0]: line.split()[-1] for line in run("inspect", MODEL, "--layers").out.splitlines() if line}
    assert (rows["norm"], rows["frozen"], rows["head"]) == ("yes", "no", "yes")


def test_totals_of_layers_have_a_line_for_the_model(run):
    lines = [line.split() for line in run("inspect", MODEL, "--layers").out.splitlines()]
    assert [line[:2] for line in lines[-5:-1]] == [["model", "118"], ["trainable", "104"], ["non-trainable", "14"],
                                                   ["optimizer", "210"]]  # fmt: skip


@pytest.mark.parametrize("columns", [80, 100, 120])
@pytest.mark.parametrize("path", [*sorted(map(str, FIXTURES.glob("keras*/*.h5"))), str(MODEL), str(SAVED_MODEL)])
def test_no_two_rows_have_one_name_and_no_line_is_too_long(run, path, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("inspect", path).out
    names = [line.split()[0] for line in out.split("\n\n")[1].splitlines()[1:] if not line.startswith(" ")]
    own = ckptread.inspect(path).rows
    assert len(set(names)) == len(own)
    assert max(len(line) for line in out.splitlines()[4:]) <= columns
    with ckptread.open(path) as reader:
        assert [reader[name].info.key for name in names] == [tensor.key for tensor in own]
    assert os.environ["COLUMNS"] == str(columns)


WEIGHTS_OF = {"conv": ("kernel", "bias"), "bn": ("gamma", "beta", "moving_mean", "moving_variance")}


def check_every_name(path):
    """At 80 columns each row has a name of its own, and the name finds the row's tensor."""
    with ckptread.open(path) as reader:
        listing = ckptread.inspect(reader)
        [table, *_] = [block for block in listing.report().lines() if isinstance(block, Table)]
        lines = list(table_lines(table, 80))[1:]
        names = [line.split()[0] for line in lines if not line.startswith(" ")]
        assert [reader[name].info.key for name in names] == [tensor.key for tensor in listing.rows]
        assert max(map(len, lines)) <= 80


def test_residual_blocks_with_slots_are_told_apart_at_80_columns(tmp_path):
    """The names of ResNet50 and of Adam's slots, as Keras and TensorFlow write them."""
    layers = [f"resnet50/conv{stage}_block{block}_{at}_{kind}" for stage in (2, 3, 4, 5) for block in (1, 2, 3)
              for at in (1, 2, 3) for kind in WEIGHTS_OF]  # fmt: skip
    weights = [f"{layer}/{name}" for layer in layers for name in WEIGHTS_OF[layer.rpartition("_")[2]]]
    slots = [f"adam/{name.replace('/', '_')}_{slot}" for name in weights for slot in ("momentum", "velocity")]
    names = [*weights, *slots, "head/kernel"]
    check_every_name(write(tmp_path / "resnet", dict.fromkeys(names, np.ones((3, 3, 8, 8), "float32"))))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_model_of_keras_is_told_apart_at_80_columns(tmp_path):
    keras = pytest.importorskip("keras")
    keras.applications.MobileNetV3Small(weights=None, include_top=False).save(tmp_path / "model.keras")
    check_every_name(tmp_path / "model.keras")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_partly_frozen_backbone_says_how_much_of_it_is_trained(run, tmp_path):
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Dense(4, name=f"inner_{at}") for at in range(3)]
    inner = keras.Sequential([keras.Input((4,)), *layers], name="base")
    inner.layers[0].trainable = False
    model = keras.Sequential([inner, keras.layers.Dense(1, name="head")])
    model.save(tmp_path / "model.keras")
    trained, total = (
        sum(int(np.prod(each.shape)) for each in kept) for kept in (inner.trainable_weights, inner.weights)
    )
    out = run("inspect", tmp_path / "model.keras", "--layers").out
    assert f"partly ({trained} of {total})" in out
    assert "partly (" not in run("inspect", tmp_path / "model.keras", "--layers", "--frozen").out
