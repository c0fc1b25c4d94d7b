"""Compares what ckptread says of every keras.applications model, in every format, with the model itself.

    python -m tests.names.keras.architectures [--write docs/architectures.md] [--keep results.json] [NAME ...]

Every model is built without its trained weights for the smallest input it takes, compiled, and, if it is small
enough, trained one step; it is written in five formats, each is opened with ckptread, and the list of (name, shape,
trainable) is compared with ``model.weights``. Takes some 40 minutes and 10 GB of memory for all of them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.names.keras.keras_summary import printed

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

FORMATS = (".keras", ".weights.h5", ".h5", "TF checkpoint", "SavedModel")
TRAINED_BELOW = 10_000_000
"""Parameters of the largest model that is trained one step."""
EXEMPT = {
    "LayerScale": "ConvNeXt's LayerScale is a custom class that names its weight with a global counter "
    "(`variable_18`). Its name is given by position, and its flag is None in a .keras.",
    "BatchNormalization": "a BatchNormalization with only gamma or only beta: a .weights.h5 has no config, so it does "
    "not show which one the weight is. Its name is given by position.",
}
SMALLEST = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75, "NASNetLarge": 331, "NASNetMobile": 224}
"""Side of the smallest square image, where it is not 32; NASNet with its top takes one size only."""


def names() -> list[str]:
    import keras

    found = vars(keras.applications).items()
    return sorted(name for name, value in found if name[0].isupper() and callable(value))


def build(name: str) -> Any:
    """Build and compile a model, and train it one step where it is small."""
    import keras
    import numpy as np

    keras.backend.clear_session()
    side = SMALLEST.get(name, 32)
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
    small = model.count_params() < TRAINED_BELOW
    model.compile("adam", "categorical_crossentropy", run_eagerly=small)
    if small:
        model.train_on_batch(np.zeros((1, side, side, 3)), np.zeros((1, 1000)))
    return model


def written(model: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write the model in each format, one at a time: a large one takes gigabytes."""
    import tensorflow as tf

    writers: dict[str, Callable[[], Path]] = {
        ".keras": lambda: _at(folder / "model.keras", model.save),
        ".weights.h5": lambda: _at(folder / "model.weights.h5", model.save_weights),
        ".h5": lambda: _at(folder / "model.h5", model.save),
        "TF checkpoint": lambda: Path(tf.train.Checkpoint(model=model).save(str(folder / "checkpoint"))),
        "SavedModel": lambda: _at(folder / "export", lambda path: model.export(str(path), verbose=False)),
    }
    for kind in FORMATS:
        yield kind, writers[kind]()
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()


def _at(path: Path, save: Callable[[Path], Any]) -> Path:
    save(path)
    return path


def compare(kind: str, path: Path, model: Any) -> dict[str, Any]:
    """Open what was written and return how many weights agree, and which do not."""
    import ckptread
    from tests.names.keras.agreement import disagreements, unordered_disagreements, weights_of

    weights = weights_of(model)
    started = time.perf_counter()
    with ckptread.open(path) as reader:
        tensors, summary = list(reader.tensors.values()), ckptread.summarize(reader)
    seconds = time.perf_counter() - started
    if kind == ".weights.h5":
        found = unordered_disagreements(tensors, weights, names_required=False)
    else:
        flags = kind in (".keras", ".h5", "SavedModel")
        found = disagreements(tensors, weights, names_required=False, flags_required=False, flags=flags)
    weighty = [info for info in tensors if info.role == "model" and info.repeats is None]
    return {
        "wrong": found[:20],
        "weights": len(weights),
        "named": sum(info.variable is not None and not info.positional for info in weighty),
        "flags": sum(info.trainable is not None for info in weighty),
        "totals": agrees_with_summary(model, summary),
        "states": sum(info.role in ("optimizer", "ema") for info in tensors),
        "states_named": sum(info.role in ("optimizer", "ema") and info.variable is not None for info in tensors),
        "seconds": round(seconds, 3),
    }


def totals(summary: Any) -> dict[str, int]:
    """Return the totals, where the flag of a weight is unknown as if it were trained."""
    found = summary.totals
    amounts = {"Total": found.total, "Non-trainable": found.frozen, "Optimizer": found.optimizer}
    counts = {name: amount.parameters for name, amount in amounts.items()}
    return {**counts, "Trainable": found.trained.parameters + found.unknown.parameters}


def rows(summary: Any) -> list[tuple[str, int]]:
    return sorted((layer.name, layer.weights.parameters) for layer in summary.layers)


