"""What each command loads: a listing starts in a tenth of a second because it loads so little."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cases import CASES

SLOW = {
    "numpy", "h5py", "tensorflow", "ml_dtypes", "cramjam", "google_crc32c", "json", "rich", "pydantic",
    "csv", "asyncio", "http", "urllib.request", "multiprocessing",
}  # fmt: skip
"""What takes milliseconds to import, and is imported by the function that needs it."""


def loaded_by(*arguments):
    """Run a command, and return which of the slow modules it has loaded."""
    program = (
        f"import sys; sys.argv = ['ckptread', *{list(map(str, arguments))!r}]\n"
        "from ckptread.cli import main\n"
        "try:\n    main()\nexcept SystemExit as error:\n    code = error.code\n"
        f"found = sorted(set(sys.modules) & {SLOW!r})\n"
        "import json\nsys.stderr.write('\\n' + json.dumps([code, found]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, found = json.loads(ran.stderr.splitlines()[-1])
    assert code in (0, 1), ran.stderr
    return set(found)


def of_format(*formats):
    return [case for case in CASES if case.format in formats]


def test_importing_the_library_loads_nothing_slow():
    program = "import ckptread, sys, json; print(json.dumps(sorted(set(sys.modules))))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not (set(json.loads(ran.stdout)) - {"json"}) & SLOW
    assert not set(json.loads(ran.stdout)) & {"dataclasses", "inspect", "logging", "subprocess", "pathlib", "ast"}
    third_party = {m.split(".")[0] for m in json.loads(ran.stdout)} & {"typer", "click", "numpy", "h5py"}
    assert not third_party


def test_inspecting_a_tensorflow_checkpoint_loads_its_checksums_alone(checkpoint):
    assert loaded_by("inspect", checkpoint) <= {"google_crc32c"}
    assert loaded_by("inspect", checkpoint, "--format", "json") <= {"google_crc32c", "json"}


@pytest.mark.parametrize("case", of_format("hdf5", "keras")[:6], ids=lambda case: case.name)
def test_hdf5_is_inspected_without_loading_its_library_or_numpy(case):
    assert loaded_by("inspect", case.path) <= {"json"}
    assert loaded_by("inspect", case.path, "--layers", "--model") <= {"json"}


def test_no_command_makes_its_classes_by_the_slow_library(checkpoint):
    program = "import sys, ckptread.cli as c\ntry: c.main()\nfinally: print('dataclasses' in sys.modules)"
    command = [sys.executable, "-c", program, "inspect", checkpoint]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "False"


def test_the_hdf5_library_is_never_loaded_by_us(tmp_path):
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.arange(10.0)
        file.create_dataset("c", data=np.arange(100), chunks=(10,), compression="gzip")
        file["s"] = ["x", "y"]
    for name in ("a", "c", "s"):
        assert "h5py" not in loaded_by("show", tmp_path / "x.h5", name)
        assert "h5py" not in loaded_by("extract", tmp_path / "x.h5", name, "-o", tmp_path / f"{name}.npy")
    assert "h5py" not in loaded_by("diff", tmp_path / "x.h5", tmp_path / "x.h5")


def test_digests_of_plain_tensors_need_no_numpy(checkpoint):
    assert "numpy" not in loaded_by("digest", checkpoint)
    for case in CASES:
        if case.name in ("keras3/model.keras", "keras3/model.weights.h5"):
            assert "numpy" not in loaded_by("digest", case.path, "--role", "all")
