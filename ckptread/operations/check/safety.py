"""Whether loading a checkpoint would run code of its own, or use files: for the rule ``safe``.

What cannot be judged is not safe: a config that cannot be read may have anything in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptread.reader import Reader
from ckptread.tensors import PICKLED

UNREAD = {"keras-json", "keras-attribute", "hdf5-attribute", "saved-model-graph", "saved-model-unread", "keras-pickle"}
"""Findings on what may hold the config of a model, or code."""
CUSTOM, CODE, FILES = "custom object: loading runs its own code", "runs code on loading", "reads or writes files"


def dangers(reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield what is not safe to load, and why."""
    model = reader.model
    if model is not None:
        yield from ((name, CODE) for name in model.runs_code)
        yield from ((name, CUSTOM) for name in model.custom_objects)
        yield from ((name, FILES) for name in model.reads_files)
    yield from (
        (info.name, "pickled: unpickling runs code") for info in reader.tensors.values() if info.problem == PICKLED
    )
    yield from ((finding.message, "cannot be judged") for finding in reader.problems if finding.code in UNREAD)


def judged(reader: Reader) -> str:
    """Return what was judged where nothing is wrong, in words."""
    if reader.model is not None:
        return "nothing in its config runs code"
    return "nothing in its graphs uses files" if reader.format == "saved-model" else "no config: weights alone"
