"""Findings as lines for people: each thing once, and many tensors with the same fault together."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from ckptread.reports.cells import name_text
from ckptread.tensors import Finding

SHOWN = 20
"""Findings that are shown one by one; JSON has them all."""
COLONS = 4
"""A finding's message has fewer; a name in it may have any number."""
NAMED = 3
"""Tensors that are named of many with the same fault."""

FileMessage = tuple[str | None, str]
"""A file, or None for any, and a message about it."""


def without_repeated(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out findings that another one repeats in the same words, with an offset."""
    placed = [finding for finding in findings if finding.offset is not None]
    whole = {(file, f.message) for f in placed for file in (f.file, None)}
    tails = {(file, tail) for f in placed for file in (f.file, None) for tail in _tails(f.message)}
    return [f for f in findings if f.offset is not None or not _is_repeated(f, whole, tails)]


def _is_repeated(finding: Finding, whole: Container[FileMessage], tails: Container[FileMessage]) -> bool:
    return (finding.file, finding.message) in tails or any(
        (finding.file, tail) in whole for tail in _tails(finding.message)
    )


def _tails(message: str) -> list[str]:
    """Return the ends of a message that follow a colon: often the message of another finding."""
    parts = message.split(": ", COLONS)
    return [": ".join(parts[at:]) for at in range(1, len(parts))]


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
