"""What README.md shows in Python runs, and prints what numpy says; its transcripts are held by docs/make.py --check."""

import re

import numpy as np

import ckptread
from tests.conformance.cases import ROOT


def test_the_examples_in_python_run(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        names = {}
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    with ckptread.open(names["checkpoint"].path) as checkpoint:
        np.testing.assert_array_equal(names["whole"], checkpoint.read("layers/dense_1/vars/0"))
    assert "head/kernel (2, 1) float32 True" in printed
    np.testing.assert_array_equal(names["first"], names["whole"][:1])


def test_every_page_that_is_linked_exists():
    linked = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert [page for page in linked if not (ROOT / page).exists()] == []
