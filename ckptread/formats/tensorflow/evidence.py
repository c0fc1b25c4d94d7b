"""What is known of a TensorFlow checkpoint's tensors besides its index: the object graph, and files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ckptread.errors import CheckpointError
from ckptread.limits import DESCRIPTION_BYTES
from ckptread.names.tensorflow.describe import OBJECT_GRAPH_KEY, TensorFlowEvidence, name_tensorflow_tensors
from ckptread.names.tensorflow.object_graph import ObjectGraph, parse_object_graph
from ckptread.names.tensorflow.saved_model import is_saved_model
from ckptread.storage.small_files import read_small_file
from ckptread.storage.source import Storage
from ckptread.tensors import Finding, TensorInfo

VARIABLES = "variables/variables"
"""The prefix of the checkpoint in a SavedModel's folder."""
DESCRIPTION_FILES = {"saved_model": "saved_model.pb", "keras_metadata": "keras_metadata.pb"}
"""The files of a SavedModel that describe its variables, by the field of the evidence."""

SameBytes = Callable[[str, str], bool]


def gather_tensorflow_evidence(
    graph: bytes | None, storage: Storage, beside: Mapping[str, str], same_bytes: SameBytes | None
) -> TensorFlowEvidence:
    """Return what there is to name tensors by; ``beside`` has names of files, which need not exist, by field."""
    wanted = {field: name for field, name in beside.items() if graph is None or field != "meta_graph"}
    found = {field: read_description(storage, name) for field, name in wanted.items()}
    return TensorFlowEvidence(
        object_graph=parse_object_graph(graph) if graph else ObjectGraph(),
        saved_model=found.get("saved_model"),
        keras_metadata=found.get("keras_metadata"),
        meta_graph=found.get("meta_graph"),
        same_bytes=same_bytes,
    )


def name_tensors(
    tensors: Mapping[str, TensorInfo], evidence: TensorFlowEvidence
) -> tuple[dict[str, TensorInfo], list[Finding]]:
    """Return the tensors with their names, in the model's order, and what is wrong with the description."""
    graph, problems = evidence.object_graph, []
    if graph.problem is not None:
        problems.append(
            Finding(
                code="tf-object-graph",
                severity="warning",
                message=graph.problem,
                key=OBJECT_GRAPH_KEY,
                advice=graph.advice,
            )
        )
    problems += saved_model_findings(evidence.saved_model)
    return {info.key: info for info in name_tensorflow_tensors(list(tensors.values()), evidence)}, problems


def saved_model_findings(data: bytes | None) -> list[Finding]:
    """Return a finding if saved_model.pb cannot be parsed; none if there is no such file."""
    if data is None or is_saved_model(data):
        return []
    message = "saved_model.pb cannot be parsed: names and flags come from the checkpoint alone"
    advice = "TensorFlow refuses this SavedModel: download it again"
    return [Finding(code="saved-model-graph", severity="error", message=message, key=None, advice=advice)]


def read_description(storage: Storage, name: str) -> bytes | None:
    """Return a file's bytes; None where it is missing, unreadable or too large: names are a help, no more."""
    try:
        return read_small_file(storage, name, DESCRIPTION_BYTES, "a description")
    except CheckpointError:
        return None
