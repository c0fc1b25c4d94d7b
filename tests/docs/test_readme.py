"""The Python examples in the READMEs run, and read what numpy reads; docs/make.py --check replays the transcripts."""

import re
import shlex

import numpy as np
import pytest

import ckptread
from ckptread.cli.completion.grammar import COMMANDS, OPTIONS
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


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_every_command_that_is_named_has_these_options(page):
    text = (ROOT / page).read_text()
    lines = re.findall(r"`ckptread ([^`]+)`|^(?:\$ )?ckptread (.+)$", text, re.MULTILINE)
    commands = [shlex.split(one or other, comments=True) for one, other in lines]
    assert len(commands) > 15
    unknown = [
        (words[0], word) for words in commands if words[0] in COMMANDS for word in words[1:]
        if word.startswith("-") and word not in COMMANDS[words[0]][1]
    ]  # fmt: skip
    assert unknown == []
    assert {words[0] for words in commands} - COMMANDS.keys() - OPTIONS.keys() == {"model.keras"}
