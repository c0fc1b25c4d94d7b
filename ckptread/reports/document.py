"""What the JSON documents of all verbs have in common."""

from __future__ import annotations

from typing import Literal

import msgspec

Number = int | float | Literal["NaN", "Infinity", "-Infinity"]
"""A number in a document. JSON has no NaN and no infinity: the text has their names."""


class Document(msgspec.Struct, kw_only=True):
    """What a command prints with --format json."""

    schema: Literal[1] = 1
    """Changes only when a field is removed or gets another meaning."""
