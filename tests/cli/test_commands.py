"""The commands as people run them: what they print, what they exit with, what they leave behind."""

import csv
import io
import json
import os
import signal
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from tests.conftest import ARRAYS, difference_rows, write
from tests.table_writer import write_bundle

COMMAND = [sys.executable, "-m", "ckptread"]


def rows(text):
    """The table below a listing's heading, split at white space."""
    return [line.split() for line in text.split("\n\n")[1].splitlines() if line]


def test_inspect_lists_every_tensor(run, checkpoint):
    ran = run("inspect", checkpoint)
    assert ran.code == 0
    assert ["total", "4", "13", "56", "B"] in [line.split() for line in ran.out.splitlines()]
    assert [row[0] for row in rows(ran.out)] == ["name", "dense/bias", "dense/kernel", "head/kernel"]
    assert rows(ran.out)[2] == ["dense/kernel", "(3,", "2)", "6", "24", "B"]
    assert "  all float32" in ran.out.splitlines()
    assert [row[0] for row in rows(run("inspect", checkpoint, "--role", "all").out)] == ["name", *ARRAYS]
    assert ran.err == ""


def test_inspect_takes_patterns_and_exclusions(run, checkpoint):
    ran = run("inspect", checkpoint, "**/kernel", "dense", "--exclude", "**/bias")
    assert [row[0] for row in rows(ran.out)][1:] == ["dense/kernel", "head/kernel"]


@pytest.mark.parametrize(
    ("order", "first"), [("name", "dense/bias"), ("size", "dense/kernel"), ("stored", "dense/bias")]
)
def test_inspect_sorts(run, checkpoint, order, first):
    assert rows(run("inspect", checkpoint, "--sort", order).out)[1][0] == first


def test_inspect_as_json_is_the_documented_schema(run, checkpoint):
    document = json.loads(run("inspect", checkpoint, "--format", "json").out)
    assert {k: document[k] for k in ("schema", "path", "format", "backend")} == {
        "schema": 1, "path": checkpoint, "format": "tf-bundle", "backend": "native",
    }  # fmt: skip
    assert document["totals"] == {"tensors": 4, "aliases": 0, "parameters": 13, "nbytes": 56, "problems": 0}
    kernel = document["tensors"][1]
    assert {k: kernel[k] for k in ("key", "shape", "dtype", "parameters", "nbytes", "offset", "problem")} == {
        "key": "dense/kernel", "shape": [3, 2], "dtype": "float32", "parameters": 6, "nbytes": 24, "offset": 8,
        "problem": None,
    }  # fmt: skip
    assert kernel["file"].endswith("ckpt-7.data-00000-of-00001")
    assert {"variable", "role", "trainable"} < set(kernel)


def test_inspect_as_csv_and_markdown(run, checkpoint):
    table = list(csv.DictReader(io.StringIO(run("inspect", checkpoint, "--format", "csv").out)))
    assert [row["name"] for row in table] == list(ARRAYS)
    assert table[1]["bytes"] == "24"
    lines = run("inspect", checkpoint, "--format", "markdown").out.splitlines()
    assert lines[0].startswith("| name | dtype | shape | parameters | bytes |")
    assert lines[2].startswith("| `dense/bias` |")


def test_inspect_as_tree_and_by_depth(run, checkpoint):
    tree = run("inspect", checkpoint, "--tree").out
    assert "dense/" in tree
    assert "├─ bias" in tree
    assert "└─ kernel" in tree
    assert rows(run("inspect", checkpoint, "--depth", "1", "--role", "all").out)[1:] == [
        ["dense", "2", "8", "32", "B"], ["global_step", "1", "1", "8", "B"], ["head", "1", "4", "16", "B"],
    ]  # fmt: skip


def test_show_tells_where_and_what(run, checkpoint):
    out = run("show", checkpoint, "dense/kernel").out
    for text in ("offset      8\n", "length      24\n", "crc32c", "agrees", "min         0", "max         5",
                 "mean        2.5", "zeros       1", "histogram"):  # fmt: skip
        assert text in out
    stats = json.loads(run("show", checkpoint, "dense/kernel", "--format", "json").out)["statistics"]
    assert stats["std"] == pytest.approx(np.arange(6).std())


def test_show_takes_a_slice(run, checkpoint):
    assert run("show", checkpoint, "dense/kernel", "--slice", "1:, 0").out.split() == ["[2.", "4.]"]
    values = json.loads(run("show", checkpoint, "dense/kernel", "--slice", "-1", "--format", "json").out)["values"]
    assert values == [4.0, 5.0]


