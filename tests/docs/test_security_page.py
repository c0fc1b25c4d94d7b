"""docs/security.md names tests: each is there, and each limit is a constant of that name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


@pytest.mark.slow
def test_every_test_that_the_page_names_is_there():
    named = set(re.findall(r"`(tests/[\w/]+\.py::[^`]+)`", PAGE))
    files = sorted({name.partition("::")[0] for name in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", *files]
    plain = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=plain)
    listed = ran.stdout.split("\n")
    assert len(named) > 15
    assert named <= set(listed)


def test_every_limit_that_the_page_names_is_a_constant():
    source = "\n".join(path.read_text() for path in (ROOT / "ckptread").rglob("*.py"))
    limits = PAGE.partition("## Limits")[2].partition("## Known")[0]
    for name in re.findall(r"`([A-Z][A-Z_]+)`", limits):
        assert re.search(rf"^{name}\b.* = ", source, re.MULTILINE), name
