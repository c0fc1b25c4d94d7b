"""What was verified, as lines and as a table."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.report import Table
from ckptread.tensors import Finding
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.salvage.salvage import Salvage
    from ckptread.operations.verify.verify import Verification

SHOWN = 20
"""Findings that are told one by one; JSON has them all."""
COLONS = 4
"""A finding's message has fewer; a name in it may have any number."""
NAMED = 3
"""Tensors that are named of many with the same fault."""
Said = tuple[str | None, str]
"""A file, or None for any, and words that are said of it."""
TRUST = {
    "unchecked": "no checksum vouches for the values",
    "doubtful": "a checksum over it is wrong, or its name is lost",
}
EXITS = {"ok": 0, "damaged": 1, "suspect": 1, "unreadable": 2}


def verify_verdict(found: Verification) -> str:
    """Return the verdict: ok, suspect (warnings), damaged (errors), or unreadable."""
    if not found.format:
        return "unreadable"
    severities = {finding.severity for finding in found.findings}
    return "damaged" if "error" in severities else "suspect" if "warning" in severities else "ok"


def worst_exit(found: Sequence[Verification]) -> int:
    """Return the exit code of the worst of them."""
    return max(EXITS[verify_verdict(each)] for each in found)


def report(found: Verification) -> Iterator[str]:
    """Yield a line with the verdict and what was checked, and one or two for each finding."""
    yield f"{name_text(found.path)}: {verify_verdict(found)}" + (f" ({verify_summary(found)})" if found.format else "")
    groups = grouped(said_once(found.findings))
    for group in groups[:SHOWN]:
        yield from _told(group)
    if len(groups) > SHOWN:
        yield f"  ... and {len(groups) - SHOWN:,} more: '--format json' has them all"


def verify_summary(found: Verification) -> str:
    """Say what was checked."""
    read = f"{found.format}: {plural(found.tensors, 'tensor')}, {bytes_text(found.nbytes)} read"
    return f"{read}, {plural(found.checksums, 'checksum')} compared"


def said_once(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out, for people, what another finding says in the same words, and with its place."""
    placed = [finding for finding in findings if finding.offset is not None]
    whole = {(file, f.message) for f in placed for file in (f.file, None)}
    tails = {(file, tail) for f in placed for file in (f.file, None) for tail in _tails(f.message)}
    return [f for f in findings if f.offset is not None or not _is_said(f, whole, tails)]


def _is_said(finding: Finding, whole: Container[Said], tails: Container[Said]) -> bool:
    return (finding.file, finding.message) in tails or any(
        (finding.file, tail) in whole for tail in _tails(finding.message)
    )


def _tails(message: str) -> list[str]:
    """Return what a message ends in, behind a colon: the words of another, mostly."""
    parts = message.split(": ", COLONS)
    return [": ".join(parts[at:]) for at in range(1, len(parts))]


def grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings, those that many tensors of a file have alike together."""
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        alike = (finding.severity, finding.message, finding.file)
        groups.setdefault(alike if finding.key is not None else number, []).append(finding)
    return list(groups.values())


def _told(group: Sequence[Finding]) -> Iterator[str]:
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


def findings_table(found: Sequence[Verification]) -> Table:
    """Return a row per finding."""
    rows = [
        [name_text(each.path), f.severity, name_text(f.key or ""), name_text(f.file or ""),
         "" if f.offset is None else str(f.offset), name_text(f.message), name_text(f.advice)]
        for each in found for f in each.findings
    ]  # fmt: skip
    return Table(["checkpoint", "severity", "tensor", "file", ">offset", "message", "advice"], rows)


def salvage_lines(found: Salvage, folder: str, manifest: str) -> Iterator[str]:
    """Yield what was found, what was lost, and what that comes to."""
    lost = {missing.tensor.key for missing in found.lost}
    tensors = lost | {saved.tensor.key for saved in found.saved}
    for group in grouped([finding for finding in found.findings if finding.key not in lost])[:SHOWN]:
        yield from _told(group)
    for missing in found.lost[:SHOWN]:
        yield f"lost: {name_text(missing.tensor.name)}: {name_text(missing.reason)}"
    if len(found.lost) > SHOWN:
        yield f"... and {len(found.lost) - SHOWN:,} more that are lost"
    if not found.saved:
        yield "nothing is saved: no tensor is whole in what is left"
    yield f"{len(found.saved):,} of {plural(len(tensors), 'tensor')} saved to {name_text(folder)}; {len(lost):,} lost"
    for trust, meaning in TRUST.items():
        if count := sum(saved.trust == trust for saved in found.saved):
            yield f"{count:,} of the saved {'is' if count == 1 else 'are'} {trust}: {meaning}"
    if any(finding.severity == "error" and finding.key not in tensors for finding in found.findings):
        yield "what the damage keeps from being listed is not counted: fetch the file again, if it can be had"
    yield f"the manifest: {name_text(manifest)}"
