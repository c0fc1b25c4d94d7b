"""Digest and show of strings, lists, references and records, as h5py and TensorFlow write them."""

import hashlib

import numpy as np
import pytest

import ckptread


def digest_of(path, key):
    [entry] = ckptread.digest(path, [key]).tensors
    assert entry.value is not None, entry.problem
    return entry.value


def as_string(data):
    return len(data).to_bytes(8, "little") + data


def sha256(head, *values):
    return hashlib.sha256(f"{head}\n".encode() + b"".join(values)).hexdigest()


@pytest.fixture
def objects(tmp_path):
    import h5py

    path = tmp_path / "objects.h5"
    with h5py.File(path, "w") as file:
        file["deep/values"] = np.arange(3.0)
        references = file.create_dataset("references", (3,), h5py.ref_dtype)
        references[0] = file["deep/values"].ref
        references[1] = file["deep"].ref
        lists = file.create_dataset("lists", (2,), h5py.vlen_dtype(np.dtype(">i4")))
        lists[0], lists[1] = np.arange(3), np.arange(0)
        file.create_dataset("text", data=["a", "bc"], dtype=h5py.string_dtype())
        record = np.dtype({"names": ["a", "b"], "formats": ["<u4", "<f4"], "offsets": [0, 8], "itemsize": 16})
        file.create_dataset("record", data=np.ones(2, record))
    return path


def test_a_reference_is_digested_by_the_path_of_its_object(objects):
    values = map(as_string, (b"/deep/values", b"/deep", b""))
    assert digest_of(objects, "references") == sha256("string[3]", *values)


def test_a_list_is_digested_as_a_tensor_within_a_string(objects):
    first = b"int32[3]\n" + np.arange(3, dtype="<i4").tobytes()
    assert digest_of(objects, "lists") == sha256("string[2]", as_string(first), as_string(b"int32[0]\n"))


def test_a_string_of_variable_length_is_digested_as_a_string(objects):
    assert digest_of(objects, "text") == sha256("string[2]", as_string(b"a"), as_string(b"bc"))


def test_a_file_of_objects_has_a_digest(objects):
    found = ckptread.digest(objects, role="all")
    assert (found.exit_code, len(found.tensors)) == (0, 5)


def test_show_prints_the_path_that_a_reference_leads_to(objects, run):
    out = run("show", str(objects), "references").out
    assert "/deep/values>" in out
    assert "(null)" in out
    assert "references: whether they are NaN or Inf is unknown" in out
    assert "NaN  " not in out


def test_a_record_with_gaps_is_shown_by_its_fields(objects, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for command in (["inspect"], ["inspect", "--stats"], ["inspect", "--tree"]):
        out = run(*command, str(objects)).out
        assert "[('a', '<u4'), ('b', '<f4')], 16 bytes each" in out
        assert "itemsize" not in out


@pytest.mark.tensorflow
def test_show_says_that_the_checksum_of_strings_agrees(tmp_path, run):
    import tensorflow as tf

    prefix = tf.train.Checkpoint(label=tf.Variable("some words")).save(str(tmp_path / "ckpt"))
    assert "checksum    stored with the values, agrees" in run("show", prefix, "label").out


def test_a_reference_inside_a_record_has_a_digest(tmp_path):
    import h5py

    record = np.dtype([("n", "<i4"), ("to", h5py.ref_dtype), ("text", h5py.string_dtype())])
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["deep/values"] = np.arange(3.0)
        file.create_dataset("records", (2,), record)[0] = (5, file["deep/values"].ref, "x")
    values = [b"\5\0\0\0", as_string(b"/deep/values"), as_string(b"x"), bytes(4), as_string(b""), as_string(b"")]
    head = str(np.dtype([("n", "<i4"), ("to", "O"), ("text", "O")]))
    assert digest_of(tmp_path / "m.h5", "records") == sha256(f"{head}[2]", *values)


def test_a_reference_to_a_region_has_a_digest(tmp_path):
    import h5py

    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"] = np.arange(4.0)
        file.create_dataset("regions", (2,), h5py.regionref_dtype)[0] = file["a"].regionref[1:3]
    assert digest_of(tmp_path / "m.h5", "regions") == sha256("string[2]", as_string(b"/a[1:3]"), as_string(b""))


@pytest.mark.parametrize("backend", ["native", "h5py"])
def test_a_string_is_called_string(objects, run, backend):
    for command in (["inspect"], ["inspect", "--stats"], ["inspect", "--tree"], ["show"]):
        words = run(*command[:1], str(objects), "text", *command[1:2], "--backend", backend).out.split()
        assert "string" in words
        assert "object" not in words
    with ckptread.open(objects, backend=backend) as reader:
        assert reader["text"].info.dtype_name == "string"
        assert reader["text"].dtype == object
        assert reader["lists"].info.dtype_name == "object"


def test_field_names_with_control_characters_are_escaped(tmp_path, run):
    import h5py

    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["records"] = np.zeros(2, [("a\x1b[31m\n", "f4"), ("c", "i4")])
    path = str(tmp_path / "m.h5")
    np.savez(tmp_path / "m.npz", records=np.ones(2, [("a\x1b[31m\n", "f4"), ("c", "i4")]))
    commands = [["inspect", path], ["inspect", path, "--stats"], ["show", path, "records"], ["textconv", path],
                ["digest", path], ["check", path, "--no-nan"], ["diff", path, str(tmp_path / "m.npz")],
                ["diff", path, str(tmp_path / "m.npz"), "--format", "json"], ["inspect", path, "--format", "csv"],
                ["extract", path, "**", "-o", str(tmp_path / "out")]]  # fmt: skip
    for command in commands:
        ran = run(*command)
        assert "\x1b" not in ran.out + ran.err
