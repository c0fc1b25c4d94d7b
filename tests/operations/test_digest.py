"""Digests are those of docs/digest.md in every container, and nothing that changed goes unseen."""

import hashlib
import os
import re
import shutil
import subprocess

import h5py
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ckptread
from ckptread.operations.digest import digest as digests
from ckptread.operations.digest.canonical import canonical_dtype
from ckptread.operations.digest.digest import digest, digest_tensor, digest_tensors
from ckptread.reader import Tensor
from ckptread.tensors import TensorInfo
from tests.conformance.cases import CASES, FIXTURES, ROOT
from tests.conftest import write
from tests.in_memory import InMemory

PAGE = (ROOT / "docs" / "digest.md").read_text()
[PROGRAM] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
DEFINED = {}
exec(PROGRAM, DEFINED)
tensor_digest, whole_digest = DEFINED["tensor_digest"], DEFINED["whole_digest"]

DTYPES = ["bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64", "complex64"]
SMALL = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "int4", "uint4"]


def arrays_of_any_dtype():
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
    plain = st.tuples(st.sampled_from(DTYPES), shapes).flatmap(lambda chosen: hnp.arrays(*chosen))
    octets = hnp.arrays("uint8", hnp.array_shapes(max_dims=2, max_side=6), elements=st.integers(0, 7))
    small = st.tuples(st.sampled_from(SMALL), octets).map(
        lambda chosen: np.repeat(chosen[1], np.dtype(getattr(ml_dtypes, chosen[0])).itemsize, -1).view(
            getattr(ml_dtypes, chosen[0])
        )
    )
    return plain | small


@pytest.mark.slow
@given(arrays_of_any_dtype(), st.integers(1, 64))
def test_a_digest_is_that_of_the_documented_program_whatever_the_blocks(array, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor.blocks, "__defaults__", (block,))
        assert digest_tensor(InMemory(t=array)["t"]) == tensor_digest(array)


@given(arrays_of_any_dtype().filter(lambda array: array.size and array.ndim), st.data())
def test_one_flipped_bit_changes_the_digest(array, data):
    octets = bytearray(array.tobytes())
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    other = np.frombuffer(octets, array.dtype).reshape(array.shape)
    before, after = (digest(InMemory(t=a, u=np.arange(3))) for a in (array, other))
    assert before.tensors[0].value != after.tensors[0].value
    assert before.tensors[1].value == after.tensors[1].value
    assert before.whole != after.whole


@given(st.lists(arrays_of_any_dtype(), max_size=5), st.randoms())
def test_the_whole_depends_neither_on_order_nor_on_repetition(arrays, random):
    again = arrays + arrays[:2]
    random.shuffle(again)
    one, other = (digest(InMemory(**{f"t{i}": a for i, a in enumerate(chosen)})) for chosen in (arrays, again))
    assert one.whole == other.whole == whole_digest(arrays)


def test_shape_and_dtype_count():
    zeros = [np.zeros(4, "f4"), np.zeros((2, 2), "f4"), np.zeros(4, "i4"), np.zeros(2, "f8"), np.zeros((0, 4), "f4")]
    assert len({digest_tensor(InMemory(t=a)["t"]) for a in zeros}) == len(zeros)


@pytest.mark.parametrize(
    ("stored", "canonical"),
    [(">f4", "float32"), ("<i8", "int64"), ("bfloat16", "bfloat16"), ("qint8", "qint8"), ("bool", "bool"),
     ("|V2", "V2"), ("|S3", "S3"), ("<U3", "U3"), ("object", "string"), ("string", "string"),
     ("[('a', '>i2'), ('b', '<f4')]", "[('a', '<i2'), ('b', '<f4')]")],
)  # fmt: skip
def test_a_dtype_has_one_spelling(stored, canonical):
    assert canonical_dtype(stored) == canonical


def test_the_order_of_bytes_in_the_file_does_not_count():
    values = np.array([[1.5, -0.0, np.nan]], "float32")
    complex_values = np.array([1 - 2j, 3j])
    for array in (values, complex_values, np.array(["añ"]), np.array([(1, 2)], "i2,f4")):
        turned = array.astype(array.dtype.newbyteorder(">"))
        reader = InMemory(t=turned)
        reader.tensors["t"] = TensorInfo(key="t", shape=turned.shape, dtype=str(turned.dtype), nbytes=turned.nbytes)
        as_it_is = InMemory(t=array)
        as_it_is.tensors["t"] = TensorInfo(key="t", shape=array.shape, dtype=str(array.dtype), nbytes=array.nbytes)
        assert digest_tensor(reader["t"]) == digest_tensor(as_it_is["t"])


