"""Findings as lines for people: each thing once, and many tensors with the same fault together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptread.reports.cells import name_text
from ckptread.tensors import Finding

SHOWN = 20
"""Findings that are shown one by one; JSON has them all."""
NAMED = 3
"""Tensors that are named of many with the same fault."""


def without_repeated(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out a tensor's findings without an offset where another one has the same code, and an offset."""
    placed = {(f.code, f.key, file) for f in findings if f.offset is not None for file in (f.file, None)}
    return [f for f in findings if f.offset is not None or f.key is None or (f.code, f.key, f.file) not in placed]


def group_findings(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings in groups: in each, the tensors of one file with the same fault."""
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        alike = (finding.severity, finding.message, finding.file)
        groups.setdefault(alike if finding.key is not None else number, []).append(finding)
    return list(groups.values())


def finding_lines(group: Sequence[Finding]) -> Iterator[str]:
    """Yield one line for a group of findings, and another for the place and the advice."""
    first = group[0]
    yield f"  {first.severity}: {_subject(group)}{name_text(first.message)}"
    where = "" if first.file is None else name_text(first.file)
    if first.offset is not None:
        where += f", byte {first.offset:,}" if len(group) == 1 else f", first at byte {first.offset:,}"
    advice = name_text(first.advice)
    if where or advice:
        yield "    " + "; ".join(part for part in (where, advice) if part)


def _subject(group: Sequence[Finding]) -> str:
    """Name the tensors, unless the message does."""
    names = [name_text(finding.key or "") for finding in group]
    if group[0].key is None or (len(group) == 1 and f"'{names[0]}'" in group[0].message):
        return ""
    if len(group) == 1:
        return f"{names[0]}: "
    more = ", ..." if len(names) > NAMED else ""
    return f"each of {len(names):,} tensors ({', '.join(names[:NAMED])}{more}): "