def test_extract_writes_what_numpy_reads(run, checkpoint, tmp_path):
    target = tmp_path / "k.npy"
    assert run("extract", checkpoint, "dense/kernel", "-o", target).code == 0
    np.testing.assert_array_equal(np.load(target), ARRAYS["dense/kernel"])
    assert os.stat(target).st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_extract_names_the_file_by_the_tensor(run, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "dense.kernel.npy" in run("extract", checkpoint, "dense/kernel").out
    np.testing.assert_array_equal(np.load("dense.kernel.npy"), ARRAYS["dense/kernel"])


def test_extract_keeps_an_existing_file_unless_forced(run, checkpoint, tmp_path):
    target = tmp_path / "k.npy"
    target.write_text("mine")
    ran = run("extract", checkpoint, "dense/kernel", "-o", target)
    assert (ran.code, target.read_text()) == (2, "mine")
    assert "--force replaces it" in ran.err
    assert run("extract", checkpoint, "dense/kernel", "-o", target, "--force").code == 0
    assert np.load(target).shape == (3, 2)
    assert sorted(os.listdir(tmp_path)) == ["ckpt-7.data-00000-of-00001", "ckpt-7.index", "k.npy"]


def test_extract_several_to_a_folder_or_one_npz(run, checkpoint, tmp_path):
    assert run("extract", checkpoint, "**", "-o", tmp_path / "out").code == 0
    assert sorted(os.listdir(tmp_path / "out")) == [
        "dense.bias.npy", "dense.kernel.npy", "global_step.npy", "head.kernel.npy",
    ]  # fmt: skip
    assert run("extract", checkpoint, "**", "-o", tmp_path / "all.npz").code == 0
    with np.load(tmp_path / "all.npz") as archive:
        assert set(archive.files) == set(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(archive[name], array)


def test_extract_of_several_asks_where_to(run, checkpoint):
    ran = run("extract", checkpoint, "dense")
    assert ran.code == 2
    assert "-o FOLDER or -o FILE.npz" in ran.err


def test_extract_of_a_slice_and_of_another_dtype(run, checkpoint, tmp_path):
    run("extract", checkpoint, "dense/kernel", "--slice", "::-1, 1", "--dtype", "float64", "-o", tmp_path / "s.npy")
    loaded = np.load(tmp_path / "s.npy")
    assert loaded.dtype == np.float64
    np.testing.assert_array_equal(loaded, ARRAYS["dense/kernel"][::-1, 1])


def test_extract_to_stdout_is_the_file_itself(checkpoint):
    ran = subprocess.run([*COMMAND, "extract", checkpoint, "dense/kernel", "-o", "-"], capture_output=True, check=True)
    np.testing.assert_array_equal(np.load(io.BytesIO(ran.stdout)), ARRAYS["dense/kernel"])
    assert ran.stderr == b""


def test_bfloat16_is_widened_and_said_or_kept_as_bits(run, tmp_path):
    array = np.array([1.5, -2.25, np.nan], ml_dtypes.bfloat16)
    prefix = write(tmp_path / "b", {"w": array})
    ran = run("extract", prefix, "w", "-o", tmp_path / "w.npy")
    assert "widened to float32" in ran.err
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), array.astype(np.float32))
    ran = run("extract", prefix, "w", "--raw", "-o", tmp_path / "r.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "r.npy"), array.view(np.uint16))


def test_a_damaged_tensor_leaves_no_file(run, checkpoint, tmp_path):
    data = tmp_path / "ckpt-7.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[9] ^= 1
    data.write_bytes(raw)
    ran = run("extract", checkpoint, "dense/kernel", "-o", tmp_path / "k.npy")
    assert ran.code == 2
    assert "checksum" in ran.err
    assert not (tmp_path / "k.npy").exists()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]
    assert run("show", checkpoint, "dense/kernel").code == 2
    assert run("show", checkpoint, "head/kernel").code == 0
    assert run("diff", checkpoint, checkpoint).code == 2


@pytest.fixture
def other(tmp_path):
    changed = {**ARRAYS, "head/kernel": ARRAYS["head/kernel"] + np.float32(0.25), "new": np.array([1], "int64")}
    del changed["global_step"]
    return write(tmp_path / "ckpt-8", changed)


def test_diff_says_what_changed_and_exits_one(run, checkpoint, other):
    ran = run("diff", checkpoint, other)
    assert ran.code == 1
    lines = ran.out.splitlines()
    changed, *others = difference_rows(ran.out)
    assert changed.split() == ["~", "head/kernel", "12", "%", "0.25", "all", "(2,", "2)"]
    assert {line.split()[1] for line in others} == {"global_step", "new"}
    assert "unchanged: 2 the same, bit for bit" in lines
    assert lines[-1].startswith("different: 3 of 5 tensors (names, shapes, dtypes and values compared)")


def test_diff_of_the_same_exits_zero(run, checkpoint):
    ran = run("diff", checkpoint, checkpoint)
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "same: 4 tensors, bit for bit (names, shapes, dtypes and values compared)"


