"""No text of a file, of its name or of an option reaches a terminal, a page or a spreadsheet as more than text."""

import csv
import io
import re

import pytest

import ckptread
from ckptread.formats.registry import FORMATS
from tests.hostile.hostile_text import FILE, TEXT, write_checkpoints, write_listing, write_mapping, write_rules

RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
UNSEEN = re.compile("[\ufe00-\ufe0f\u115f\u1160\u3164\u034f\U000e0000-\U000e0fff\uffa0\u2800\u17b4\u17b5\u180b-\u180f]")
LAYOUTS = [
    "table", "markdown", *(pytest.param(layout, marks=pytest.mark.slow) for layout in ("json", "csv", "html"))
]  # fmt: skip
VIEWS = [[], ["--tree"], ["--layers", "--depth", "3"], ["--model"], ["--stats"], ["--names", "both"], ["--depth", "2"]]
NAME = TEXT.replace("\0", "")


def judge(ran):
    for text in (ran.out, ran.err):
        assert not RAW.search(text), text
        assert not UNSEEN.search(text), text
        assert "\t" not in text, text
    assert "internal error" not in ran.err, ran.err
    assert ran.code in (0, 1, 2), ran


def judge_layout(layout, text):
    if layout == "csv":
        for row in csv.reader(io.StringIO(text)):
            assert not [cell for cell in row if cell[:1] in ("=", "@", "\uff1d")]
    if layout == "html":
        assert "<img" not in text
        assert "<b>" not in text
    if layout == "markdown":
        judge_markdown(text)


def judge_markdown(text):
    """As the library reads it, nothing but code is more than plain words."""
    MarkdownIt = pytest.importorskip("markdown_it").MarkdownIt
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        for part in token.children or ():
            assert part.type in ("text", "code_inline", "softbreak"), part
            assert part.type == "code_inline" or not re.search(r"[@#<>&~*\[\]`$:/]|[a-z]\.[a-z]", part.content), part


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    return write_checkpoints(tmp_path_factory.mktemp("hostile"))


def opened(paths):
    """Yield those that are a checkpoint, open."""
    for path in paths:
        try:
            reader = ckptread.open(path)
        except ckptread.CheckpointError:
            continue
        with reader:
            yield reader


def test_every_format_has_a_checkpoint_with_hostile_text_in_its_names(checkpoints):
    formats = {reader.format: " ".join(info.name for info in reader.tensors.values()) for reader in opened(checkpoints)}
    assert set(formats) == {row.name for row in FORMATS}
    assert all("\x1b" in names or name == "npy" for name, names in formats.items())


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["table", "json"])
def test_every_tensor_is_shown(run, checkpoints, layout):
    for reader in list(opened(checkpoints)):
        for key in reader.tensors:
            if "\0" not in key:
                judge(run("show", reader.path, "--format", layout, "--", key))
                judge(run("show", reader.path, "--slice", "0", "--", key))


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_listings(run, checkpoints, layout):
    for path in checkpoints:
        for view in VIEWS:
            ran = run("inspect", path, "--format", layout, *view)
            judge(ran)
            judge_layout(layout, ran.out)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_reads_values(run, checkpoints, tmp_path, layout):
    listing, other = write_listing(tmp_path / "listing.txt"), checkpoints[0]
    for path in checkpoints:
        for arguments in (
            ("digest", path, "--role", "all"), ("digest", path, "--check", listing), ("verify", path),
            ("history", path, path, "--role", "all", "--by", "tensor"), ("diff", path, other), ("diff", other, path),
            ("check", path, "--finite", "--has", NAME, "--dtype", "float64", "--max-abs", "0"),
        ):  # fmt: skip
            ran = run(*arguments, "--format", layout)
            judge(ran)
            judge_layout(layout, ran.out)


@pytest.mark.slow
def test_other_commands_and_options(run, checkpoints, tmp_path):
    mapping = write_mapping(tmp_path / "map.json")
    for at, path in enumerate(checkpoints):
        for arguments in (
            ("textconv", path), ("show", path, NAME), ("show", path, "w", "--slice", NAME), ("inspect", path, NAME),
            ("diff", path, path, "--match", mapping), ("diff", path, path, "--match", NAME),
            ("inspect", path, "--format", NAME), ("inspect", path, "--x" + NAME), ("inspect", path, "--depth", NAME),
            ("inspect", path, "--exclude", NAME), ("check", path, "--max-abs", NAME), ("check", path, "--dtype", NAME),
            ("extract", path, NAME, "-o", tmp_path / "x.npy"), ("extract", path, "**", "-o", tmp_path / f"e{at}"),
            ("salvage", path, "-o", tmp_path / f"s{at}"), ("salvage", path, "-o", tmp_path / FILE),
        ):  # fmt: skip
            judge(run(*arguments))


@pytest.mark.parametrize("layout", LAYOUTS[:4])
def test_rules(run, checkpoints, tmp_path, layout):
    path = next(path for path in checkpoints if path.name == "a.npz")
    for rules in write_rules(tmp_path):
        judge(run("check", path, "--rules", rules, "--format", layout))


def test_commands_and_files_that_are_not_there(run, tmp_path):
    for arguments in ((NAME,), ("inspect", NAME), ("inspect", tmp_path / NAME / NAME), ("history", NAME)):
        judge(run(*arguments))
