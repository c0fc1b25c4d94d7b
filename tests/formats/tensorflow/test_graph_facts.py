"""The version and the signatures of a SavedModel are those that TensorFlow reads in saved_model.pb."""

import pytest

import ckptread
from ckptread.formats.tensorflow.graph_facts import saved_model_metadata
from tests.conformance.cases import FIXTURES

SAVED = sorted(path.parent for path in FIXTURES.glob("saved-model-*/**/saved_model.pb"))


def spelled(arguments, dtypes):
    """Arguments of a signature as a listing has them."""
    for name, argument in sorted(arguments.items()):
        dims = ["?" if dim.size < 0 else str(dim.size) for dim in argument.tensor_shape.dim]
        shape = "of any shape" if argument.tensor_shape.unknown_rank else f"({', '.join(dims)}{',' * (len(dims) == 1)})"
        yield f"{name}: {dtypes(argument.dtype).name} {shape}"


@pytest.mark.tensorflow
@pytest.mark.parametrize("folder", SAVED, ids=lambda folder: folder.name)
def test_metadata_has_the_version_and_the_signatures(folder):
    tf = pytest.importorskip("tensorflow")
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0]
    with ckptread.open(folder) as reader:
        found = dict(reader.metadata)
    assert found["writer"] == f"TensorFlow {graph.meta_info_def.tensorflow_version}"
    expected = {
        f"signature {name}": f"({', '.join(spelled(each.inputs, tf.as_dtype))}) -> "
        f"({', '.join(spelled(each.outputs, tf.as_dtype))})"
        for name, each in graph.signature_def.items()
        if name != "__saved_model_init_op"
    }
    assert {name: text for name, text in found.items() if name.startswith("signature ")} == expected


@pytest.mark.parametrize("data", [None, b"", b"\xff", b"\x12\x02\x0a\x7f"])
def test_what_is_no_saved_model_has_no_version(data):
    assert saved_model_metadata(data) == {"writer": "TensorFlow"}


def test_a_listing_shows_the_signatures(run):
    folder = next(each for each in SAVED if "keras" in str(each))
    lines = run("inspect", folder).out.splitlines()
    assert any(line.startswith("  signature serving_default (") for line in lines)
