"""Every hostile sample through every command, in one pass: ``python -m tests.hostile [FOLDER...]``.

No rule that holds for any file (watched.py) may be broken. Samples are those of the suite, and all files of the
folders that are named. Each command runs in a forked child that has all modules already, and an audit hook that notes
what is opened; the suite starts commands as users do. At the end it says how many commands there were, how they ended,
and the slowest and largest.
"""

import argparse
import json
import os
import pkgutil
import resource
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

import ckptread
from ckptread.cli.startup import main as run_command
from tests.hostile.test_hostile import SAMPLES
from tests.hostile.watched import Watched

COMMANDS = (
    ("inspect",), ("inspect", "--tree"), ("inspect", "--layers"), ("inspect", "--model"), ("inspect", "--stats"),
    ("ls",), ("verify",), ("digest",), ("check", "--finite"), ("textconv",),
)  # fmt: skip
"""What is asked of a sample alone; the others need a tensor, a second file or a place to write to."""
MOST_SECONDS = 60
"""Of processor time; a command that takes more hangs."""
NO_CHECKPOINT = {".py", ".sh", ".md", ".txt", ".toml", ".json", ".pb"}


def main():
    """Run, and say how many commands there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="more samples: all checkpoints in these folders")
    parser.add_argument("--part", default="1/1", help="K/N: every N-th sample, from the K-th on")
    given = parser.parse_args()
    first, step = map(int, given.part.split("/"))
    _import_all()
    paths = list(dict.fromkeys([*(sample.path for sample in SAMPLES), *_files(given.folders)]))[first - 1 :: step]
    ran, broken = [], 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            for arguments, watched, rules in _run_all(path, Path(folder)):
                ran.append((watched, arguments, path))
                broken += bool(rules)
                if rules:
                    print(f"{path}: {' '.join(map(str, arguments))}: {rules}: {watched.err[-300:]!r}", flush=True)
    codes = Counter(watched.code for watched, _, _ in ran)
    print(f"{len(paths):,} samples, {len(ran):,} commands; exit codes {dict(sorted(codes.items()))}")
    for what, key in (("seconds", lambda each: each[0].seconds), ("resident", lambda each: each[0].resident)):
        most, arguments, path = max(ran, key=key)
        print(f"most {what}: {getattr(most, what):,.1f}, {arguments[0]} of {path.name}")
    print(f"{broken:,} commands broke a rule")
    sys.exit(1 if broken else 0)


def _files(folders):
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in NO_CHECKPOINT)


def _run_all(path, folder):
    """Run every command on a sample; yield its arguments, how it ended, and the rules that it broke."""
    own = path if path.is_dir() or path.suffix in {".h5", ".keras"} else path.parent
    for arguments in _arguments(path, folder):
        ran = _run(arguments, folder)
        yield arguments, ran, ran.broken_rules(str(own), os.path.realpath(own), str(folder))


def _arguments(path, folder):
    for command in COMMANDS:
        yield [*command, path]
    yield from (
        ["diff", path, path],
        ["diff", path, path, "--match", "content"],
        ["history", "--role", "all", path, path],
    )
    yield from (["extract", path, "**", "-o", folder / "extracted"], ["salvage", path, "-o", folder / "saved"])
    listing = _run(["inspect", "--format", "json", path], folder)
    rows = json.loads(listing.out)["tensors"] if listing.code == 0 else []
    keys = [row["key"] for row in rows if row["key"] and "\0" not in row["key"]]
    for key in keys[:1]:
        yield ["show", path, "--", os.fsdecode(key.encode("utf-8", "surrogateescape"))]


def _import_all():
    for each in pkgutil.walk_packages(ckptread.__path__, "ckptread."):
        if not {"testing", "reference", "reference_worker", "child", "__main__"} & set(each.name.split(".")):
            import_module(each.name)


def _run(arguments, folder):
    """Run a command in a forked child, and return how it ended."""
    files = [folder / name for name in ("out", "err", "opened")]
    child = os.fork()
    if child == 0:
        _become(arguments, files)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.002)
    _, status, usage = os.wait4(child, 0)
    out, err, opened = (path.read_bytes() for path in files)
    return Watched(os.waitstatus_to_exitcode(status), out, err, usage.ru_utime + usage.ru_stime, usage.ru_maxrss,
                   os.fsdecode(opened).split("\0")[:-1])  # fmt: skip


def _become(arguments, files):
    """Be the command: with its output in files, notes of what it opens, and an end where it takes too long."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    out, err, notes = (os.open(path, flags, 0o600) for path in files)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)

    def note(event, given):
        if event == "open" and isinstance(given[0], str | bytes) and os.path.lexists(given[0]):
            os.write(notes, os.fsencode(os.path.abspath(given[0])) + b"\0")

    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    sys.addaudithook(note)
    sys.argv = ["ckptread", *map(str, arguments)]
    code = 2
    try:
        code = run_command()
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


if __name__ == "__main__":
    main()
