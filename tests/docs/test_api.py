"""The examples in the docstrings of the public names run, from the root of the repository."""

import doctest

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import ROOT

PUBLIC = {"ckptread": ckptread, **{name: getattr(ckptread, name) for name in ckptread.__all__}}
EXAMPLES = [
    example
    for name, value in PUBLIC.items()
    for example in doctest.DocTestFinder(recurse=name != "ckptread").find(value, name, module=False, globs={"np": np})
    if example.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_prints_what_it_shows(example, monkeypatch):
    monkeypatch.chdir(ROOT)
    report = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=report.append)
    assert failed == 0, "".join(report)


def test_no_example_is_skipped():
    assert [one.name for one in EXAMPLES if any(doctest.SKIP in each.options for each in one.examples)] == []
