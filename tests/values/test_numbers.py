"""Which values a verdict judges: numbers wherever they are; text passes; opaque bytes, references and dates do not."""

import ml_dtypes
import numpy as np
import pytest

from ckptread.operations.check.rule_checker import check_rules
from ckptread.operations.check.rules import Rule
from ckptread.values.numbers import numbers_in, why_unjudged
from ckptread.values.running_statistics import RunningStatistics
from tests.in_memory import InMemory


def objects(*values):
    array = np.empty(len(values), object)
    for n, value in enumerate(values):
        array[n] = value
    return array


SMALL = [
    name
    for name in (
        "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz",
        "float8_e3m4", "float8_e4m3", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn",
        "int2", "int4", "uint2", "uint4",
    )
    if hasattr(ml_dtypes, name)
]  # fmt: skip
NUMBERS = [
    np.ones(3, name)
    for name in (
        "?",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        ">f4",
        ">i8",
        "c8",
        "c16",
        "g",
        "G",
    )
] + [np.ones(3, getattr(ml_dtypes, name)) for name in SMALL]
TEXTS = [np.array([b"a", b"b"]), np.array(["a", "b"]), objects(b"a", b"b")]
WITH_NUMBERS = [
    np.ones(2, [("n", "i4"), ("x", "f4")]),
    np.ones(2, [("inner", [("x", "f8")])]),
    np.ones(2, [("x", "f4", (2, 3)), ("name", "S3")]),
    objects(np.ones(2, "f4"), np.ones(0, "f4"), np.ones(1, "f8")),
    objects(objects(np.ones(2, "f4"))),
]
UNJUDGED = [
    np.zeros(2, "V1"), np.zeros(2, "V2"), np.zeros(2, "V16"), np.zeros(2, [("raw", "V2"), ("x", "f4")]),
    np.zeros(2, [("inner", [("raw", "V2")])]), objects(object(), object()), np.array(["NaT"], "M8[s]"),
    np.array(["NaT"], "m8[s]"), objects(np.zeros(2, "V2")),
]  # fmt: skip
RULES = [
    Rule("no-nan"), Rule("no-inf"), Rule("finite"), Rule("no-zero", "*"), Rule("max-abs", None, 10.0),
]  # fmt: skip


def label(value):
    return value.text if isinstance(value, Rule) else str(value.dtype)


class Values(InMemory):
    """One tensor of any dtype: statistics ask only for its values."""

    def __init__(self, array):
        super().__init__(a=array)
        import msgspec

        name = str(array.dtype.descr) if array.dtype.names else array.dtype.str if array.dtype.kind in "SUVMm" else None
        if name is not None and array.dtype.type.__module__ == "numpy":
            self.tensors["a"] = msgspec.structs.replace(self.tensors["a"], dtype=name)


def outcome(array, rule):
    """Return 'judged', 'cannot apply' (where that is all there is, the rule fails), 'fails' or 'passes'."""
    [found] = check_rules(Values(array), [rule])
    if found.passed:
        return "passes"
    return "cannot apply" if found.problem.startswith("nothing was judged") else found.offenders[0].reason


@pytest.mark.parametrize("rule", RULES, ids=label)
@pytest.mark.parametrize("array", NUMBERS + WITH_NUMBERS, ids=label)
def test_numbers_are_judged_wherever_they_are(array, rule):
    assert outcome(array, rule) == "passes"


@pytest.mark.parametrize("rule", RULES, ids=label)
@pytest.mark.parametrize("array", TEXTS, ids=label)
def test_text_passes_and_has_no_magnitude(array, rule):
    assert outcome(array, rule) == ("cannot apply" if rule.name == "max-abs" else "passes")


@pytest.mark.parametrize("rule", RULES, ids=label)
@pytest.mark.parametrize("array", UNJUDGED, ids=label)
def test_what_cannot_be_judged_fails_every_rule_on_values(array, rule):
    assert "cannot be judged" in outcome(array, rule) or outcome(array, rule) == "all zeros"


@pytest.mark.parametrize("rule", RULES, ids=label)
@pytest.mark.parametrize("array", [*NUMBERS, *TEXTS, *UNJUDGED], ids=label)
def test_a_rule_on_no_values_has_judged_nothing(array, rule):
    assert outcome(array[:0], rule) == "cannot apply"


def fill(array, number):
    """Return a copy with ``number`` as the last number that can hold it."""
    if array.dtype == object:
        return objects(*(fill(each, number) if isinstance(each, np.ndarray) and each.size else each for each in array))
    copy = array.copy()
    places = [copy] if copy.dtype.names is None else [copy[name] for name in copy.dtype.names]
    for place in places:
        inner = place["x"] if place.dtype.names else place
        if inner.dtype.kind in "fc" or "float" in inner.dtype.name:
            inner.reshape(-1)[-1:] = number
            inner.flat[-1] = number
    return copy


FLOATS = [a for a in NUMBERS if a.dtype.kind in "fc" or a.dtype.name in ("bfloat16", "float8_e5m2")]


@pytest.mark.parametrize("array", FLOATS + WITH_NUMBERS, ids=label)
@pytest.mark.parametrize(
    ("number", "broken"), [(np.nan, {"no-nan", "finite"}), (np.inf, {"no-inf", "finite", "max-abs"})]
)
def test_a_nan_or_an_infinity_is_found_in_every_kind_of_value(array, number, broken):
    assert {rule.name for rule in RULES if outcome(fill(array, number), rule) != "passes"} == broken


def test_a_record_of_zeros_is_all_zeros_and_its_magnitude_is_that_of_its_largest_number():
    record = np.zeros(2, [("n", "i8"), ("x", "f4")])
    assert outcome(record, Rule("no-zero", "*")) == "all zeros"
    record["n"][1] = -11
    assert outcome(record, Rule("max-abs", None, 10.0)) == "11"


@pytest.mark.parametrize("array", [*TEXTS, *UNJUDGED], ids=label)
def test_nothing_is_counted_where_there_is_no_number(array):
    if array.dtype.names is None or not list(numbers_in(array)):
        running = RunningStatistics()
        running.add(array)
        assert (running.result().nans, running.result().infs) == (None, None)
        assert running.result().unjudged == why_unjudged(array)
