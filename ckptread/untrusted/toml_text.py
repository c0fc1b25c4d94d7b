"""Reads TOML of bounded cost: ``tomllib`` takes time as the square of the parts of a dotted key."""

from __future__ import annotations

from typing import Any

from ckptread.limits import TOML_COST
from ckptread.untrusted.binary import Malformed


def bounded_toml(data: bytes) -> dict[str, Any]:
    """Return the document in the TOML text ``data`` (UTF-8).

    Raises Malformed where it is not TOML, or has keys of more parts than anyone writes. A key is on one line, so that
    no line has a key of more parts than the line has dots.
    """
    import tomllib

    if sum(line.count(b".") ** 2 for line in data.splitlines()) > TOML_COST:
        raise Malformed("its keys have too many parts", 0)
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error), 0) from None
