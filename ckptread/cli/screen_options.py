"""The options that every command has, for the terminal: --color and --no-pager."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from ckptread.cli.terminal import Wishes


class UseColour(StrEnum):
    """When results are coloured."""

    auto = "auto"
    always = "always"
    never = "never"


OPTIONS = {
    "color": (
        Annotated[UseColour, typer.Option("--color", "--colour", help="Choose when the table is coloured.")],
        UseColour.auto,
    ),
    "no_pager": (Annotated[bool, typer.Option("--no-pager", help="Do not show long results in a pager.")], False),
}
"""The type and the default of each, by the name of its parameter."""


def with_screen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that has the options for the terminal, after its own."""

    @wraps(command)
    def run(*, color: UseColour, no_pager: bool, **given: Any) -> Any:
        Wishes.colour, Wishes.pager = color.value, not no_pager
        return command(**given)

    own = signature(command, eval_str=True)
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **{name: kind for name, (kind, _) in OPTIONS.items()}}
    return run