def agrees_with_summary(model: Any, summary: Any) -> bool:
    """Whether layers and totals are those that ``model.summary()`` prints."""
    printed_rows, printed_totals = printed(model)
    same_rows = rows(summary) == sorted((name, count) for name, _, count, _ in printed_rows)
    return same_rows and totals(summary) == {"Optimizer": 0, **printed_totals}


def check(name: str) -> dict[str, Any]:
    model = build(name)
    result: dict[str, Any] = {"parameters": model.count_params(), "exempt": exemptions(model), "formats": {}}
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in written(model, Path(folder)):
            result["formats"][kind] = compare(kind, path, model)
    return result


def exemptions(model: Any) -> dict[str, int]:
    """Return how many weights of a model have no name for a reason that is known."""
    norms = [layer for layer in model.layers if layer.__class__.__name__ == "BatchNormalization"]
    return {
        "LayerScale": sum(layer.__class__.__name__ == "LayerScale" for layer in model.layers),
        "BatchNormalization": sum(layer.scale != layer.center for layer in norms),
    }


def cell(kind: str, result: dict[str, Any], exempt: dict[str, int]) -> str:
    """Render one cell: ``yes``, or how many weights have no name and why, or what is wrong."""
    if result["wrong"]:
        return f"**no**: {result['wrong'][0]}"
    missing = result["weights"] - result["named"]
    parts = []
    reasons = [name for name, count in exempt.items() if count and (kind == ".weights.h5" or name == "LayerScale")]
    if missing:
        known = missing == sum(exempt[name] for name in reasons)
        parts.append(f"{missing} by position ({', '.join(reasons)})" if known else f"**{missing} unnamed**")
    if kind in (".keras", ".h5") and not result["totals"]:
        parts.append("**layers or totals differ**")
    if kind in (".keras", "SavedModel") and result["weights"] - result["flags"] not in (0, exempt["LayerScale"]):
        parts.append(f"**{result['weights'] - result['flags']} flags unknown**")
    if kind in (".keras", ".h5", "TF checkpoint") and result["states"] != result["states_named"]:
        parts.append(f"{result['states'] - result['states_named']} optimizer variables unnamed")
    return "; ".join(["yes", *parts])


def table(results: dict[str, Any]) -> str:
    head = [
        "# Names of the models in keras.applications",
        "",
        "`python -m tests.names.keras.architectures --write docs/architectures.md` writes this page. It",
        "builds every model for its smallest input, compiles it, trains it one step if it has fewer than 10 million",
        "parameters, writes it in five formats, and opens each file with ckptread.",
        "",
        "**yes** for `.keras`, `.h5`, TF checkpoint and SavedModel (`model.export`) means:",
        "",
        "- the same weights, in the order of `model.weights`, with the same shapes",
        "- unique names that agree with Keras' paths (one is the ending of the other, in complete components)",
        "- no trainable flag that contradicts Keras",
        "- for `.keras` and `.h5`: the layers and totals of `inspect --layers` are those of `model.summary()`",
        "- for `.keras` and SavedModel: all flags are known",
        "",
        "A `.weights.h5` records no order. A `.weights.h5` and a TF checkpoint record no flags, except for weights",
        "that are never trained.",
        "",
        "| architecture | parameters | weights | " + " | ".join(FORMATS) + " |",
        "|---|---:|---:|" + "---|" * len(FORMATS),
    ]
    rows = []
    for name, result in sorted(results.items()):
        formats, exempt = result["formats"], result["exempt"]
        cells = [cell(kind, formats[kind], exempt) for kind in FORMATS]
        count = formats[".keras"]["weights"]
        rows.append(f"| {name} | {result['parameters']:,} | {count} | " + " | ".join(cells) + " |")
    notes = [f"- **{name}**: {reason}" for name, reason in EXEMPT.items()]
    return "\n".join([*head, *rows, "", "Exemptions:", "", *notes, ""])


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="architectures; all of them by default")
    parser.add_argument("--write", type=Path, help="the Markdown file to write")
    parser.add_argument("--keep", type=Path, help="results as JSON, to go on from where an earlier run stopped")
    options = parser.parse_args()
    results = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else {}
    for name in options.names or names():
        if name in results:
            continue
        started = time.perf_counter()
        results[name] = check(name)
        exempt, formats = results[name]["exempt"], results[name]["formats"]
        cells = {kind: cell(kind, each, exempt) for kind, each in formats.items()}
        sys.stdout.write(f"{name}: {cells} ({time.perf_counter() - started:.0f} s)\n")
        sys.stdout.flush()
        if options.keep:
            options.keep.write_text(json.dumps(results))
        gc.collect()
    if options.write:
        options.write.write_text(table(results))


if __name__ == "__main__":
    main()
