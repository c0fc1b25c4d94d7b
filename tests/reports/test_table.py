"""Rows fit the terminal as far as they can, and nothing is ever cut."""

import re

import pytest

from ckptread.reports.report import Cell, Table
from ckptread.reports.table import table_lines
from ckptread.reports.widths import columns

NAMES = ["encoder/layer_0/attention/query/kernel", "encoder/layer_0/attention/query/bias"]
PROBLEM = "its shard model.ckpt-0.data-00001-of-00002 is missing"
TABLE = Table(
    ["name", "shape", ">bytes", "problem"], [[NAMES[0], "(8, 8)", "256", PROBLEM], [NAMES[1], "(8,)", "32", ""]]
)


def test_without_a_width_a_row_is_one_line():
    lines = list(table_lines(TABLE, None))
    assert lines[1].split() == [NAMES[0], "(8,", "8)", "256", *PROBLEM.split()]


@pytest.mark.parametrize("width", [200, 100, 80, 70])
def test_rows_fit_the_terminal(width):
    lines = list(table_lines(TABLE, width))
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines[1:] if "query/" in line] == NAMES


@pytest.mark.parametrize("width", [200, 80, 60, 10])
def test_every_name_and_every_remark_is_complete_at_any_width(width):
    lines = list(table_lines(TABLE, width))
    words = [word for line in lines[1:] for word in line.split()]
    assert [word for word in words if word in NAMES] == NAMES
    assert sum(PROBLEM in line for line in lines) == 1


def test_optional_columns_are_left_out_before_a_name_has_a_line_of_its_own():
    table = Table(["name", "dtype", ">bytes"], [["n" * 30, "float32", "4"]], ["bytes", "dtype"])
    assert list(table_lines(table, 50))[1].split() == ["n" * 30, "float32", "4"]
    assert list(table_lines(table, 40))[1].split() == ["n" * 30, "float32"]
    assert list(table_lines(table, 30))[1].split() == ["n" * 30]


def test_one_long_name_among_many_leaves_the_columns_of_all():
    names = ["n" * (60 if at == 5 else 20) for at in range(20)]
    lines = list(table_lines(Table(["name", ">bytes"], [[name, "4096"] for name in names], ["bytes"]), 40))
    assert sum("4096" in line for line in lines) == 20
    assert "n" * 60 in lines
    assert max(len(line) for line in lines if line != "n" * 60) <= 40


def test_names_that_never_fit_have_the_rest_of_their_row_on_a_second_line():
    names = [f"{at}" * 60 for at in range(1, 4)]
    lines = list(table_lines(Table(["name", ">bytes"], [[name, "4"] for name in names], ["bytes"]), 40))
    assert lines[1::2] == names
    assert {line.strip() for line in lines[2::2]} == {"4"}


def test_a_column_of_short_words_stays_in_its_row():
    lines = list(table_lines(Table(["name", "trainable"], [["n" * 60, "yes"]]), 40))
    assert lines[0].split() == ["name", "trainable"]
    assert (lines[1], lines[2].split(), len(lines)) == ("n" * 60, ["yes"], 3)


def test_cells_have_the_colour_of_what_they_are():
    table = Table(["name", ">NaN"], [[Cell("dense", "frozen"), Cell("1,000", "nan")], ["bias", "0"]])
    plain = list(table_lines(table, 80))
    painted = list(table_lines(table, 80, colour=True))
    assert painted[1] == "\x1b[36mdense\x1b[0m  \x1b[1;31m1,000\x1b[0m"
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in painted] == plain


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
