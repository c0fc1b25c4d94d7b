"""SavedModels.

What it is: a folder with ``saved_model.pb`` (graphs, and what the objects are called) and, where the model has
variables, a TensorFlow V2 checkpoint in ``variables/``.
Specification: https://www.tensorflow.org/guide/saved_model, tensorflow/core/protobuf/saved_model.proto.
Read here: the variables, described by saved_model.pb and keras_metadata.pb.
Not read: graphs, functions, assets.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from ckptread.errors import UnsafeFileError
from ckptread.formats.tensorflow.bundle import TfBundleReader
from ckptread.model import ModelFacts
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.names.tensorflow.saved_model import keras_evidence
from ckptread.reader import Reader, readable
from ckptread.slicing import Selection
from ckptread.storage.local import FileSource
from ckptread.tensors import Finding

if TYPE_CHECKING:
    from ckptread.tensors import Array

DESCRIPTIONS = {"saved_model": "saved_model.pb", "keras_metadata": "keras_metadata.pb"}
"""What stands beside the variables and says what they are called."""


def open_saved_model(folder: str) -> Reader:
    """Open a SavedModel's folder. Raises CheckpointError where its variables cannot be read."""
    variables = os.path.join(folder, "variables")
    if not os.path.exists(os.path.join(variables, "variables.index")):
        return EmptySavedModel(folder)
    index = os.path.realpath(os.path.join(variables, "variables.index"))
    if not index.startswith(os.path.realpath(folder) + os.sep):
        raise UnsafeFileError(folder, "its variables are a link out of the folder", advice="copy them into it")
    return SavedModelReader(folder)


class SavedModelReader(TfBundleReader):
    """A SavedModel with variables: the checkpoint in it, by another name."""

    format = "saved-model"

    def __init__(self, folder: str) -> None:
        beside = {name: os.path.join(folder, file) for name, file in DESCRIPTIONS.items()}
        super().__init__(os.path.join(folder, "variables", "variables"), path=folder, folder=folder, beside=beside)

    @cached_property
    def model(self) -> ModelFacts | None:
        """What Keras 2 noted of its model beside the graphs; Keras 3 notes nothing."""
        return read_model_facts(keras_evidence(self.evidence.saved_model, self.evidence.keras_metadata))


class EmptySavedModel(Reader):
    """A SavedModel without variables: nothing to read, which is said."""

    format = "saved-model"

    def __init__(self, folder: str) -> None:
        self.path = folder
        self.tensors = {}
        self.metadata = {"writer": "TensorFlow"}
        self.problems = [self._finding(folder)]

    def _finding(self, folder: str) -> Finding:
        source = FileSource(os.path.join(folder, "saved_model.pb"))
        try:
            has_graph = source.size > 16
        finally:
            source.close()
        if has_graph:
            return Finding(severity="note", message="this SavedModel has no variables")
        return Finding(
            severity="warning", message="this SavedModel has no variables, and saved_model.pb holds no graph"
        )

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Raise: there are no tensors."""
        raise AssertionError(readable(self, key))

    def close(self) -> None:
        """Nothing is held."""
