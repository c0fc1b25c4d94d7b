"""Rows fit the terminal as far as they can, and nothing is cut where there is none."""

import pytest

from ckptread.reports.report import Table
from ckptread.reports.table import LEAST_WIDTH, table_lines
from ckptread.reports.widths import columns

NAMES = ["encoder/layer_0/attention/query/kernel", "encoder/layer_0/attention/query/bias"]
PROBLEM = "its shard model.ckpt-0.data-00001-of-00002 is missing"
TABLE = Table(
    ["name", "shape", ">bytes", "problem"], [[NAMES[0], "(8, 8)", "256", PROBLEM], [NAMES[1], "(8,)", "32", ""]]
)


def test_nothing_is_cut_where_there_is_no_terminal():
    lines = list(table_lines(TABLE, None))
    assert lines[1].split() == [NAMES[0], "(8,", "8)", "256", *PROBLEM.split()]


@pytest.mark.parametrize("width", [200, 100, 80, 70])
def test_rows_fit_the_terminal(width):
    lines = list(table_lines(TABLE, width))
    assert max(map(len, lines)) <= width
    assert all("query/" in line for line in lines[1:])


def test_names_and_remarks_stay_legible_on_the_narrowest_terminal():
    name, *_ = list(table_lines(TABLE, 10))[1].split()
    assert len(name) == LEAST_WIDTH


PATTERNS = [
    "{}/layer/with/a/long/path/kernel",
    "model/block/{}/_conv/kernel/.ATTRIBUTES/VARIABLE_VALUE",
    "model/with/a/long/path/kernel_{}",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_names_that_differ_stay_different(pattern):
    names = [pattern.format(word) for word in ("forward", "backward", "sideways")]
    lines = list(table_lines(Table(["name", ">bytes"], [[name, "4"] for name in names]), 34))
    assert len(set(lines)) == 4
    assert max(map(len, lines)) <= 34


def test_one_column_is_a_table_too():
    assert list(table_lines(Table(["name"], [["a" * 50]]), 30))[1] == "a" * 10 + "…" + "a" * 19


def test_a_long_remark_is_cut_at_its_end():
    table = Table(["name", "note"], [["w", "reordered lstm? the same values in another order"]])
    assert list(table_lines(table, 30))[1] == "w     reordered lstm? the sam…"


@pytest.mark.parametrize(("text", "width"), [
    ("dense", 5),
    ("e\u0301te\u0301", 3),  # an accent stands over its letter
    ("重み", 4),  # two columns a letter
    ("קָמָץ", 3),
    ("…", 1),
])  # fmt: skip
def test_a_text_is_as_wide_as_its_letters(text, width):
    assert columns(text) == width


def test_columns_stand_below_each_other_whatever_letters_names_have():
    names = ["e\u0301e\u0301/kernel", "重み/バイアス", "plain"]
    lines = list(table_lines(Table(["name", ">bytes"], [[name, "4"] for name in names]), None))
    assert {columns(line) for line in lines} == {len("重み/バイアス") * 2 - 1 + 2 + len("bytes")}


@pytest.mark.parametrize("letter", ["e\u0301", "重", "x"])
@pytest.mark.parametrize("width", range(20, 31))
def test_names_of_any_letters_are_cut_to_the_terminal(letter, width):
    lines = list(table_lines(Table(["name"], [[letter * 60]]), width))
    assert width - 2 <= columns(lines[1]) <= width
    assert not lines[1].partition("…")[2].startswith("\u0301")
