"""Measure how time and memory grow with the size of a checkpoint: one tensor of many GiB."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from data import GIB, files
from measure import remove, run
from peers import ckptread
from rows import Folder


def growth(folder: Folder, sizes: Sequence[float]) -> Iterator[str]:
    """Yield the lines of a table: a row per command, seconds and peak MiB per size, one warm run each."""
    found: dict[str, list[tuple[float, float]]] = {}
    for size in sizes:
        large = folder.large(int(size * GIB))
        twin = _linked(large)
        for name, command in _commands(folder, large, twin).items():
            found.setdefault(name, []).append(_run(command, folder))
        for file in [*files(large), *files(twin)]:
            file.unlink()
    yield "A checkpoint of one tensor. Each command ran once, after a run that warmed the cache."
    yield "Cells: seconds, GB/s, peak memory of the largest process."
    yield ""
    yield "| command | " + " | ".join(f"{size:g} GiB" for size in sizes) + " |"
    yield "|---|" + "---:|" * len(sizes)
    for name, runs in found.items():
        cells = [
            f"{seconds:.2f} s, {size * GIB / seconds / 1e9:.1f} GB/s, {peak:.0f} MiB"
            for size, (seconds, peak) in zip(sizes, runs, strict=True)
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _commands(folder: Folder, large: Path, twin: Path) -> dict[str, list[str]]:
    return {
        "verify": ckptread("verify", large),
        "digest": ckptread("digest", large),
        "inspect --stats": ckptread("inspect", large, "--stats"),
        "diff, identical": ckptread("diff", large, twin),
        "extract": ckptread("extract", large, "w", "-o", folder.out),
    }


def _run(command: list[str], folder: Folder) -> tuple[float, float]:
    run(command, folder.path / "output")
    remove([folder.out])
    result = run(command, folder.path / "output")
    remove([folder.out])
    return result


def _linked(path: Path) -> Path:
    """Return a second checkpoint of hard links to the same files, which needs no disk space."""
    twin = path.with_name(path.name + "-twin")
    for file in files(path):
        os.link(file, twin.with_name(file.name.replace(path.name, twin.name)))
    return twin
