"""Promises: each rule passes where it holds, and fails with the tensors that break it."""

import json

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.errors import CheckpointError
from ckptread.operations.check.rule_checker import check_rules
from ckptread.operations.check.rules import Rule, read_rules, rules_from
from tests.conformance.cases import FIXTURES, ROOT, SHARED, needs_shared
from tests.conftest import write
from tests.in_memory import InMemory

GOOD = {
    "backbone/kernel": np.array([[1.0, -2.0]], "float32"),
    "backbone/bias": np.array([0.0, 0.5], "float32"),
    "head/kernel": np.array([3.0], "float32"),
    "step": np.array(5, "int64"),
}


def broken_by(rule, **arrays):
    """Return what of these tensors breaks a rule: names and reasons."""
    [outcome] = check_rules(InMemory(**arrays), [rule])
    return {offender.name: offender.reason for offender in outcome.offenders} or outcome.problem


NAN, INF = np.array([1, np.nan], "float32"), np.array([-np.inf, 2], "float16")
COMPLEX = np.array([3 + 4j, complex("nan")], "complex64")


@pytest.mark.parametrize(
    ("rule", "arrays", "broken"),
    [
        (Rule("no-nan"), {"a": NAN, "b": INF}, {"a": "1 NaN"}),
        (Rule("no-inf"), {"a": NAN, "b": INF}, {"b": "1 Inf"}),
        (Rule("finite"), {"a": NAN, "b": INF, "c": np.ones(2)}, {"a": "1 NaN", "b": "1 Inf"}),
        (Rule("finite", "c"), {"a": NAN, "c": np.ones(2)}, ""),
        (Rule("finite"), {"s": np.array([b"x"], object), "e": np.zeros(0)}, ""),
        (Rule("no-zero", "*"), {"a": np.zeros(3), "b": np.array([0, 1]), "e": np.zeros(0)}, {"a": "all zeros"}),
        (Rule("max-abs", None, 2.0), {"a": np.array([-2.5]), "b": np.array([2]), "n": NAN}, {"a": "2.5"}),
        (Rule("max-abs", "b", 2.0), {"a": np.array([-2.5]), "b": np.array([2])}, ""),
        (Rule("max-abs", None, 100.0), {"a": INF}, {"a": "inf"}),
        (Rule("max-abs", None, 4.9), {"z": COMPLEX}, {"z": "5"}),
        (Rule("max-abs", None, 5.0), {"z": COMPLEX}, ""),
        (Rule("max-abs", None, 127.0), {"i": np.array([-128], "int8")}, {"i": "128"}),
        (Rule("dtype", None, "float64"), {"a": np.ones(1), "b": np.ones(1, "f4")}, {"b": "float32"}),
        (Rule("dtype", "a", "float64"), {"a": np.ones(1), "b": np.ones(1, "f4")}, ""),
        (Rule("params", None, 6), {"a": np.ones((2, 2)), "b": np.ones(2)}, ""),
        (Rule("params", None, 7), {"a": np.ones((2, 2)), "b": np.ones(2)}, "there are 6"),
        (Rule("has", "a"), {"a": NAN}, ""),
    ],
)
def test_a_rule_is_broken_by_what_breaks_it(rule, arrays, broken):
    assert broken_by(rule, **arrays) == broken


@pytest.mark.parametrize("name", ["no-nan", "no-inf", "finite", "no-zero", "has", "frozen", "changed"])
def test_a_pattern_that_matches_nothing_fails(name):
    same = InMemory(a=np.ones(1))
    [outcome] = check_rules(same, [Rule(name, "nosuch/*")], before=same)
    assert not outcome.passed
    assert "no tensor matches the pattern 'nosuch/*'" in outcome.problem


def test_a_role_without_tensors_fails():
    [outcome] = check_rules(InMemory(a=np.ones(1)), [Rule("finite")], role="optimizer")
    assert (outcome.passed, "of the role optimizer" in outcome.problem) == (False, True)


