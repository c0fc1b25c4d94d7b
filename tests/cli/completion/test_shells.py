"""Tab in real shells, on a terminal: what is inserted is what the shell then passes to ckptread."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from ckptread.cli.completion.bash_words import in_bash, split_line
from ckptread.cli.completion.scripts import PLACES, SCRIPTS, STARTUP, Shell
from tests.conformance.cases import FIXTURES

pexpect = pytest.importorskip("pexpect")

NAMES = [
    "plain/kernel", "two words/bias", "dollar$HOME", "`tick`", "semi;colon&", "quote'single", 'double"quote', "|pipe",
    "star*[a]?", "colon:0", "bang!bang", "new\\x0aline", "back\\slash", "eq=al", "at@sign", "tilde~", "(paren)",
    "#hash", "{a,b}", "<in>out", "müller/größe", "层/核", "~", "a\\", "^caret^", "%1",
]  # fmt: skip
LINES = {
    "insp\tmy\t--role mod\t": ["inspect", "my model.keras", "--role", "model"],
    "show model.keras enc\tk\t": ["show", "model.keras", "encoder/squeeze/kernel"],
    "inspect model.keras --role=opt\t": ["inspect", "model.keras", "--role=optimizer"],
    "check model.keras --no-zero hea\tk\t": ["check", "model.keras", "--no-zero", "head/kernel"],
    "show hostile.safetensors two\t": ["show", "hostile.safetensors", "two words/bias"],
    "show hostile.safetensors colon\t": ["show", "hostile.safetensors", "colon:0"],
    "show hostile.safetensors at@\t": ["show", "hostile.safetensors", "at@sign"],
    "show hostile.safetensors star\t": ["show", "hostile.safetensors", "star*[a]?"],
    "show hostile.safetensors new\t": ["show", "hostile.safetensors", "new\\x0aline"],
    "show hostile.safetensors 'quo\t": ["show", "hostile.safetensors", "quote'single"],
    'show hostile.safetensors "doll\t': ["show", "hostile.safetensors", "dollar$HOME"],
    "show hostile.safetensors mü\t": ["show", "hostile.safetensors", "müller/größe"],
}
"""What is typed, and what the command gets."""
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile"], "source completion.bash"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u; source completion.zsh"),
    "fish": (["fish", "--no-config", "-i"], "source completion.fish"),
}


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_bash_reads_each_name_as_it_is_quoted(quote):
    typed = split_line(f"ckptread show f {quote}")
    line = " ".join(f"{quote}{each}{quote}" for each in in_bash(NAMES, typed))
    ran = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\0")[:-1] == NAMES


@pytest.mark.parametrize(("line", "words", "kept", "quote"), [
    ("ckptread ", [""], "", ""),
    ("ckptread show a.h5", ["show", "a.h5"], "", ""),
    ("ckptread show a\\ b.h5 'it", ["show", "a b.h5", "it"], "", "'"),
    ("ckptread show 'a b'/\"c d", ["show", "a b/c d"], "a b/", '"'),
    ("ckptread show f x:y", ["show", "f", "x:y"], "x:", ""),
    ("ckptread show f x\\:y", ["show", "f", "x:y"], "", ""),
    ("ckptread show f at@s", ["show", "f", "at@s"], "at", ""),
    ("ckptread show f --role=m", ["show", "f", "--role=m"], "--role=", ""),
    ('ckptread show f "a\\"b', ["show", "f", 'a"b'], "", '"'),
    ("ckptread show f x\\", ["show", "f", "x"], "", ""),
    ("ckptread show f ''", ["show", "f", ""], "", ""),
])  # fmt: skip
def test_a_line_of_bash_is_taken_apart_as_bash_does(line, words, kept, quote):
    assert split_line(line) == (words, kept, quote)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with checkpoints, and a command ckptread that prints its arguments unless Tab asks it."""
    found = tmp_path_factory.mktemp("shells")
    names = [name.replace("\\x0a", "\n") for name in NAMES]
    safetensors.numpy.save_file({name: np.zeros(2, "f4") for name in names}, found / "hostile.safetensors")
    for name in ("my model.keras", "model.keras"):
        shutil.copy(FIXTURES / "keras3" / "model.keras", found / name)
    program = found / "bin" / "ckptread"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "if '_CKPTREAD_COMPLETE' in os.environ:\n"
        "    from ckptread.cli.startup import main\n    main()\n"
        "print('GOT', ascii(sys.argv[1:]), 'END')\n"
    )
    program.chmod(0o755)
    for shell, script in SCRIPTS.items():
        (found / f"completion.{shell}").write_text(script)
    return found


