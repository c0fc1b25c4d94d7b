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