def test_diff_options(run, checkpoint, other):
    assert run("diff", checkpoint, other, "--quiet").out == ""
    assert run("diff", checkpoint, other, "-q").code == 1
    assert run("diff", checkpoint, other, "--exit-zero").code == 0
    assert len(run("diff", checkpoint, other, "--brief").out.splitlines()) == 1
    assert run("diff", checkpoint, other, "dense").code == 0
    assert run("diff", checkpoint, other, "head", "--atol", "0.3").code == 0
    assert run("diff", checkpoint, other, "head", "--rtol", "0.1").code == 1
    assert run("diff", checkpoint, other, "nothing").code == 2


def test_diff_as_json_is_the_documented_schema(run, checkpoint, other):
    document = json.loads(run("diff", checkpoint, other, "--format", "json").out)
    assert (document["schema"], document["verdict"], document["a"]) == (1, "different", checkpoint)
    assert document["counts"] == {"same": 2, "changed": 1, "removed": 1, "added": 1}
    by_name = {(t["a"], t["b"]): t for t in document["tensors"]}
    head = by_name["head/kernel", "head/kernel"]
    assert (head["status"], head["changed"], head["max_abs"]) == ("changed", 4, 0.25)
    assert by_name["global_step", None]["status"] == "removed"
    assert by_name[None, "new"]["status"] == "added"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "nowhere"], "there is no such file"),
        (["show", "{ckpt}", "dense/kernal"], "Did you mean dense/kernel"),
        (["show", "{ckpt}", "dense/kernel", "--slice", "9"], "outside axis 0"),
        (["show", "{ckpt}", "dense/kernel", "--slice", "a:b"], "is not a slice"),
        (["show", "{ckpt}", "dense/kernel", "--slice", "9" * 5000], "is not a slice"),
        (["extract", "{ckpt}", "dense/kernel", "--dtype", "object", "-o", "x.npy"], "cannot be written as"),
        (["inspect", "{ckpt}", "--format", "yaml"], "Invalid value"),
        (["nonsense"], "No such command"),
    ],
)
def test_trouble_is_one_clear_line_and_exit_two(run, checkpoint, arguments, said):
    ran = run(*[argument.replace("{ckpt}", checkpoint) for argument in arguments])
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_version(run):
    assert run("--version").out.startswith("ckptread ")


def test_a_pipe_that_closes_ends_quietly(checkpoint):
    piped = subprocess.Popen([*COMMAND, "inspect", checkpoint], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    piped.stdout.close()
    assert piped.stderr.read() == b""
    piped.stderr.close()
    assert piped.wait() == 141


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    large = np.zeros((64 << 20) // 4, "float32")
    prefix = write(tmp_path / "large", {"w": large})
    target = tmp_path / "out" / "w.npy"
    target.parent.mkdir()
    script = (
        "import os, signal, sys; from ckptread.storage import writing; from ckptread.cli.startup import main\n"
        "writing._Draft.publish = lambda *a: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.argv = ['ckptread', 'extract', {prefix!r}, 'w', '-o', {str(target)!r}]; main()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ran.returncode == 128 + signal.SIGINT
    assert os.listdir(target.parent) == []
    assert b"Traceback" not in ran.stderr


def test_colour_is_for_terminals_that_want_it(checkpoint):
    ran = subprocess.run([*COMMAND, "inspect", checkpoint], capture_output=True, check=True)
    assert b"\x1b" not in ran.stdout


def test_names_are_printed_harmless(run, tmp_path):
    prefix = write(tmp_path / "n", {"a\x1b[2J\n\u202eb": ARRAYS["dense/bias"], "=cmd()": ARRAYS["dense/bias"]})
    for layout in ("table", "csv", "markdown"):
        out = run("inspect", prefix, "--format", layout).out
        assert "\x1b" not in out
        assert "\u202e" not in out
    assert "'=cmd()" in run("inspect", prefix, "--format", "csv").out
    keys = [t["key"] for t in json.loads(run("inspect", prefix, "--format", "json").out)["tensors"]]
    assert "a\x1b[2J\n\u202eb" in keys
    assert run("show", prefix, "a\\x1b[2J\\x0a\\u202eb").code == 0


def test_a_dtype_that_is_unknown_here_names_the_other_back_end(run, tmp_path):
    prefix = write_bundle(tmp_path / "new", {"odd": (99, (2,), bytes(2)), "plain": (1, (1,), bytes(4))})
    listed = run("inspect", prefix)
    assert listed.code == 0
    assert "dtype 99 is unknown here" in listed.out
    refused = run("extract", prefix, "odd", "-o", tmp_path / "odd.npy")
    assert refused.code == 2
    assert "--backend tensorflow" in refused.err