def test_strings_are_digested_by_their_lengths_and_bytes():
    case = next(case for case in CASES if case.name == "tf-dtypes/strings")
    with ckptread.open(case.path) as reader:
        for entry in digest(reader).tensors:
            values = reader.read(entry.tensor.key).reshape(-1).tolist()
            head = f"string[{','.join(map(str, entry.tensor.shape))}]\n".encode()
            body = b"".join(len(value).to_bytes(8, "little") + value for value in values)
            assert entry.value == hashlib.sha256(head + body).hexdigest()


def h5_arrays(path):
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def test_the_documented_program_agrees_with_the_command_on_real_files(run, tmp_path):
    def last(path, *options):
        ran = run("digest", path, *options)
        assert ran.code == 0
        return ran.out.splitlines()[-1].split()[0]

    weights = FIXTURES / "keras3" / "model.weights.h5"
    assert last(weights, "--role", "all") == whole_digest(h5_arrays(weights))
    np.savez(tmp_path / "weights.npz", a=np.arange(6.0).reshape(2, 3), b=np.array(True), c=np.array([1 + 2j]))
    assert last(tmp_path / "weights.npz") == whole_digest(np.load(tmp_path / "weights.npz").values())


def test_the_documented_pipe_gives_the_last_line(run, tmp_path):
    [pipe] = re.findall(r"^(head -n -1 .*)$", PAGE, re.MULTILINE)
    listed = run("digest", FIXTURES / "keras3" / "model.keras").out
    (tmp_path / "LISTING").write_text(listed)
    piped = subprocess.run(pipe, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert piped.stdout.split()[0] == listed.splitlines()[-1].split()[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_tensor_has_the_digest_of_its_values_whatever_the_parts(case, monkeypatch):
    with ckptread.open(case.path) as reader:
        whole = digest(reader, role="all")
        for entry in whole.tensors:
            if entry.value is None or canonical_dtype(entry.tensor.dtype) == "string":
                continue
            values = reader.read(entry.tensor.key)
            if values.dtype.names is None and entry.tensor.shape is not None:
                assert entry.value == tensor_digest(values, canonical_dtype(entry.tensor.dtype))
        for threads in (1, 3):
            monkeypatch.setattr("ckptread.storage.threads.thread_count", lambda count=threads: count)
            monkeypatch.setattr(digests, "PART_BYTES", 5)
            monkeypatch.setattr(digests, "LARGE_BYTES", 0)
            monkeypatch.setattr("ckptread.operations.each_tensor.SMALL_BYTES", 0)
            assert digest(reader, role="all") == whole
            largest = max(reader.tensors.values(), key=lambda t: t.nbytes, default=None)
            if largest is not None:
                [alone] = digest_tensors(reader, [largest])
                assert alone in whole.tensors or largest.repeats is not None


SAME_WEIGHTS = [
    "keras3/model.keras", "keras3/model.weights.h5", "keras3/legacy.h5", "keras3-shards/model.weights.json",
    "keras3-deflated/model.keras",
]  # fmt: skip


@pytest.mark.parametrize("path", SAME_WEIGHTS[1:])
def test_one_model_in_every_container_has_one_digest(path):
    with ckptread.open(FIXTURES / SAME_WEIGHTS[0]) as one, ckptread.open(FIXTURES / path) as other:
        assert digest(one).whole == digest(other).whole
        assert {e.value for e in digest(one).tensors} == {e.value for e in digest(other).tensors}


def test_ten_models_have_one_digest_each_in_all_five_formats(ten_models, run):
    wholes = {}
    for model, paths in ten_models.items():
        found = {}
        for suffix, path in paths.items():
            ran = run("digest", path)
            assert (ran.code, ran.err) == (0, "")
            *tensors, whole = (line.split("  ")[0] for line in ran.out.splitlines())
            found[suffix] = frozenset(tensors), whole
        assert len(set(found.values())) == 1, (model, found)
        wholes[model] = found[".keras"][1]
    assert len(set(wholes.values())) == len(ten_models)


def test_one_flipped_bit_in_any_tensor_of_ten_models_is_seen(ten_models, tmp_path):
    """In the formats of TensorFlow each tensor, and each in one of HDF5's, which take a process to open."""
    random = np.random.default_rng(0)
    for model, paths in ten_models.items():
        for turn, (suffix, path) in enumerate(paths.items()):
            some = slice(turn, None, 3) if "." in suffix else slice(None)
            check_flips(copied(path, tmp_path / model / suffix.strip(".")), random, some)


def copied(path, folder):
    """Copy a checkpoint, and return its path there."""
    if os.path.isdir(path):
        shutil.copytree(path, folder)
        return str(folder)
    folder.mkdir(parents=True)
    for name in os.listdir(os.path.dirname(path)):
        if name.startswith(os.path.basename(path)):
            shutil.copy(os.path.join(os.path.dirname(path), name), folder)
    return str(folder / os.path.basename(path))


def check_flips(path, random, some):
    """Flip one bit of each tensor in turn: its own line changes, or it cannot be read; no other line does."""
    with ckptread.open(path) as reader:
        before = digest(reader)
        extents = {e.tensor.key: reader.tensors[e.tensor.key].extent for e in before.tensors}
    for key, extent in list(extents.items())[some]:
        at = extent.offset + int(random.integers(extent.nbytes))
        flip(extent.file, at, int(random.integers(8)), undo := [])
        with ckptread.open(path) as reader:
            after = digest(reader)
        assert after.whole != before.whole
        figures = {e.tensor.key: e.value for e in after.tensors}  # one more, where two names were of one tensor
        assert [e.tensor.key for e in before.tensors if figures[e.tensor.key] != e.value] == [key]
        flip(extent.file, at, undo[0], [])


def flip(path, at, bit, undo):
    undo.append(bit)
    with open(path, "r+b") as file:
        file.seek(at)
        octet = file.read(1)[0] ^ (1 << bit)
        file.seek(at)
        file.write(bytes([octet]))


def test_a_second_name_has_no_line(run):
    case = next(case for case in CASES if case.name == "saved-model-keras/.")
    with ckptread.open(case.path) as reader:
        aliases = [t for t in reader.tensors.values() if t.repeats is not None]
        listed = {e.tensor.key for e in digest(reader, role="all").tensors}
        assert aliases
        assert listed == set(reader.tensors) - {t.key for t in aliases}
    alone = run("digest", case.path, aliases[0].key).out.splitlines()
    assert len(alone) == 2, "asked for by its second name alone, a tensor has a line"


def test_what_cannot_be_read_is_said_and_there_is_no_last_line(run, tmp_path):
    prefix = write(tmp_path / "ckpt-1", {"a": np.arange(4, dtype="float32"), "b": np.arange(4, dtype="int64")})
    flip(f"{prefix}.data-00000-of-00001", 1, 3, [])
    ran = run("digest", prefix)
    assert ran.code == 2
    assert [line.split("  ")[1] for line in ran.out.splitlines()] == ["b"]
    assert ran.err.startswith("a could not be read: the bytes of 'a'")
    document = run("digest", prefix, "--format", "json")
    assert document.code == 2
    assert '"digest": null' in document.out


def test_names_count_only_where_asked_for():
    a, b = np.arange(3), np.arange(4)
    one, swapped = InMemory(x=a, y=b), InMemory(x=b, y=a)
    assert digest(one).whole == digest(swapped).whole
    by_key = [digest(reader, names="key").whole for reader in (one, swapped)]
    assert by_key[0] != by_key[1]
    lines = sorted(f"{tensor_digest(array)}  {name}\n" for name, array in (("x", a), ("y", b)))
    assert by_key[0] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_arrays_in_fortran_order_are_not_mixed_up_between_threads(tmp_path):
    random = np.random.default_rng(0)
    arrays = {f"a{i}": np.asfortranarray(random.standard_normal((300, 500))) for i in range(6)}
    np.savez(tmp_path / "fortran.npz", **arrays)
    with pytest.MonkeyPatch.context() as patch, ckptread.open(tmp_path / "fortran.npz") as reader:
        patch.setattr(Tensor.blocks, "__defaults__", (20_000,))
        found = {e.tensor.key: e.value for e in digest(reader).tensors}
    assert found == {name: tensor_digest(array) for name, array in arrays.items()}