def frozen_and_changed(before, after, pattern="*"):
    rules = [Rule("frozen", pattern), Rule("changed", pattern)]
    outcomes = check_rules(InMemory(**after), rules, before=InMemory(**before))
    return [{offender.name: offender.reason for offender in outcome.offenders} for outcome in outcomes]


def test_frozen_and_changed_are_opposites_of_the_values():
    before = {"a": np.array([1.0, np.nan]), "b": np.array([1.0, 2.0])}
    after = {"a": np.array([1.0, np.nan]), "b": np.array([1.0, 3.0])}
    assert frozen_and_changed(before, after) == [{"b": "1 of 2 elements changed"}, {"a": "is the same"}]


def test_another_shape_or_dtype_is_a_change():
    before = {"a": np.zeros(2), "b": np.zeros(2)}
    after = {"a": np.zeros(3), "b": np.zeros(2, "f4")}
    assert frozen_and_changed(before, after) == [
        {"a": "shape (2,) -> (3,)", "b": "dtype float64 -> float32"}, {},
    ]  # fmt: skip


def test_what_was_not_there_was_neither_frozen_nor_trained():
    found = {"new": "is not in the other one", "old": "is missing here"}
    assert frozen_and_changed({"old": np.zeros(1)}, {"new": np.zeros(1)}) == [found, found]


def test_each_checkpoint_is_compared_with_the_one_to_its_left(run, tmp_path):
    one = write(tmp_path / "one", GOOD)
    two = write(tmp_path / "two", {**GOOD, "head/kernel": np.array([4.0], "float32")})
    three = write(tmp_path / "three", {**GOOD, "head/kernel": np.array([4.0], "float32")})
    rules = ("--frozen", "backbone/**", "--changed", "head/**")
    assert run("check", one, two, *rules).code == 0
    ran = run("check", one, two, three, *rules)
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "1 of 4 rules failed"
    assert f"FAIL  changed head/**     1 of 1 tensor, against {two}" in ran.out
    assert run("check", two, three, *rules, "--base", one).code == 0


def test_the_whole_can_be_compared_with_any_format(run):
    keras3 = FIXTURES / "keras3"
    assert run("check", keras3 / "model.keras", "--same-as", keras3 / "legacy.h5").code == 0
    ran = run("check", keras3 / "model.keras", "--same-as", FIXTURES / "keras2" / "model.h5", "--role", "model")
    assert ran.code == 1
    assert "recurrent_kernel: is not in the other one" in ran.out


def test_parameters_are_counted_as_keras_does(run):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip("keras")

        model = keras.saving.load_model(FIXTURES / "keras3" / "model.keras", compile=False)
    count = model.count_params()
    assert run("check", FIXTURES / "keras3" / "model.keras", "--params", count).code == 0
    ran = run("check", FIXTURES / "keras3" / "model.keras", "--params", count + 1)
    assert ran.code == 1
    assert f"there are {count} in the model" in ran.out


def test_what_cannot_be_read_is_trouble_and_no_pass(run, tmp_path):
    path = write(tmp_path / "a", GOOD)
    data = tmp_path / "a.data-00000-of-00001"
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    ran = run("check", path, "--no-nan", "--has", "step", "--same-as", write(tmp_path / "b", GOOD))
    assert ran.code == 2
    assert ran.out.count("do not have the checksum") == 2
    assert "pass  has step" in ran.out
    assert run("check", path, "--no-nan", "nosuch").code == 2


def test_a_checkpoint_that_cannot_be_opened_hides_no_other(run, checkpoint, tmp_path):
    ran = run("check", tmp_path / "nosuch", checkpoint, "--finite")
    assert ran.code == 2
    assert "there is no such file" in ran.out
    assert "pass  finite" in ran.out
    assert ran.out.splitlines()[-1] == "1 rule passed; 1 checkpoint could not be opened"


@needs_shared
def test_the_weights_that_a_real_archive_lacks_are_missed(run):
    pair = SHARED / "kz-3.13-pair"
    with_weights = run("check", pair / "fixed_model.keras", "--no-zero", "**", "--role", "model")
    assert "no-zero **" in with_weights.out
    ran = run("check", pair / "bugged_model.keras", "--finite", "--role", "model")
    assert (ran.code, "there are no tensors of the role model" in ran.out) == (1, True)


