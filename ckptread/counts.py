"""Counts in words: ``1 tensor``, ``2 tensors``, ``1 byte follows``."""

from __future__ import annotations


def plural(count: int, noun: str, verb: str = "", singular: str = "") -> str:
    """Return a count with its noun, and with the verb for many, or the ``singular`` one (an -s more, by default).

    >>> plural(1, "byte", "follow"), plural(2, "byte", "are", "is"), plural(1200, "tensor")
    ('1 byte follows', '2 bytes are', '1,200 tensors')
    """
    one = count == 1
    said = f"{count:,} {noun}" + ("" if one else "s")
    return f"{said} {(singular or verb + 's') if one else verb}" if verb else said
