"""How a zip archive begins."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate


def is_zip(c: Candidate) -> bool:
    """Whether these are the bytes of a zip archive, an empty one included."""
    return c.head.startswith((b"PK\3\4", b"PK\5\6"))