def test_many_offenders_are_cut_short_for_people_alone(run, tmp_path):
    path = write(tmp_path / "a", {f"t{i:02}": np.zeros(1, "float32") for i in range(15)})
    ran = run("check", path, "--no-zero", "*")
    assert ran.out.count("all zeros") == 10
    assert "... and 5 more" in ran.out
    assert run("check", path, "--no-zero", "*", "--format", "csv").out.count("all zeros") == 15


def test_json_says_all(run, tmp_path):
    path = write(tmp_path / "a", GOOD)
    ran = run("check", path, "--max-abs", "2.5", "--has", "step", "--format", "json")
    document = json.loads(ran.out)
    assert (ran.code, document["verdict"]) == (1, "fail")
    magnitude, has = document["checkpoints"][0]["rules"]
    assert (magnitude["rule"], magnitude["value"], magnitude["result"], magnitude["checked"]) == (
        "max-abs",
        2.5,
        "fail",
        4,
    )
    assert [offender["key"] for offender in magnitude["offenders"]] == ["head/kernel", "step"]
    assert (has["rule"], has["pattern"], has["result"], has["offenders"]) == ("has", "step", "pass", [])


EVERY_RULE = """
[other]
ignored = true
[check]
no-nan = true
no-inf = false
finite = ["backbone/**", "head/**"]
no-zero = "head/**"
dtype = { "head/**" = "float32", step = "int64" }
max-abs = 10
has = ["step"]
params = 6
frozen = "backbone/**"
changed = "head/**"
same-as = "b"
base = "b"
role = "model"
"""


def test_rules_stand_in_a_file(tmp_path):
    (tmp_path / "rules.toml").write_text(EVERY_RULE)
    found = read_rules(str(tmp_path / "rules.toml"))
    assert [rule.text for rule in found.rules] == [
        "no-nan", "finite backbone/**", "finite head/**", "no-zero head/**", "dtype head/**=float32",
        "dtype step=int64", "max-abs 10", "has step", "params 6", "frozen backbone/**", "changed head/**",
        f"same-as {tmp_path / 'b'}",
    ]  # fmt: skip
    assert (found.base, found.role) == (str(tmp_path / "b"), "model")


