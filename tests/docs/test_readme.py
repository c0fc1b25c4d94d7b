"""The Python examples in the READMEs run, and read what numpy reads; docs/make.py --check replays the transcripts."""

import re

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import ROOT


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_examples_in_python_run(page, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        names = {}
        exec(compile(block, page, "exec"), names)
    printed = capsys.readouterr().out
    with ckptread.open(names["checkpoint"].path) as checkpoint:
        np.testing.assert_array_equal(names["whole"], checkpoint.read("layers/dense_1/vars/0"))
    assert "head/kernel (2, 1) float32 True" in printed
    np.testing.assert_array_equal(names["first"], names["whole"][:1])
    assert "fixtures/keras3/model.keras 118 104 472" in printed  # 14 of the 118 are frozen, or moving averages
