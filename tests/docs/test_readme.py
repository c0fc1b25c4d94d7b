"""The Python examples in README.md run, and read what numpy reads; docs/make.py --check replays its transcripts."""

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