def start(folder, shell):
    """Start a shell on a terminal, with completion."""
    command, prepare = SHELLS[shell]
    environment = {
        **os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb",
        "LC_ALL": "C.UTF-8", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }  # fmt: skip
    terminal = pexpect.spawn(command[0], command[1:], cwd=folder, env=environment, encoding="utf-8", timeout=60)
    terminal.setwinsize(50, 200)
    terminal.sendline(prepare)
    terminal.sendline("echo START''ED")
    terminal.expect("STARTED")
    return terminal


def passed(terminal, typed):
    """Type a line, of which every tab is a key; return the arguments that the command gets."""
    for part in re.split("(\t)", typed):
        terminal.send(part)
    terminal.send("\r")
    terminal.expect(r"GOT (\[.*\]) END")
    return eval(terminal.match[1])


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_passes_what_it_completed(folder, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    terminal = start(folder, shell)
    lines = list(LINES)[:: 1 if shell == "bash" else 2]  # the others quote names themselves
    found = {typed: passed(terminal, f"ckptread {typed}") for typed in lines}
    terminal.close(force=True)
    assert found == {typed: LINES[typed] for typed in lines}


def processor_time(bash):
    """The seconds that the processes have taken which bash has started."""
    bash.sendline("times; echo EN''D")
    bash.expect(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s+END")
    minutes, seconds, more_minutes, more_seconds = map(float, bash.match.groups())
    return 60 * (minutes + more_minutes) + seconds + more_seconds


def time_tab(bash, line):
    """The seconds of processor time that a Tab takes in bash, once it has answered."""
    before = processor_time(bash)
    bash.send(f"{line}\t")
    bash.expect(r"kernel|dense_77\x07?/")
    bash.sendcontrol("u")
    return processor_time(bash) - before


@pytest.mark.slow
@pytest.mark.parametrize(("name", "typed"), [("keys", "encoder/layer_7/block_7"), ("old.h5", "layers/dense_77")])
def test_a_tab_in_bash_takes_a_fifth_of_a_second_for_5000_tensors(folder, large, name, typed):
    bash = start(folder, "bash")
    before = processor_time(bash)
    bash.sendline("_CKPTREAD_COMPLETE=complete_bash COMP_LINE='ckptread sh' ckptread")
    bash.expect_exact("show\r\n")
    bare = processor_time(bash) - before  # 0.05 s; more on a machine that is slower, or busy
    assert min(time_tab(bash, f"ckptread show {large / name} {typed}") for _ in range(3)) < max(0.2, 4 * bare)
    bash.close(force=True)


@pytest.mark.parametrize("shell", list(Shell))
def test_a_script_is_printed_and_installed(run, tmp_path, monkeypatch, shell):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert run("--show-completion", shell).out == run("--show-completion").out == SCRIPTS[shell]
    for _ in range(2):
        assert run("--install-completion").code == 0
    assert Path(PLACES[shell]).expanduser().read_text() == SCRIPTS[shell]
    if shell in STARTUP:
        startup, line = STARTUP[shell]
        assert Path(startup).expanduser().read_text() == line + "\n"


def test_an_unknown_shell_is_refused(run, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    ran = run("--install-completion")
    assert ran.code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in ran.err
