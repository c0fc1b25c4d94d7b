"""The command line as a typer application."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import ckptread
from ckptread.cli import render
from ckptread.cli.completion.scripts import SCRIPTS, Shell, install_script
from ckptread.cli.screen_options import with_screen_options

EXAMPLES = """
ckptread model.keras                              # what is in it
ckptread inspect model.keras --layers             # as in model.summary()
ckptread diff run/ckpt-1 run/ckpt-2               # what changed
ckptread extract model.keras '**' -o weights.npz  # for numpy.load
"""


def _version(asked: bool) -> None:
    if asked:
        render.line(f"ckptread {ckptread.__version__}")
        raise typer.Exit


def _show_completion(shell: Shell | None) -> None:
    if shell is not None:
        for line in SCRIPTS[shell].splitlines():
            render.line(line)
        raise typer.Exit


def _install_completion(shell: Shell | None) -> None:
    if shell is not None:
        try:
            place = install_script(shell)
        except OSError as error:
            raise ckptread.CheckpointError(str(error.filename), f"it cannot be written: {error.strerror}") from error
        render.line(f"{place} is installed: {shell} completes ckptread from its next start")
        raise typer.Exit


class AnyCaseCommand(TyperCommand):
    """A command whose choices may be typed in upper and lower case."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for choice in (each.type for each in self.params if hasattr(each.type, "case_sensitive")):
            choice.case_sensitive = False


def options(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        Shell | None,
        typer.Option(callback=_install_completion, is_eager=True, help="Complete options and tensor names on Tab."),
    ] = None,
    show_completion: Annotated[
        Shell | None,
        typer.Option(callback=_show_completion, is_eager=True, help="Print what this shell runs on Tab."),
    ] = None,
) -> None:
    """Inspect, diff and extract TensorFlow, Keras and HDF5 checkpoints without rebuilding the model.

    ckptread CKPT is short for ckptread inspect CKPT.
    """


def build_app(names: Sequence[str]) -> typer.Typer:
    """Return the command line with these commands. Each is imported here, and costs 10 ms."""
    app = typer.Typer(
        name="ckptread",
        add_completion=False,
        epilog=_epilog(EXAMPLES),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    for name in names:
        module = import_module(f"ckptread.cli.commands.{name}")
        command = with_screen_options(getattr(module, f"{name}_command"))
        app.command(name, cls=AnyCaseCommand, epilog=_epilog(module.EXAMPLES))(command)
    return app


def _epilog(examples: str) -> str:
    """Return the end of a help page; click wraps no lines after a backspace."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())
