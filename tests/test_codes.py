"""The codes of findings and errors: written alike, and all of them in docs/verify.md."""

import ast
import re
from pathlib import Path

import msgspec
import pytest

import ckptread
from ckptread import errors
from ckptread.tensors import Finding, trouble

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTED = re.findall(
    r"^\| `([^`]+)` \|", (ROOT / "docs/verify.md").read_text().split("## Codes")[1].split("\n## ")[0], re.MULTILINE
)
ABOUT_FILES = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.CheckpointError)]


POSITIONAL = {"_report", "_damaged", "_add_problem"}
"""Functions that take a code among their other texts, by its place."""


def texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def used() -> set[str]:
    """Every text of the package that is given as a code."""
    found = {kind.code for kind in ABOUT_FILES}
    for path in (ROOT / "ckptread").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code":
                found |= texts(node.value)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) in POSITIONAL:
                plain = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                found |= {text for text in plain if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", str(text))}
    return found


def test_codes_are_words_in_lower_case_with_dashes_each_listed_once():
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code) for code in DOCUMENTED)
    assert sorted(set(DOCUMENTED)) == DOCUMENTED


def test_every_code_that_is_used_is_documented_and_no_other():
    assert used() - set(DOCUMENTED) == set()
    source = "\n".join(path.read_text() for path in (ROOT / "ckptread").rglob("*.py"))
    assert [code for code in DOCUMENTED if f'"{code}"' not in source] == []


@pytest.mark.parametrize("kind", ABOUT_FILES)
def test_an_error_becomes_a_finding_of_its_code(kind):
    assert trouble(kind("f", "p")).code == kind.code
    found = trouble(kind("f", "p", advice="a", offset=3, code="tf-block"))
    assert msgspec.structs.asdict(found) == {
        "code": "tf-block", "severity": "error", "message": "p", "key": None, "file": "f", "offset": 3, "advice": "a"
    }  # fmt: skip


def test_a_finding_without_a_code_is_refused():
    with pytest.raises(TypeError):
        Finding(severity="note", message="m")
    assert ckptread.Finding is Finding
