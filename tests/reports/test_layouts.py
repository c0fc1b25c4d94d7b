"""A report in each layout."""

import csv as csv_module
import io
import sys
from html.parser import HTMLParser

import msgspec
import pytest

from ckptread.errors import UsageError
from ckptread.reports.csv import as_csv
from ckptread.reports.document import Document
from ckptread.reports.frame import data_frame
from ckptread.reports.html import NOTEBOOK_ROWS, as_html, as_html_fragment
from ckptread.reports.json import as_json
from ckptread.reports.markdown import as_markdown
from ckptread.reports.report import Facts, Line, Report, Reportable, Table
from ckptread.reports.text import block_lines

EVIL = "<script>alert('x')</script> & \"y\""


class Part(msgspec.Struct):
    name: str
    size: int


class PartsDocument(Document, kw_only=True):
    path: str
    parts: list[Part]


class Parts(Report):
    """A report of a few parts."""

    def __init__(self, *names):
        self.names = names

    def document(self):
        return PartsDocument(path="p", parts=[Part(name, at) for at, name in enumerate(self.names)])

    def tables(self):
        return [Table(["name", ">size"], ([name, str(at)] for at, name in enumerate(self.names)))]

    def lines(self):
        yield Line("the parts", "title")
        yield Facts([("one", EVIL)])
        yield from self.tables()
        yield Line("FAIL " + EVIL, "bad")
        yield Line("that was all", "prose")

    def notes(self):
        return [EVIL]


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


def parsed(html):
    found = Elements()
    found.feed(html)
    return found


def test_html_is_escaped_and_has_no_script():
    html = "".join(as_html(Parts(EVIL)))
    found = parsed(html)
    assert "script" not in found.tags
    assert found.text.count(EVIL) == 4
    assert found.tags.count("tr") == 1 + 2


def test_html_suits_dark_and_light():
    html = "".join(as_html(Parts("a")))
    assert 'name="color-scheme" content="light dark"' in html
    assert "background" not in html
    assert "#fff" not in html


def test_a_notebook_shows_the_first_rows_and_how_many_more_there_are():
    html = as_html_fragment(Parts(*map(str, range(NOTEBOOK_ROWS + 5))))
    assert parsed(html).tags.count("tr") == 1 + 1 + NOTEBOOK_ROWS
    assert "and 5 more rows" in html
    assert "<html" not in html


def test_csv_and_markdown_have_the_tables():
    rows = list(csv_module.reader(io.StringIO("".join(as_csv(Parts("a", "=b", "-1"))))))
    assert rows == [["name", "size"], ["a", "0"], ["'=b", "1"], ["-1", "2"]]
    assert "".join(as_markdown(Parts("a|b"))) == "| name | size |\n| --- | ---: |\n| `a\\|b` | 0 |\n"


def test_a_spreadsheet_takes_no_cell_for_a_formula_or_for_two():
    text = "".join(as_csv(Parts("a;=1+1", "\uff1dcmd", "\u00a0=1", "-1e5", 'a"b')))
    assert text.splitlines()[1:] == ['"a;=1+1",0', '"\'\uff1dcmd",1', "\\xa0=1,2", "-1e5,3", '"a""b",4']


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a`b", "``a`b``"), ("`", "`` ` ``"), ("a|b``", "``` a\\|b`` ```"), (" a ", "`  a  `"), ("www.x.y", "`www.x.y`")],
)
def test_markdown_shows_names_as_code(name, shown):
    assert "".join(as_markdown(Parts(name))).splitlines()[2] == f"| {shown} | 0 |"


def test_json_is_the_document_with_a_space_per_level():
    assert "".join(as_json(Parts("ü"))) == (
        '{\n "schema": 1,\n "path": "p",\n "parts": [\n  {\n   "name": "\\u00fc",\n   "size": 0\n  }\n ]\n}\n'
    )


def test_a_document_of_nothing_but_data():
    class Odd(Document, kw_only=True):
        value: object

    with pytest.raises(TypeError):
        "".join(as_json(type("OddReport", (Report,), {"document": lambda self: Odd(value=object())})()))


def test_lines_are_coloured_and_wrapped_where_asked():
    [title] = block_lines(Line("a b", "title"), None, colour=True)
    [verdict] = block_lines(Line("  FAIL a b", "bad"), None, colour=True)
    assert (title, verdict) == ("\x1b[1ma b\x1b[0m", "  \x1b[31mFAIL\x1b[0m a b")
    assert list(block_lines(Line("  aaaa bbbb", "prose"), 8, colour=False)) == ["  aaaa", "      bbbb"]
    assert list(block_lines(Line("aaaa bbbb"), 8, colour=False)) == ["aaaa bbbb"]


def test_facts_are_aligned_and_wrapped_on_a_terminal_only():
    facts = Facts([("a", "x " * 40), ("label", "y")], indent="  ")
    assert list(block_lines(facts, None, colour=False)) == ["  a      " + "x " * 40, "  label  y"]
    assert len(list(block_lines(facts, 60, colour=False))) == 3


def test_optional_columns_give_way_on_a_narrow_terminal():
    table = Table(["name", "dtype", ">size"], [["n" * 30, "float32", "1" * 30]], ["dtype"])
    assert "float32" not in "".join(block_lines(table, 60, colour=False))
    assert "float32" in "".join(block_lines(table, None, colour=False))


class Found(Reportable):
    def report(self):
        return Parts("a", "b")


def test_a_result_shows_in_a_notebook():
    assert "<table>" in Found()._repr_html_()


def test_without_pandas_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        Found().to_pandas()


def test_the_rows_of_a_frame_are_the_last_list_of_the_document(monkeypatch):
    """pandas itself is not a dependency: what it is given is."""
    given = []
    fake = type(sys)("pandas")
    fake.json_normalize = given.extend
    monkeypatch.setitem(sys.modules, "pandas", fake)
    data_frame(Parts("a", "b"))
    assert given == [{"name": "a", "size": 0}, {"name": "b", "size": 1}]
