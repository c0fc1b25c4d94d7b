"""``--max-change`` compares norms as numpy has them; ``--safe`` fails for what would run code or use files."""

import io
import json
import zipfile

import numpy as np
import pytest

import ckptread
from ckptread.operations.check.rule_checker import check_rules
from ckptread.operations.check.rules import Rule
from tests.conformance.cases import FIXTURES
from tests.conftest import ARRAYS, write
from tests.in_memory import InMemory

BEFORE = {"body/a": np.arange(1.0, 7), "body/b": np.full(4, 2.0, "f4"), "head/w": np.ones(3)}
AFTER = {"body/a": np.arange(1.0, 7) * 1.02, "body/b": np.full(4, 2.0, "f4"), "head/w": np.ones(3) * 3}


def ratio(*names):
    one, other = (np.concatenate([side[name] for name in names]).astype("f8") for side in (BEFORE, AFTER))
    return float(np.linalg.norm(other - one) / np.linalg.norm(one))


def result(limit, pattern=None, before=None, after=None):
    rule = Rule("max-change", pattern, limit)
    (found,) = check_rules(InMemory(**(after or AFTER)), [rule], before=InMemory(**(before or BEFORE)))
    return found


@pytest.mark.parametrize(
    ("pattern", "names"), [("body/**", ["body/a", "body/b"]), ("head", ["head/w"]), (None, BEFORE)]
)
def test_tensors_are_taken_together(pattern, names):
    moved = ratio(*names)
    assert result(moved * 1.000001, pattern).passed
    broken = result(moved * 0.999999, pattern)
    assert not broken.passed
    assert {offender.name for offender in broken.offenders} <= set(names)
    assert float(broken.found.removeprefix("moved ").removesuffix(" %")) == pytest.approx(100 * moved, rel=0.05)


@pytest.mark.parametrize(("before", "after", "why"), [
    ({"a": np.ones(2)}, {"b": np.ones(2)}, "is not in the other one"),
    ({"a": np.ones(2)}, {"a": np.ones(3)}, "shape (2,) -> (3,)"),
    ({"a": np.ones(2)}, {"a": np.array([1, np.nan])}, "more NaN"),
    ({"a": np.zeros(2)}, {"a": np.full(2, 1e-9)}, "from zero"),
    ({"a": np.array(["x"])}, {"a": np.array(["y"])}, "elements changed"),
])  # fmt: skip
def test_what_has_no_distance_is_too_far(before, after, why):
    found = result(1e9, None, before, after)
    assert not found.passed
    assert any(why in offender.reason for offender in found.offenders)


def test_the_same_values_did_not_move_even_from_zero():
    assert result(0.0, None, {"a": np.zeros(2)}, {"a": np.zeros(2)}).passed
    assert result(0.0, None, BEFORE, BEFORE).passed


def test_a_reference_is_named_on_the_command_line_or_in_a_file(run, checkpoint, tmp_path):
    other = write(tmp_path / "o", {**ARRAYS, "head/kernel": ARRAYS["head/kernel"] * np.float32(1.5)})
    for limit, code in (("0.6", 0), ("0.4", 1)):
        option = ["--max-change", f"head={limit}"]
        assert run("check", other, "--base", checkpoint, *option).code == code
        assert run("check", checkpoint, other, *option, "-q").code == code
        (tmp_path / "rules.toml").write_text(f'[check]\nmax-change = {{ "head" = {limit} }}\nbase = "{checkpoint}"\n')
        assert run("check", other, "--rules", tmp_path / "rules.toml").code == code
    assert bool(ckptread.check(other, max_change={"head": 0.6}, base=checkpoint))
    assert "--base" in run("check", other, "--max-change", "0.1").err


def test_quiet_prints_nothing(run, checkpoint):
    for options, code in ((["--finite"], 0), (["--dtype", "float64"], 1)):
        ran = run("check", checkpoint, *options, "-q")
        assert (ran.code, ran.out) == (code, "")
    assert run("check", checkpoint, "--finite", "-q", "--format", "json").code == 2


def keras_archive(path, config):
    """A .keras archive with this config and the weights of a real one."""
    with zipfile.ZipFile(FIXTURES / "keras3" / "model.keras") as real, zipfile.ZipFile(path, "w") as made:
        for name in real.namelist():
            made.writestr(name, config if name == "config.json" else real.read(name))
    return path


@pytest.mark.parametrize(("config", "danger"), [
    ({"class_name": "Lambda", "config": {"name": "twice"}}, "Lambda twice"),
    ({"class_name": "Block", "module": "mine", "registered_name": "mine>Block", "config": {}}, "mine>Block"),
    ({"class_name": "StringLookup", "config": {"name": "words", "vocabulary": "/etc/passwd"}}, "/etc/passwd"),
])  # fmt: skip
def test_a_config_with_code_or_files_is_not_safe(run, tmp_path, config, danger):
    model = {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": [config]}}
    ran = run("check", keras_archive(tmp_path / "m.keras", json.dumps(model)), "--safe")
    assert (ran.code, danger in ran.out) == (1, True)


def test_what_cannot_be_judged_is_not_safe(run, tmp_path):
    assert run("check", keras_archive(tmp_path / "m.keras", b"{"), "--safe").code == 1
    pickled = io.BytesIO()
    np.save(pickled, np.array([object], object), allow_pickle=True)
    (tmp_path / "p.npy").write_bytes(pickled.getvalue())
    ran = run("check", tmp_path / "p.npy", "--safe")
    assert (ran.code, "unpickling runs code" in ran.out) == (1, True)


@pytest.mark.parametrize("path", ["keras3/model.keras", "tf-object/ckpt-1", "safetensors/small.safetensors"])
def test_plain_models_and_weights_alone_are_safe(run, path):
    if not path.startswith("tf") and not (FIXTURES / path).exists():
        path = next(str(each) for each in sorted((FIXTURES / "safetensors").glob("*.safetensors")))
    ran = run("check", FIXTURES / path, "--safe")
    assert (ran.code, "pass  safe" in ran.out) == (0, True)
    document = json.loads(run("check", FIXTURES / path, "--safe", "--format", "json").out)
    assert document["checkpoints"][0]["rules"][0]["found"]


@pytest.mark.tensorflow
def test_graphs_that_use_files_or_python_are_not_safe(run, tmp_path):
    tf = pytest.importorskip("tensorflow")

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
        def save(self, path):
            tf.io.write_file(path, "text")

    class Caller(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
        def call(self, x):
            return tf.numpy_function(lambda y: y, [x], tf.float32)

    class Printer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
        def call(self, x):
            tf.print(x, output_stream="file:///tmp/printed")
            return x

    class Plain(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
        def call(self, x):
            return x * 2

    for kind, danger in ((Writer, "WriteFile"), (Caller, "PyFunc"), (Printer, "PrintV2"), (Plain, "")):
        tf.saved_model.save(kind(), str(tmp_path / kind.__name__))
        ran = run("check", tmp_path / kind.__name__, "--safe")
        assert (ran.code, danger in ran.out) == (int(bool(danger)), True), kind


def test_the_hooks_are_commands(run, checkpoint):
    lines = (FIXTURES.parent / ".pre-commit-hooks.yaml").read_text().splitlines()
    entries = [line.split()[2:] for line in lines if line.startswith("  entry: ckptread ")]
    assert len(entries) == sum(line.startswith("- id: ") for line in lines)
    for entry in entries:
        assert run(*entry, checkpoint).code == 0