def test_rules_of_a_file_are_checked_with_those_of_the_command(run, tmp_path):
    before = write(tmp_path / "b", {**GOOD, "head/kernel": np.ones(1, "float32")})
    after = write(tmp_path / "a", GOOD)
    (tmp_path / "rules.toml").write_text('[check]\nfrozen = "backbone/**"\nchanged = ["head/**", "step"]\nbase = "b"\n')
    ran = run("check", after, "--rules", tmp_path / "rules.toml", "--finite")
    assert ran.code == 1
    assert ran.out.splitlines()[1:] == [
        "  pass  finite              4 tensors",
        f"  pass  frozen backbone/**  2 tensors, against {before}",
        f"  pass  changed head/**     1 tensor, against {before}",
        f"  FAIL  changed step        1 of 1 tensor, against {before}",
        "          step: is the same",
        "",
        "1 of 4 rules failed",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[check]\nno-nans = true", "there is no rule 'no-nans'. Did you mean no-nan"),
        ("[checks]\nno-nan = true", r"no table \[check\]"),
        ("no-nan = true", r"no table \[check\]"),
        ("check = 3", r"no table \[check\]"),
        ("[check\n", "not a TOML file"),
        ("\xff", "not a TOML file"),
        ("[check]\na = " + "[" * 5000 + "]" * 5000, "not a TOML file|there is no rule"),
        ("[check]\nfinite = 3", "finite: it takes a text"),
        ("[check]\nno-zero = true", "no-zero: it takes a pattern"),
        ("[check]\ndtype = 'float23'", "dtype: there is no dtype 'float23'. Did you mean float"),
        ("[check]\ndtype = { a = 1 }", "dtype: it takes the name of a dtype"),
        ("[check]\nmax-abs = 'foo'", "max-abs: it takes a number that is not negative, not 'foo'"),
        ("[check]\nmax-abs = -1", "max-abs: it takes a number"),
        ("[check]\nmax-abs = true", "max-abs: it takes a number"),
        ("[check]\nmax-abs = nan", "max-abs: it takes a number"),
        ("[check]\nparams = 'many'", "params: it takes a whole number"),
        ("[check]\nparams = 1.5", "params: it takes a whole number"),
        ("[check]\nrole = 'models'", "there is no role 'models'. There are model"),
        ("[check]\nbase = 3", "base: it takes a text"),
        ("[check]\nhas = [[]]", "has: it takes a text"),
    ],
)
def test_a_file_that_makes_no_sense_is_an_error(tmp_path, text, said):
    (tmp_path / "rules.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=said):
        read_rules(str(tmp_path / "rules.toml"))


def test_a_file_of_rules_is_bounded(tmp_path):
    (tmp_path / "rules.toml").write_text("[check]\n" + "#" * (1 << 20))
    with pytest.raises(CheckpointError, match="too large"):
        read_rules(str(tmp_path / "rules.toml"))


def test_the_documented_file_is_one():
    import re

    [example] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "check.md").read_text(), re.DOTALL)
    import tomllib

    stated = {name: value for name, value in tomllib.loads(example)["check"].items() if name not in ("base", "role")}
    assert len(rules_from(stated)) == 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no rule is given"),
        (("--frozen", "a"), "--frozen compares two checkpoints"),
        (("--dtype", "a=float23"), "there is no dtype 'float23'"),
        (("--max-abs", "a=x"), "it takes a number"),
        (("--rules", "nosuch.toml"), "nosuch.toml"),
        (("--frozen", "a", "--base", "nosuch"), "nosuch: there is no such file"),
    ],
)
def test_a_command_that_makes_no_sense_is_an_error(run, checkpoint, options, said):
    ran = run("check", checkpoint, *options)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_every_kind_of_value_in_a_file_is_judged_or_fails(tmp_path):
    """As h5py and numpy write them: lists and records are judged, opaque bytes, dates and references are not."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        lists = file.create_dataset("lists", (2,), h5py.vlen_dtype("f4"))
        lists[0], lists[1] = [1, np.nan], [2]
        file["complex"] = np.array([complex(1, np.inf)], "c8")
        file["dates"] = np.array(["NaT"], "M8[s]").astype(h5py.opaque_dtype("M8[s]"))
        file["enum"] = np.array([0, 1], h5py.enum_dtype({"A": 0, "B": 1}, "i1"))
        file["opaque"] = np.zeros(2, "V4")
        file["record"] = np.array([(1, np.nan)], [("a", "i4"), ("b", "f8")])
        file["references"] = np.array([file.ref], h5py.ref_dtype)
        file["words"] = ["a", "b"]
    inner = np.array([((1.0, np.inf),)], [("n", [("x", "f4"), ("y", "f2")])])
    np.savez(tmp_path / "a.npz", dates=np.array(["NaT"], "M8[D]"), inner=inner, opaque=np.zeros(2, "V3"),
             long=np.array([np.nan], "g"), words=np.array(["a"]), pickled=np.array([None], object))  # fmt: skip
    reasons = {
        "a.h5": {
            "complex": "1 Inf", "dates": "dates cannot be judged", "lists": "1 NaN",
            "opaque": "opaque bytes cannot be judged", "record": "1 NaN", "references": "references cannot be judged",
        },
        "a.npz": {
            "dates": "dates cannot be judged", "inner": "1 Inf", "long": "1 NaN",
            "opaque": "opaque bytes cannot be judged",
            "pickled": "it is an array of Python objects, and pickle is never loaded",
        },
    }  # fmt: skip
    for name, expected in reasons.items():
        [found] = ckptread.check(tmp_path / name, finite=True).checkpoints[0].outcomes
        assert {offender.key: offender.reason for offender in found.offenders} == expected
