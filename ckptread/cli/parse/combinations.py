"""Options that exclude each other: an option that would have no effect is an error."""

from __future__ import annotations

from collections.abc import Mapping

from ckptread.errors import UsageError

Apart = Mapping[str, tuple[str, ...]]

LISTED: Apart = {"--from": ("CKPT", "--quiet", "--format csv", "--format markdown", "--format html")}
"""A list has a JSON line for each checkpoint."""
INSPECT: Apart = {
    **LISTED,
    "--trainable": ("--frozen",),
    "--stats": ("--tree", "--depth", "--layers", "--model"),
    **{f"--sort {order}": ("--tree", "--depth", "--layers", "--model") for order in ("nan", "std", "l2")},
    "--limit": ("--tree", "--depth", "--layers", "--model"),
    "--group": ("--tree", "--depth", "--layers", "--model", "--stats", "--limit"),
    "--collapse": ("--tree", "--layers", "--model", "--stats", "--limit"),
    "--tree": ("--layers", "--model", "--names both", "--format json", "--from"),
    "--layers": ("--sort", "--names", "--names both"),
    "--model": (
        "--sort",
        "--names",
        "--names both",
        "PATTERN",
        "--where",
        "--exclude",
        "--role",
        "--trainable",
        "--frozen",
    ),
    "--depth": ("--model", "--names both"),
}
"""Layers have the order and the names of their model. With --layers, --model is allowed wherever --layers is."""
DIFF: Apart = {
    "--trainable": ("--frozen",),
    "--quiet": ("--format", "--layers", "--depth", "--brief"),
    "--brief": ("--format", "--layers", "--depth"),
    "--layers": ("--depth",),
}
SHOW: Apart = {"--slice": ("--image",)}
VERIFY: Apart = {"--quiet": ("--format",), **LISTED}
DIGEST: Apart = {"--quiet": ("--format json",), **LISTED}
HISTORY: Apart = {"--by": ("--pattern",)}


def refuse(apart: Apart, given: Mapping[str, object]) -> None:
    """Raise UsageError where two of the options that are given (neither None nor False) exclude each other."""
    used = [option for option, value in given.items() if value is not None and value is not False]
    for option in used:
        other = next((other for other in apart.get(option, ()) if other in used), None)
        if other is not None:
            raise UsageError(f"{option} and {other} do not go together: give one of them")
