"""The steps of a run: found and ordered from names, and figures that agree with numpy."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ckptread.errors import CheckpointError
from ckptread.operations import opening as opening_module
from ckptread.operations.history import follow_steps as module
from ckptread.operations.history.follow_steps import Followed, follow_steps
from ckptread.operations.history.history import find_first_nan
from ckptread.operations.history.steps import find_steps, order_steps
from tests.conformance.cases import FIXTURES, SHARED, needs_shared
from tests.conftest import write
from tests.in_memory import InMemory


def found_in(*paths):
    return [step.path.rpartition("/")[2] for step in find_steps([str(path) for path in paths])]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["ckpt-1000", "ckpt-10000", "ckpt-2000"], [1000, 2000, 10000]),
        (["epoch_03.keras", "epoch_10.keras", "epoch_1.keras"], [1, 3, 10]),
        (["model.02-0.19.h5", "model.10-0.10.h5", "model.01-0.25.h5"], [1, 2, 10]),
        (["weights.9.weights.h5", "weights.10.weights.h5"], [9, 10]),
        (["resnet50_epoch_10.h5", "resnet50_epoch_9.h5"], [9, 10]),
        (["step-10/model.keras", "step-9/model.keras"], [9, 10]),
        (["cp-0001.ckpt", "cp-0010.ckpt", "cp-0002.ckpt"], [1, 2, 10]),
        (["model.01-0.25.h5"], [1]),
        (["resnet50_epoch_10.h5"], [10]),
        (["model.ckpt-7-00000-of-00003"], [7]),
        (["v1.2.keras"], [None]),
        (["final.keras"], [None]),
        (["run1/ckpt-5", "run2/ckpt-3"], [1, 2]),
    ],
)  # fmt: skip
def test_steps_are_ordered_by_their_numbers(names, numbers):
    assert [step.number for step in order_steps(names)] == numbers


def test_what_differs_otherwise_keeps_its_order():
    names = ["pretrained.keras", "epoch_10.keras", "epoch_9.keras", "best.keras"]
    assert [step.path for step in order_steps(names)] == [
        "pretrained.keras",
        "epoch_9.keras",
        "epoch_10.keras",
        "best.keras",
    ]


@given(st.lists(st.integers(0, 10**12), min_size=2, unique=True))
def test_any_numbers_are_in_order(numbers):
    assert [step.number for step in order_steps(f"run-3/ckpt-{n}" for n in numbers)] == sorted(numbers)


def one(value):
    return {"layer/kernel": np.array(value, "float32")}


@pytest.fixture
def run_folder(tmp_path):
    """Three steps, a state file that names another folder, and what else lies about."""
    for step in (999, 1000, 20000):
        write(tmp_path / f"ckpt-{step}", one([step, 1.0]))
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "/elsewhere/ckpt-20000"\nall_model_checkpoint_paths: "../outside/ckpt-1"\n'
    )
    (tmp_path / "events.out.tfevents.1").write_bytes(b"\0" * 40)
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "logs").mkdir()
    return tmp_path


def test_a_folder_means_all_checkpoints_in_it(run_folder):
    expected = ["ckpt-999", "ckpt-1000", "ckpt-20000"]
    assert found_in(run_folder) == expected
    assert found_in(run_folder / "checkpoint") == expected


def test_an_index_and_its_data_are_one_checkpoint(run_folder):
    files = [path for path in run_folder.iterdir() if path.name.startswith("ckpt-")]
    assert len(files) == 6
    assert found_in(*files) == ["ckpt-999", "ckpt-1000", "ckpt-20000"]


def test_folders_of_single_checkpoints_are_steps(tmp_path):
    for epoch in (1, 2, 10):
        (tmp_path / f"epoch_{epoch}").mkdir()
        shutil.copy(FIXTURES / "keras3" / "legacy.h5", tmp_path / f"epoch_{epoch}" / "model.h5")
    shutil.copytree(FIXTURES / "saved-model-keras", tmp_path / "exported")
    shutil.copytree(FIXTURES / "tf-object", tmp_path / "several")
    found = [step.path.removeprefix(f"{tmp_path}/") for step in find_steps([str(tmp_path)])]
    assert found == ["epoch_1/model.h5", "epoch_2/model.h5", "epoch_10/model.h5", "exported"]


def test_shards_are_no_checkpoints_of_their_own():
    assert found_in(FIXTURES / "keras3-shards") == ["model.weights.json"]
    names = found_in(FIXTURES / "safetensors")
    assert "model.safetensors.index.json" in names
    assert not any("-of-" in name for name in names)
    assert found_in(FIXTURES / "tf-v1-sharded") == ["export-00000-of-00003"]


def test_a_folder_without_any_is_an_error(run, tmp_path):
    with pytest.raises(CheckpointError, match="the folder has no checkpoint"):
        find_steps([str(tmp_path)])
    assert run("history", tmp_path).code == 2


def norms(*arrays):
    return float(np.sqrt(sum((a.astype("float64") ** 2).sum() for a in arrays)))


def test_figures_agree_with_numpy(tmp_path):
    random = np.random.default_rng(0)
    steps = [
        {"a/kernel": random.standard_normal((5, 3)).astype("f4"), "a/bias": random.standard_normal(3).astype("f4"),
         "b/kernel": np.arange(4, dtype="i8") * step}
        for step in range(3)
    ]  # fmt: skip
    for step, arrays in enumerate(steps):
        write(tmp_path / f"ckpt-{step}", arrays)
    found = list(follow_steps(find_steps([str(tmp_path)])))
    for step, figures in enumerate(found):
        now = steps[step]
        a, b = figures.groups
        assert (a.name, a.tensors, a.parameters, b.name, b.tensors, b.parameters) == ("a", 2, 18, "b", 1, 4)
        assert a.l2 == pytest.approx(norms(now["a/kernel"], now["a/bias"]))
        assert b.l2 == pytest.approx(norms(now["b/kernel"]))
        if step == 0:
            assert (a.distance, a.change) == (None, None)
            continue
        before = steps[step - 1]
        moved = norms(*(now[key].astype("f8") - before[key] for key in ("a/kernel", "a/bias")))
        assert a.distance == pytest.approx(moved)
        assert a.change == pytest.approx(moved / norms(before["a/kernel"], before["a/bias"]))
    assert found[1].groups[1].change == np.inf  # from all zeros
    assert found[2].groups[1].change == pytest.approx(1.0)


@pytest.mark.slow
@given(
    st.sampled_from(["float16", "float32", "float64", "int8", "uint64", "bool", "complex64"]).flatmap(
        lambda dtype: hnp.arrays(dtype, st.integers(0, 40)).flatmap(
            lambda array: st.tuples(st.just(array), hnp.arrays(st.sampled_from([dtype, "float32"]), array.shape))
        )
    ),
    st.integers(1, 100),
)
def test_a_distance_is_that_of_the_whole_arrays(pair, block):
    before, now = pair
    wide = np.result_type(before.dtype, now.dtype, "f8")
    with np.errstate(all="ignore"):
        difference = now.astype(wide) - before.astype(wide)
        difference = difference[np.isfinite(difference)]
        expected = float(np.sqrt(np.vdot(difference, difference).real))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        patch.setattr(module, "PIECE", 3)
        found = module._distance(InMemory(t=before)["t"], InMemory(t=now)["t"])
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_values_that_are_not_finite_leave_the_norms(tmp_path):
    write(tmp_path / "ckpt-1", one([1.0, 2.0, 3.0]))
    write(tmp_path / "ckpt-2", one([2.0, np.nan, np.inf]))
    write(tmp_path / "ckpt-3", one([2.0, np.nan, 3.0]))
    second, third = list(follow_steps(find_steps([str(tmp_path)])))[1:]
    group = second.groups[0]
    assert (group.l2, group.distance, group.nans, group.infs) == (2.0, 1.0, 1, 1)
    assert third.groups[0].distance == 0.0


def test_the_first_step_with_a_nan_is_named(run, tmp_path):
    for step, value in ((1, 1.0), (2, np.nan), (3, np.nan)):
        write(tmp_path / f"ckpt-{step}", {"a/kernel": np.ones(2, "f4"), "b/kernel": np.full(3, value, "f4")})
    found = list(follow_steps(find_steps([str(tmp_path)])))
    step, group = find_first_nan(found)
    assert (step.step.number, group.name, group.nans) == (2, "b", 3)
    ran = run("history", tmp_path)
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == f"first NaN: step 2, 3 values, most of them in b ({tmp_path}/ckpt-2)"
    document = json.loads(run("history", tmp_path, "--format", "json").out)
    assert document["first_nan"] == {"step": 2, "path": f"{tmp_path}/ckpt-2", "group": "b", "nan": 3}


def test_a_table_has_a_row_per_layer_and_a_column_per_step(run, tmp_path):
    for step in (9, 10, 11):
        write(tmp_path / f"ckpt-{step}", {"a/kernel": np.full(4, step, "f4"), "b/kernel": np.ones(1, "f4")})
    lines = [line.split() for line in run("history", tmp_path).out.splitlines()]
    assert lines == [
        ["name", "L2", "change", "10", "11"],
        ["a", "22", "█▁", "11", "%", "10", "%"],
        ["b", "1", "▄▄", "0", "%", "0", "%"],
        [], ["3", "checkpoints,", "steps", "9", "to", "11"], ["no", "NaN", "in", "any", "step"],
    ]  # fmt: skip


def test_a_step_with_nan_is_marked_in_its_column_and_in_the_sparkline(run, tmp_path):
    for step, value in ((1, 1.0), (2, 2.0), (3, np.nan), (4, np.inf)):
        write(tmp_path / f"ckpt-{step}", {"a/kernel": np.full(4, value, "f4")})
    row = run("history", tmp_path).out.splitlines()[1].split()
    assert (row[3:], row[2][1]) == (["100", "%", "NaN", "Inf"], "!")


def test_a_long_run_fits_its_last_steps_and_a_sparkline_of_all(run, tmp_path, monkeypatch):
    for step in range(100):
        write(tmp_path / f"ckpt-{step:03}", {"some/long/name/of/a/kernel": np.full(4, step + 1, "f4")})
    monkeypatch.setenv("COLUMNS", "80")
    head, row = run("history", tmp_path).out.splitlines()[:2]
    assert max(map(len, (head, row))) <= 80
    assert head.split()[-1] == "99"
    assert len(row.split()[2]) <= 25


def test_every_figure_goes_to_a_file_of_the_kind_of_its_ending(run, tmp_path):
    for step in (1, 2):
        write(tmp_path / f"ckpt-{step}", {"a/kernel": np.full(4, step, "f4")})
    printed = {kind: run("history", tmp_path, "--format", kind).out for kind in ("csv", "json", "markdown", "html")}
    for kind, ending in (("csv", "csv"), ("json", "json"), ("markdown", "md"), ("html", "html")):
        ran = run("history", tmp_path, "-o", tmp_path / f"out.{ending}")
        assert (ran.code, "2 checkpoints" in ran.out) == (0, True)
        assert (tmp_path / f"out.{ending}").read_text() == printed[kind]
    again = run("history", tmp_path, "-o", tmp_path / "out.csv")
    assert (again.code, "--force" in again.err) == (2, True)
    assert run("history", tmp_path, "-o", tmp_path / "out.csv", "--force").code == 0
    assert ".csv, .json" in run("history", tmp_path, "-o", tmp_path / "out.txt").err


def test_a_bad_checkpoint_is_reported_and_hides_no_other(run, tmp_path):
    for step in (1, 2, 3):
        write(tmp_path / f"ckpt-{step}", one([float(step)]))
    (tmp_path / "ckpt-2.index").write_bytes(b"no index at all")
    ran = run("history", tmp_path, "--format", "csv")
    assert ran.code == 2
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["problem"]) for row in rows] == [False, True, False]
    assert float(rows[2]["distance"]) == 2.0, "a step is compared with the last one that could be read"
    assert "ckpt-2" in ran.err


def test_a_damaged_tensor_is_reported_and_hides_no_other(run, tmp_path):
    arrays = {"a/kernel": np.ones(2, "f4"), "b/kernel": np.ones(2, "f4")}
    for step in (1, 2, 3):
        write(tmp_path / f"ckpt-{step}", arrays)
    data = tmp_path / "ckpt-2.data-00000-of-00001"
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    ran = run("history", tmp_path)
    assert ran.code == 2
    assert ran.err.startswith("step 2: a/kernel could not be read: the bytes of")
    rows = list(csv.DictReader(io.StringIO(run("history", tmp_path, "--format", "csv").out)))
    assert [row["L2"] for row in rows if row["name"] == "a"] == [repr(norms(np.ones(2))), "", repr(norms(np.ones(2)))]
    assert [row["distance"] for row in rows if row["name"] == "b"] == ["", "0.0", "0.0"]


def test_epochs_of_keras_files_are_followed_by_layer(run, tmp_path):
    for epoch in (1, 2, 10):
        shutil.copy(FIXTURES / "keras3" / "model.keras", tmp_path / f"epoch_{epoch}.keras")
    document = json.loads(run("history", tmp_path, "--format", "json").out)
    assert [step["step"] for step in document["steps"]] == [1, 2, 10]
    assert [group["name"] for group in document["steps"][0]["groups"]] == [
        "both_ways/forward_lstm/lstm_cell", "both_ways/backward_lstm/lstm_cell", "encoder/squeeze", "norm", "frozen",
        "head",
    ]  # fmt: skip
    assert all(group["change"] == 0 for step in document["steps"][1:] for group in step["groups"])


def test_other_groups_are_followed_where_asked_for(tmp_path):
    write(tmp_path / "ckpt-1", {"a/x": np.ones(2, "f4"), "a/y": np.ones(2, "f4"), "b/x": np.ones(2, "f4")})
    steps = find_steps([str(tmp_path)])

    def groups(**chosen):
        return [(group.name, group.tensors) for group in next(follow_steps(steps, Followed(**chosen))).groups]

    assert groups() == [("a", 2), ("b", 1)]
    assert groups(by="tensor") == [("a/x", 1), ("a/y", 1), ("b/x", 1)]
    assert groups(by="all") == [("(all)", 3)]
    assert groups(patterns=("*/x", "a/**")) == [("*/x", 2), ("a/**", 2)]
    assert groups(by="all", exclude=("a/x",)) == [("(all)", 2)]


def test_the_role_is_the_models_unless_asked_otherwise(tmp_path):
    steps = find_steps([str(FIXTURES / "tf-object")])
    model, everything = (
        next(follow_steps(steps, Followed(role=role, by="all"))).groups[0] for role in ("model", "all")
    )
    assert (model.tensors, everything.tensors) == (4, 17)


def test_another_shape_is_no_small_change(run, tmp_path):
    """The kernel is as it was; of the bias nothing can be compared, and so of the layer."""
    for step, units in ((1, 4), (2, 5), (3, 5)):
        write(tmp_path / f"ckpt-{step}", {"dense/bias": np.ones(units, "f4"), "dense/kernel": np.ones((2, 2), "f4")})
    assert run("history", tmp_path).out.splitlines()[1].split()[-3:] == ["reshaped", "0", "%"]
    steps = list(follow_steps(find_steps([str(tmp_path)]), Followed()))
    assert [(step.groups[0].change, step.groups[0].reshaped) for step in steps] == [(None, 0), (None, 1), (0.0, 0)]


def test_nothing_to_follow_is_an_error(run, tmp_path):
    np.savez(tmp_path / "run-1.npz", w=np.float32([np.nan]))
    ran = run("history", tmp_path / "run-1.npz", "--role", "optimizer")
    assert (ran.code, ran.out) == (2, "")
    assert "no step has a tensor of the role optimizer to follow" in ran.err
    assert "first NaN" in run("history", tmp_path / "run-1.npz").out
    np.savez(tmp_path / "empty.npz")
    ran = run("history", tmp_path / "empty.npz", "--role", "all")
    assert ran.err == f"ckptread: {tmp_path / 'empty.npz'}: no tensors to follow, neither here nor in a later step\n"
    assert run("history", tmp_path / "nope").err.startswith("ckptread: ")


def test_a_pattern_that_matches_nothing_in_any_step_is_an_error(run, run_folder):
    ran = run("history", run_folder, "--pattern", "nosuch/**")
    assert (ran.code, ran.out) == (2, "")
    assert "no tensor of the role model matches 'nosuch/**' in any step" in ran.err


def test_two_checkpoints_are_open_at_a_time(run_folder, monkeypatch):
    open_now, most = set(), []

    def opening(path, **options):
        reader = open_checkpoint(path, **options)
        close = reader.close
        open_now.add(path)
        most.append(len(open_now))
        reader.close = lambda: (open_now.discard(path), close())
        return reader

    open_checkpoint = opening_module.open_checkpoint
    monkeypatch.setattr(opening_module, "open_checkpoint", opening)
    assert len(list(follow_steps(find_steps([str(run_folder)])))) == 3
    assert (max(most), open_now) == (2, set())


@needs_shared
def test_a_real_run_of_an_estimator_is_followed(run):
    ran = run("history", SHARED / "tf1-estimator-taxi", "--by", "all", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [(row["step"], row["tensors"]) for row in rows] == [("999", "20"), ("1000", "20")]
    assert 0 < float(rows[1]["change"]) < 1e-3


def test_checkpoints_that_are_no_series_are_named(run, tmp_path):
    for name in ("before.npz", "step-1.npz", "step-2.npz"):
        np.savez(tmp_path / name, w=np.arange(3.0))
    assert "not one numbered series (before.npz, step-#.npz)" in run("history", tmp_path).err
    (tmp_path / "before.npz").unlink()
    assert run("history", tmp_path).err == ""


def test_what_a_save_that_died_left_is_no_step(run, tmp_path):
    for step in (2, 3):
        write(tmp_path / f"ckpt-{step}", {"w": np.arange(3, dtype="float32")})
    for folder in ("ckpt-4_temp", "ckpt-4_temp_0123abcd"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "part-00000-of-00001", {"w": np.arange(3, dtype="float32")})
    ran = run("history", tmp_path)
    assert "2 checkpoints, steps 2 to 3" in ran.out
    assert (ran.code, ran.err) == (0, "")


def test_nothing_is_said_of_nan_where_no_value_was_judged(run, tmp_path):
    np.savez(tmp_path / "opaque-1.npz", w=np.zeros(2, "V2"))
    ran = run("history", tmp_path / "opaque-1.npz")
    assert ("could not be judged" in ran.out, "no NaN" in ran.out) == (True, False)
    write(tmp_path / "ckpt-1", {"w": np.arange(3, dtype="float32")})
    (tmp_path / "ckpt-1.data-00000-of-00001").unlink()
    ran = run("history", tmp_path / "ckpt-1")
    assert (ran.code, "no NaN" in ran.out) == (2, False)
