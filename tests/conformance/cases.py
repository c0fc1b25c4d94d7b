"""The table of checkpoints that the suites run over: fixtures/, and ../shared/cases where that folder exists.

A new format is a row here: a folder below fixtures/ with its files and an ``expected.json``, which the library that
wrote them made (fixtures/make).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
SHARED = ROOT.parent / "shared" / "cases"
"""Real checkpoints, too large for the repository: a clone with nothing next to it skips the tests that read them."""
REPORTED = ROOT.parent / "shared" / "findings" / "cases"
"""More of them, in which something was reported; some files are no checkpoint."""
HOSTILE = ROOT.parent / "shared" / "hostile"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared/cases is absent")
needs_hostile = pytest.mark.skipif(not HOSTILE.is_dir(), reason="the folder ../shared/hostile is absent")


@dataclass(frozen=True)
class Case:
    """One checkpoint, and what is expected of it."""

    name: str
    folder: Path
    path: str
    """What is opened: a file, a folder, or the prefix of a TensorFlow checkpoint, absolute."""
    format: str
    tensors: dict[str, dict[str, Any]]
    """By key: shape, dtype, sha256 (None where even the library that wrote it could not read it)."""
    keras: dict[str, Any] | None = None
    """What Keras says of the model: "weights" (name, shape, trainable) and "count_params"."""

    @property
    def by_tensorflow(self) -> bool:
        """Whether TensorFlow's own reader can open it too."""
        return self.format in {"tf-bundle", "tf-v1", "saved-model"}


def _cases(root: Path) -> list[Case]:
    return [
        Case(
            f"{file.parent.name}/{path}", file.parent, str(file.parent / path),
            case["format"], case["tensors"], case.get("keras"),
        )
        for file in sorted(root.glob("*/expected.json"))
        for path, case in json.loads(file.read_text())["checkpoints"].items()
    ]  # fmt: skip


CASES = _cases(FIXTURES)
SHARED_CASES = _cases(SHARED)
REPORTED_CASES = _cases(REPORTED)
EXTERNAL_LINKS = {
    "h5-jhdf/external_link.hdf5": "every dataset lies behind a link to another file, which is refused",
    "h5-jhdf/test_file2.hdf5": "one dataset lies behind a link to another file, which is refused",
}
"""Where we differ from the reference on purpose: links out of a file are listed, and never followed."""


ONE_EACH = {case.format: case for case in CASES}
"""One checkpoint of each format."""


def all_but_one(case: Case) -> bool:
    """For a test that takes long for any checkpoint: all but one of each format are slow."""
    return ONE_EACH.get(case.format) is not case


def each(cases: list[Case], slow: Callable[[Case], bool] = lambda _: False) -> Any:
    """Run a test for each of these cases, some marked slow; where there are none, skip it once."""
    absent = pytest.param(None, marks=needs_shared, id="absent")
    params = [pytest.param(case, id=case.name, marks=pytest.mark.slow if slow(case) else ()) for case in cases]
    return pytest.mark.parametrize("case", params or [absent])
