"""Which options do not go together: what would be dropped in silence is refused instead."""

from __future__ import annotations

from collections.abc import Mapping

from ckptread.errors import UsageError

Apart = Mapping[str, tuple[str, ...]]

INSPECT: Apart = {
    "--trainable": ("--frozen",),
    "--stats": ("--tree", "--depth", "--layers", "--model"),
    "--tree": ("--layers", "--model", "--names both", "--format json"),
    "--layers": ("--sort", "--names", "--names both"),
    "--model": ("--sort", "--names", "--names both", "PATTERN", "--exclude", "--role", "--trainable", "--frozen"),
    "--depth": ("--model", "--names both"),
}
"""Each view is of its own kind: layers have their model's order and their own names. With --layers, --model goes
where they go."""
DIFF: Apart = {
    "--trainable": ("--frozen",),
    "--quiet": ("--format", "--layers", "--brief"),
    "--brief": ("--format", "--layers"),
    "--layers": ("--format json",),
}
"""JSON has every tensor, by its key: layers are rows of tables alone."""
VERIFY: Apart = {"--quiet": ("--format",)}
DIGEST: Apart = {"--quiet": ("--format json",)}
HISTORY: Apart = {"--by": ("--pattern",)}


def refuse(apart: Apart, given: Mapping[str, object]) -> None:
    """Raise UsageError where two of the options that are given (those that are neither None nor False) do not go."""
    used = [option for option, value in given.items() if value is not None and value is not False]
    for option in used:
        other = next((other for other in apart.get(option, ()) if other in used), None)
        if other is not None:
            raise UsageError(f"{option} and {other} do not go together: give one of them")


def either(wanted: bool, unwanted: bool) -> bool | None:
    """Return what two options that exclude each other say together: None where neither is given."""
    return wanted if wanted or unwanted else None
