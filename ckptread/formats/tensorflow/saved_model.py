"""SavedModels.

What it is: a folder with ``saved_model.pb`` (graphs, and what the objects are called) and, where the model has
variables, a TensorFlow V2 checkpoint in ``variables/``.
Specification: https://www.tensorflow.org/guide/saved_model, tensorflow/core/protobuf/saved_model.proto.
Read here: the variables, described by saved_model.pb and keras_metadata.pb; assets, as bytes.
Not read: graphs, functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from posixpath import join
from typing import TYPE_CHECKING

from ckptread.errors import UnsafeFileError
from ckptread.formats.asset_files import list_assets
from ckptread.formats.tensorflow.bundle import TfBundleReader
from ckptread.formats.tensorflow.evidence import DESCRIPTION_FILES, VARIABLES, read_description, saved_model_findings
from ckptread.formats.tensorflow.graph_facts import saved_model_metadata
from ckptread.model import ModelFacts
from ckptread.names.tensorflow.foreign_parts import saved_model_facts
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection
from ckptread.storage.source import Source, Stamp, Storage
from ckptread.tensors import Finding

if TYPE_CHECKING:
    from ckptread.tensors import Array

ASSET_LAYOUT = "saved-model"
ASSET_FOLDERS = ("assets", "assets.extra")
"""What the graph reads, and what its writer added; TensorFlow copies both."""


def open_saved_model(storage: Storage, folder: str, remains: Remains = Remains.refused) -> Reader:
    """Open a SavedModel's folder. Raises CheckpointError where its variables cannot be read."""
    index = join(folder, VARIABLES + ".index")
    _refuse_links(storage, folder, [*DESCRIPTION_FILES.values(), "saved_model.pbtxt", VARIABLES + ".index"])
    if storage.kind(index) in {None, "other"}:
        return EmptySavedModel(storage, folder)
    return SavedModelReader(storage, folder)


def _refuse_links(storage: Storage, folder: str, files: Iterable[str]) -> None:
    """Raise UnsafeFileError where one of the files is a link out of the folder."""
    outside = next((file for file in files if not storage.within(folder, join(folder, file))), None)
    if outside is not None:
        problem = f"{outside} is a link out of the folder"
        raise UnsafeFileError(storage.address(folder), problem, advice="copy the file into it")


def _unread(saved_model: bytes | None) -> list[Finding]:
    """Return a note where saved_model.pb is too large to be read, or cannot be: nobody knows what its graphs do."""
    if saved_model is not None:
        return []
    message = "saved_model.pb is not read: it is too large, or unreadable"
    return [Finding(code="saved-model-unread", severity="note", message=message)]


class SavedModelReader(TfBundleReader):
    """A SavedModel with variables: the checkpoint in it, by another name."""

    format = "saved-model"
    asset_layout = ASSET_LAYOUT

    def __init__(self, storage: Storage, folder: str) -> None:
        self._root = folder
        beside = {field: join(folder, file) for field, file in DESCRIPTION_FILES.items()}
        super().__init__(storage, join(folder, VARIABLES), folder=folder, beside=beside)
        self.problems = [*self.problems, *_unread(self.evidence.saved_model)]
        self.metadata = {**self.metadata, **saved_model_metadata(self.evidence.saved_model)}

    @cached_property
    def assets(self) -> Mapping[str, Callable[[], Source]]:
        """The files in ``assets/`` and ``assets.extra/``."""
        return list_assets(self._storage, self._root, ASSET_FOLDERS)

    @cached_property
    def model(self) -> ModelFacts | None:
        """What Keras 2 noted of its model, and what of it is not Keras' own; Keras 3 notes nothing."""
        return saved_model_facts(self.evidence.saved_model, self.evidence.keras_metadata)


class EmptySavedModel(Reader):
    """A SavedModel without variables: nothing to read, which is said."""

    format = "saved-model"
    asset_layout = ASSET_LAYOUT

    def __init__(self, storage: Storage, folder: str) -> None:
        self._root = folder
        self.path = storage.address(folder)
        self.tensors = {}
        self._description = join(folder, DESCRIPTION_FILES["saved_model"])
        self._storage = storage
        data = read_description(storage, self._description)
        self.metadata = saved_model_metadata(data)
        self.problems = [self._finding(), *saved_model_findings(data), *_unread(data)]

    def _finding(self) -> Finding:
        with self._storage.open(self._description) as source:
            if source.size > 16:
                return Finding(code="saved-model-empty", severity="note", message="this SavedModel has no variables")
        message = "this SavedModel has no variables, and saved_model.pb has no graph"
        return Finding(code="saved-model-empty", severity="warning", message=message)

    @cached_property
    def assets(self) -> Mapping[str, Callable[[], Source]]:
        """The files in ``assets/`` and ``assets.extra/``."""
        return list_assets(self._storage, self._root, ASSET_FOLDERS)

    @cached_property
    def model(self) -> ModelFacts | None:
        """What of it is not Keras' own, and what Keras 2 noted of its model."""
        files = [DESCRIPTION_FILES[field] for field in ("saved_model", "keras_metadata")]
        return saved_model_facts(*(read_description(self._storage, join(self._root, file)) for file in files))

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Raise TensorNotFoundError: there are no tensors."""
        return readable(self, key)  # type: ignore[return-value]

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the stamp of saved_model.pb."""
        return {self._storage.address(self._description): self._storage.stamp(self._description)}

    def close(self) -> None:
        """Close it: no file is open."""
        super().close()
