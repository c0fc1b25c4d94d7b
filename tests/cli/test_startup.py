"""What each command loads: a listing starts in a tenth of a second because it loads so little."""

import ast
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import CASES, all_but_one, each

SLOW = {
    "numpy", "h5py", "tensorflow", "ml_dtypes", "cramjam", "google_crc32c", "json", "rich", "pydantic",
    "csv", "asyncio", "http", "urllib.request", "multiprocessing", "concurrent.futures", "ckptread.storage.processes",
}  # fmt: skip
"""What takes milliseconds to import, and is imported by the function that needs it."""


def loaded_by(*arguments):
    """Run a command, and return which of the slow modules it has loaded."""
    program = (
        f"import sys; sys.argv = ['ckptread', *{list(map(str, arguments))!r}]\n"
        "from ckptread.cli.startup import main\n"
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


def test_a_list_of_checkpoints_loads_processes_only_for_workers(checkpoint, tmp_path):
    (tmp_path / "list").write_text(f"{checkpoint}\n")
    processes = {"multiprocessing", "concurrent.futures", "ckptread.storage.processes"}
    assert not loaded_by("inspect", checkpoint) & processes
    assert not loaded_by("inspect", "--from", tmp_path / "list") & processes
    assert loaded_by("verify", "--from", tmp_path / "list") & processes <= {"concurrent.futures"}  # its threads
    assert processes <= loaded_by("inspect", "--from", tmp_path / "list", "--workers", "2")


@each(of_format("hdf5", "keras")[-6:], slow=all_but_one)
def test_hdf5_is_inspected_without_loading_its_library_or_numpy(case):
    assert loaded_by("inspect", case.path) <= {"json"}
    assert loaded_by("inspect", case.path, "--layers", "--model") <= {"json"}


def test_no_command_makes_its_classes_by_the_slow_library(checkpoint):
    program = "import sys, ckptread.cli.startup as c\ntry: c.main()\nfinally: print('dataclasses' in sys.modules)"
    command = [sys.executable, "-c", program, "inspect", checkpoint]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "False"


@pytest.mark.slow
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


@pytest.mark.slow
def test_digests_of_plain_tensors_need_no_numpy(checkpoint):
    assert "numpy" not in loaded_by("digest", checkpoint)
    for case in CASES:
        if case.name in ("keras3/model.keras", "keras3/model.weights.h5"):
            assert "numpy" not in loaded_by("digest", case.path, "--role", "all")


def test_a_tensorflow_checkpoint_is_listed_without_what_names_keras_files(checkpoint):
    program = (
        "import sys, ckptread.cli.startup as c\n"
        "try: c.main()\nfinally: print([m for m in sys.modules if 'names.' in m])"
    )
    command = [sys.executable, "-c", program, "inspect", checkpoint]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ckptread.names.tensorflow.describe" in ran.stdout.splitlines()[-1]
    assert not {"ckptread.names.keras.describe", "ckptread.names.keras.layers", "ckptread.names.keras.walk"} & set(
        ast.literal_eval(ran.stdout.splitlines()[-1])
    )


def test_listing_reads_the_index_and_no_value(checkpoint, monkeypatch):
    opened, open_file = [], os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: opened.append(str(path)) or open_file(path, *rest, **more)
    )
    with ckptread.open(checkpoint) as reader:
        assert len(reader)
    assert [path for path in opened if ".data-" in path] == []
    assert any(path.endswith(".index") for path in opened)


@pytest.fixture
def started(monkeypatch):
    """The modules of the workers that are started, in order."""
    from ckptread.worker import parent as worker

    modules, start = [], worker._start

    def counted(module, descriptor):
        modules.append(module)
        return start(module, descriptor)

    monkeypatch.setattr(worker, "_start", counted)
    return modules


@pytest.mark.parametrize(
    "arguments",
    [["inspect", "a.h5"], ["diff", "a.h5", "b.h5"], ["inspect", "a.keras"], ["check", "a.h5", "--no-nan"]],
    ids=str,
)
def test_no_process_is_started_for_a_keras_file(arguments, tmp_path, monkeypatch, run, started):
    import h5py

    monkeypatch.chdir(tmp_path)
    for name in ("a.h5", "b.h5"):
        with h5py.File(name, "w") as file:
            file["w"] = np.arange(4.0)
            file.create_dataset("chunked", data=np.arange(100.0), chunks=(10,), compression="gzip", shuffle=True)
            file["names"] = ["dense", "dense_1"]
    with zipfile.ZipFile("a.keras", "w") as archive:
        archive.write("a.h5", "model.weights.h5")
    assert run(*arguments).code in (0, 1)
    assert started == []


def test_one_worker_is_started_for_values_that_only_the_library_decodes(tmp_path, run, started):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", data=np.arange(100), chunks=(10,), scaleoffset=0)
    assert run("show", tmp_path / "a.h5", "w").code == 0
    assert len(started) == 1
