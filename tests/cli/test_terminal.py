"""Colours, width and pager: as the options say, else as the environment says, else as the terminal is."""

import os
import pty
import re
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "import sys; from ckptread.cli.startup import main; sys.argv[0] = 'ckptread'; main()"]
UNSET = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "CKPTREAD_PAGER", "LESS", "COLUMNS", "LINES")


def environment(**chosen):
    return {name: value for name, value in os.environ.items() if name not in UNSET} | {"TERM": "xterm"} | chosen


def on_terminal(*arguments, rows=24, columns=80, **chosen):
    """Run a command in a terminal of its own, and return what it shows."""
    master, terminal = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    running = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdin=terminal, stdout=terminal, stderr=terminal, env=environment(**chosen)
    )
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # the terminal is closed
        pass
    os.close(master)
    assert running.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def piped(*arguments, **chosen):
    ran = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=True, env=environment(**chosen)
    )
    return ran.stdout


def plain(text):
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize(("options", "variables", "coloured"), [
    ([], {}, False),
    (["--color", "always"], {}, True),
    (["--color=always"], {"NO_COLOR": "1"}, True),
    ([], {"FORCE_COLOR": "1"}, True),
    ([], {"CLICOLOR_FORCE": "1"}, True),
    ([], {"CLICOLOR_FORCE": "0"}, False),
    ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    (["--color", "always", "--format", "json"], {}, False),
    (["--color", "always", "--format", "csv"], {"FORCE_COLOR": "1"}, False),
])  # fmt: skip
def test_a_pipe_has_colours_if_asked(options, variables, coloured, checkpoint, run, monkeypatch):
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in run("inspect", checkpoint, *options).out) is coloured


@pytest.mark.parametrize(("options", "variables", "coloured"), [
    ([], {}, True), ([], {"NO_COLOR": "1"}, False), ([], {"TERM": "dumb"}, False), (["--color", "never"], {}, False),
])  # fmt: skip
def test_a_terminal_has_colours_unless_asked(options, variables, coloured, checkpoint):
    assert ("\x1b[" in on_terminal("inspect", checkpoint, *options, **variables)) is coloured


def test_a_pipe_gets_the_table_of_a_terminal(checkpoint):
    assert plain(on_terminal("inspect", checkpoint, "--no-pager")) == piped("inspect", checkpoint)
    wide = on_terminal("inspect", checkpoint, "--no-pager", columns=120, NO_COLOR="1")
    assert wide == piped("inspect", checkpoint, COLUMNS="120")


MARKER = "sed 's/^/paged: /'"


@pytest.mark.parametrize("variable", ["PAGER", "CKPTREAD_PAGER"])
def test_more_than_a_screen_goes_through_the_pager(variable, checkpoint):
    shown = on_terminal("inspect", checkpoint, rows=4, NO_COLOR="1", **{variable: MARKER})
    assert {line[:7] for line in shown.splitlines()} == {"paged: "}
    assert shown.replace("paged: ", "") == piped("inspect", checkpoint)


@pytest.mark.parametrize(("options", "variables", "rows"), [
    ([], {}, 40), (["--no-pager"], {}, 4), ([], {"CKPTREAD_PAGER": "cat"}, 4), ([], {"CKPTREAD_PAGER": ""}, 4),
    ([], {"CKPTREAD_PAGER": "no-such-pager"}, 4), (["--format", "json"], {}, 4),
])  # fmt: skip
def test_what_fits_or_is_not_to_be_paged_is_printed(options, variables, rows, checkpoint):
    shown = on_terminal("inspect", checkpoint, *options, rows=rows, **({"PAGER": MARKER} | variables))
    assert "dense/kernel" in shown
    assert "paged" not in shown


def test_less_has_gits_settings_unless_it_has_some(checkpoint):
    asked = "sh -c 'cat > /dev/null; echo $LESS'"
    assert on_terminal("inspect", checkpoint, rows=4, PAGER=asked) == "FRX\n"
    assert on_terminal("inspect", checkpoint, rows=4, PAGER=asked, LESS="S") == "S\n"


def test_a_pager_that_is_left_early_is_no_trouble(checkpoint):
    assert on_terminal("inspect", checkpoint, rows=4, PAGER="head -n 1").count("\n") == 1


def test_the_pager_is_not_for_a_pipe(checkpoint):
    assert "paged" not in piped("inspect", checkpoint, PAGER=MARKER, LINES="3")
