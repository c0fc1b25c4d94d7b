"""The figures in the READMEs, as docs/performance.md has them: those between two marks, in their order."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"<!-- from docs/performance.md -->.*?<!-- end -->", re.DOTALL)
SECONDS, MEMORY = re.compile(r"\d+\.\d+(?= (?:s|秒)\b)"), re.compile(r"\d+(?= MiB)")
LISTED, SAME = "inspect a TensorFlow checkpoint, 1 GiB", "diff two identical TensorFlow checkpoints of 1 GiB"


def filled(text: str) -> str:
    """Return a page with its figures as they follow from the table: three times, and a peak of memory."""
    times, peak = _figures((ROOT / "docs" / "performance.md").read_text())
    left = iter(times)
    return MARKED.sub(lambda block: MEMORY.sub(peak, SECONDS.sub(lambda _: next(left), block[0])), text)


def _figures(page: str) -> tuple[list[str], str]:
    """Return the time to list 1 GiB, TensorFlow's time, that to compare two equal checkpoints; and the largest peak."""
    rows = [[cell.strip() for cell in line.split("|")[1:]] for line in page.splitlines() if line.count("|") > 8]
    listed = next(row for row in rows if row[0].startswith(LISTED))
    same = next(row for row in rows if row[0] == SAME)
    peaks = [_number(row[3]) for row in rows if "1 GiB" in row[0]]
    times = [f"{_number(listed[1]):.2f}", f"{_number(listed[5]):.1f}", f"{_number(same[1]):.2f}"]
    return times, f"{max(peaks):.0f}"


def _number(cell: str) -> float:
    return float(cell.partition(" ")[0].replace(",", ""))
