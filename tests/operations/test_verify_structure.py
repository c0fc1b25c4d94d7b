"""What verify says of a file's own structure: graphs, versions, links, and objects whose bytes only have a checksum."""

import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ckptread
from tests.conftest import write

PICKLED = "objects.npz"


def codes(path, *severities):
    found = ckptread.verify(path)
    return [f.code for f in found.findings if f.severity in (severities or ("error", "warning"))], found.exit_code


@pytest.fixture(scope="module")
def iterator(tmp_path_factory):
    """A checkpoint of TensorFlow's with a dataset's iterator, and a variable."""
    tf = pytest.importorskip("tensorflow")
    iterator = iter(tf.data.Dataset.range(10).shuffle(4).prefetch(2))
    next(iterator)
    checkpoint = tf.train.Checkpoint(it=iterator, v=tf.Variable([1.0, 2.0]))
    return checkpoint.save(str(tmp_path_factory.mktemp("iterator") / "ckpt"))


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.v = tf.Variable([1.0, 2.0], name="v")
    folder = tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(module, str(folder))
    return folder


def data_of(prefix):
    return Path(f"{prefix}.data-00000-of-00001")


def variant_extent(prefix):
    """Return where the first variant is, by the entry in the index."""
    with ckptread.open(prefix) as reader:
        return next((e.offset, e.nbytes) for e in reader._entries.values() if e is not None and e.dtype == "variant")


@pytest.mark.tensorflow
def test_an_iterator_whose_checksum_agrees_is_ok(iterator):
    assert codes(iterator) == ([], 0)
    assert codes(iterator, "note")[0] == ["tensor-unsupported"]
    assert ckptread.check(iterator, finite=True)


@pytest.mark.tensorflow
def test_any_changed_byte_of_an_iterator_is_damage(iterator, tmp_path):
    start, nbytes = variant_extent(iterator)
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(iterator + suffix, tmp_path / f"ckpt{suffix}")
    original = data_of(iterator).read_bytes()
    for at in range(start, start + nbytes, max(1, nbytes // 50)):
        changed = bytearray(original)
        changed[at] ^= 4
        data_of(tmp_path / "ckpt").write_bytes(changed)
        found = ckptread.verify(tmp_path / "ckpt")
        assert found.verdict == "damaged", at
        assert not any("agree" in f.advice for f in found.findings), at


@pytest.mark.tensorflow
def test_a_saved_model_whose_graph_cannot_be_parsed_is_damaged(saved_model, tmp_path):
    assert codes(saved_model) == ([], 0)
    shutil.copytree(saved_model, tmp_path / "model")
    for garbage in (b"\xff" * 400, b"", b"not a graph at all"):
        (tmp_path / "model" / "saved_model.pb").write_bytes(garbage)
        if garbage:
            assert codes(tmp_path / "model") == (["saved-model-graph"], 1)


def test_a_checkpoint_for_a_later_tensorflow_is_an_error(tmp_path):
    from tests import table_writer

    prefix = write(tmp_path / "ckpt", {"a": np.ones(2, "f4")})
    entries = {b"": table_writer.header() + b"\x1a\x03\x10\xe8\x07"}  # version { min_consumer: 1000 }
    with ckptread.open(prefix) as reader:
        entries |= {key: value for key, value in reader._index.entries.items() if key}
    Path(f"{prefix}.index").write_bytes(table_writer.table(sorted(entries.items())))
    assert "tf-header" in codes(prefix)[0]
    assert codes(prefix)[1] == 1


@pytest.mark.tensorflow
def test_an_object_graph_that_refers_to_objects_out_of_range_is_a_warning(tmp_path):
    import tensorflow as tf
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    from ckptread.names.tensorflow.object_graph import parse_object_graph

    prefix = tf.train.Checkpoint(v=tf.Variable(1.0)).save(str(tmp_path / "ckpt"))
    with ckptread.open(prefix) as reader:
        data = reader["_CHECKPOINTABLE_OBJECT_GRAPH"][()]
    graph = TrackableObjectGraph.FromString(data)
    assert parse_object_graph(data).problem is None
    graph.nodes[0].children[0].node_id = 99
    assert "does not have" in parse_object_graph(graph.SerializeToString()).problem
    graph.nodes[0].children[0].node_id = 0  # a cycle is legal
    assert parse_object_graph(graph.SerializeToString()).problem is None
    graph.nodes[0].slot_variables.add(original_variable_node_id=1, slot_name="m", slot_variable_node_id=-1)
    assert "does not have" in parse_object_graph(graph.SerializeToString()).problem


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "."), data)
    return path


def test_a_member_that_is_a_symbolic_link_is_a_warning(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(2))
    link = zipfile.ZipInfo("assets/vocabulary.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr(link, "/etc/passwd")
    found, exit_code = codes(tmp_path / "a.npz")
    assert "zip-link" in found
    assert exit_code == 1


def test_a_keras_archive_without_a_config_is_a_warning(tmp_path):
    import h5py

    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones(2, "f4")
    weights = (tmp_path / "model.weights.h5").read_bytes()
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        file.writestr("model.weights.h5", weights)
    assert codes(path) == (["keras-member-missing"], 1)


def test_a_pickled_array_whose_checksum_agrees_is_a_note(tmp_path):
    np.savez(tmp_path / PICKLED, a=np.ones(2), o=np.array([{}, None], object))
    assert codes(tmp_path / PICKLED) == ([], 0)
    assert "tensor-unsupported" in codes(tmp_path / PICKLED, "note")[0]
    data = bytearray((tmp_path / PICKLED).read_bytes())
    at = data.index(b"o.npy") + 200
    data[at] ^= 1
    (tmp_path / PICKLED).write_bytes(data)
    assert ckptread.verify(tmp_path / PICKLED).verdict == "damaged"


def test_an_entry_that_claims_more_variants_than_bytes_is_refused():
    from ckptread.formats.tensorflow.variants import check_variants
    from ckptread.untrusted.binary import Malformed

    with pytest.raises(Malformed):
        check_variants(b"\x00" * 40, 1 << 60, 0, "little")
