"""What several test files need."""

import inspect
import os
import re
import signal
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from ckptread.cli import startup as cli
from tests.hostile import watched
from tests.table_writer import write_bundle

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# No deadlines: machines that run tests are busy. On CI the same examples every time; elsewhere new ones.
CI = bool(os.environ.get("CI"))
settings.register_profile(
    "ckptread", deadline=None, derandomize=CI, print_blob=CI, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ckptread")


def pytest_report_header():
    return f"files that commands open are watched by {watched.means()}"


LIBRARIES = {"tensorflow": "tensorflow", "keras": "keras", "tf_keras": "keras"}
"""The marker of a test that imports this module."""


LOADED = re.compile(r'^(?:import |\w+ = pytest\.importorskip\(")(tensorflow|keras|tf_keras)\b', re.MULTILINE)
"""A line at the top of a module that loads one."""


def pytest_ignore_collect(collection_path, config):
    """Do not load TensorFlow, which takes seconds, for modules of which no test is selected."""
    selected = config.option.markexpr.split(" and ")
    if collection_path.suffix == ".py":
        loaded = LOADED.findall(collection_path.read_text(encoding="utf-8"))
        return any(f"not {LIBRARIES[library]}" in selected for library in loaded) or None
    return None


def pytest_collection_modifyitems(items):
    """Mark the tests whose modules, fixtures or own lines import TensorFlow or Keras."""
    for item in items:
        at_the_top = {value.__name__ for value in vars(item.module).values() if inspect.ismodule(value)}
        for library in LIBRARIES.keys() & (at_the_top | imported_inside(item)):
            item.add_marker(LIBRARIES[library])
        if LIBRARIES.keys() & at_the_top:
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # they warn of each other as they write the files


def imported_inside(item):
    """The names in the code of a test and of its fixtures, among them what they import, or skip a test without."""
    fixtures = [definition.func for found in item._fixtureinfo.name2fixturedefs.values() for definition in found]
    codes = [function.__code__ for function in (item.function, *fixtures) if hasattr(function, "__code__")]
    texts = {text for code in codes if "importorskip" in code.co_names for text in code.co_consts}
    return texts.union(*(code.co_names for code in codes))


FLOAT32, STRING, INT64, BFLOAT16 = 1, 7, 9, 14


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has Ctrl-C ignored by what it starts in the background, and so by all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command line in this process; returns its exit code and what it printed."""

    def run_command(*arguments):
        monkeypatch.setattr(sys, "argv", ["ckptread", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Ran(ended.value.code, printed.out, printed.err)

    return run_command


ARRAYS = {
    "dense/bias": np.array([0.5, -1.0], "float32"),
    "dense/kernel": np.arange(6, dtype="float32").reshape(3, 2),
    "global_step": np.array(7, "int64"),
    "head/kernel": np.full((2, 2), 2.0, "float32"),
}


def write(prefix, arrays):
    """Write arrays as a TensorFlow bundle, without TensorFlow."""
    numbers = {"float32": FLOAT32, "int64": INT64, "bfloat16": BFLOAT16}
    tensors = {name: (numbers[a.dtype.name], a.shape, a.tobytes()) for name, a in arrays.items()}
    return write_bundle(prefix, tensors)


@pytest.fixture
def checkpoint(tmp_path):
    """The prefix of a small TensorFlow checkpoint that holds ARRAYS."""
    return write(tmp_path / "ckpt-7", ARRAYS)


@pytest.fixture(scope="session")
def ten_models(tmp_path_factory):
    """Ten models in five formats each: ``ten_models[model][format]`` is a path. Never write there."""
    pytest.importorskip("keras")
    from tests.conformance.ten_models import write_all

    return write_all(tmp_path_factory.mktemp("ten_models"))


def difference_rows(out):
    """The rows of what differs: those with a mark in front."""
    return [line for line in out.splitlines() if line[:2] in {"~ ", "+ ", "- ", "! "}]


@pytest.fixture
def bytes_read(monkeypatch):
    """How many bytes each call of the system read."""
    sizes, pread = [], os.pread

    def counted(descriptor, nbytes, offset):
        sizes.append(nbytes)
        return pread(descriptor, nbytes, offset)

    monkeypatch.setattr(os, "pread", counted)
    return sizes
