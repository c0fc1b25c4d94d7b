"""Every hostile sample through every command, in one pass: ``python -m tests.hostile [FOLDER...]``.

No rule that holds for any file (watched.py) may be broken. Samples are those of the suite, and all files of the
folders that are named. At the end it says how many commands there were, how they ended, and the slowest and largest.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.hostile.test_hostile import SAMPLES
from tests.hostile.watched import means, watch

COMMANDS = (
    ("inspect",), ("inspect", "--tree"), ("inspect", "--layers"), ("inspect", "--model"), ("inspect", "--stats"),
    ("ls",), ("verify",), ("digest",), ("check", "--finite"), ("textconv",),
)  # fmt: skip
"""What is asked of a sample alone; the others need a tensor, a second file or a place to write to."""
NO_CHECKPOINT = {".py", ".sh", ".md", ".txt", ".toml", ".json", ".pb"}


def main():
    """Run, and say how many commands there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="more samples: all checkpoints in these folders")
    paths = dict.fromkeys([*(sample.path for sample in SAMPLES), *_files(parser.parse_args().folders)])
    ran, broken = [], 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            for arguments, watched, rules in _run_all(path, Path(folder)):
                ran.append((watched, arguments, path))
                broken += bool(rules)
                if rules:
                    print(f"{path}: {' '.join(map(str, arguments))}: {rules}: {watched.err[-300:]!r}", flush=True)
    codes = Counter(watched.code for watched, _, _ in ran)
    print(
        f"{len(paths):,} samples, {len(ran):,} commands, watched by {means()}; exit codes {dict(sorted(codes.items()))}"
    )
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
        ran = watch(*arguments, trace=folder / "trace")
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
    listing = watch("inspect", "--format", "json", path)
    rows = json.loads(listing.out)["tensors"] if listing.code == 0 else []
    keys = [row["key"] for row in rows if row["key"] and "\0" not in row["key"]]
    for key in keys[:1]:
        yield ["show", path, "--", os.fsdecode(key.encode("utf-8", "surrogateescape"))]


if __name__ == "__main__":
    main()
