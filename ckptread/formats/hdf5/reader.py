"""HDF5 files: those of Keras, and any other.

What it is: datasets in groups, with attributes; each dataset contiguous, in chunks, or within its description.
Specification: HDF5 File Format Specification 3.0, https://support.hdfgroup.org/documentation/hdf5/latest/.
Read here: all of it natively, but for values that only the library decodes, which a worker reads: the filters szip,
nbit and scaleoffset, numbers of odd precision, records with strings or lists of any length.
Not read: external links and storage, virtual datasets (they are in other files), filters of plug-ins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.formats.asset_files import text_assets
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.model import ModelFacts
from ckptread.names.keras.describe import name_keras_tensors
from ckptread.names.keras.evidence import gather_keras_evidence
from ckptread.names.keras.legacy import list_weights_by_layer
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.names.keras.vocabularies import config_vocabularies
from ckptread.reader import Reader
from ckptread.storage.source import Source
from ckptread.untrusted.budget import within

if TYPE_CHECKING:
    from ckptread.tensors import Array


class Archive(msgspec.Struct, frozen=True):
    """What an archive around an HDF5 file records about the model."""

    metadata: Mapping[str, str] = {}
    config: Any = None
    format: str = "hdf5"
    """The reader's."""


NO_ARCHIVE = Archive()
ASSET_LAYOUT = "keras-config"
"""Of a legacy file: a config alone, without files of its own."""


class Hdf5Reader(Reader):
    """What all readers of HDF5 files have in common: the names that Keras gave to what is listed."""

    def __init__(self, source: Source, index: Hdf5Index, archive: Archive) -> None:
        self.format = archive.format
        self.path = source.name
        self._source = source
        self._index = index
        self.metadata = {**archive.metadata, **self._writer()}
        self.evidence, problems = gather_keras_evidence(
            index.attributes, archive.config, self.metadata, self._same_bytes
        )
        self.problems = [*index.problems, *problems]
        self.asset_layout = None if self.evidence.config is None else ASSET_LAYOUT
        listed = list(within(index.tensors.values(), source.whole_file().size))
        self.tensors = {t.key: t for t in name_keras_tensors(listed, self.evidence)}

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the config says, of an archive or a whole-model .h5."""
        return read_model_facts(self.evidence)

    @cached_property
    def assets(self) -> Mapping[str, Callable[[], Source]]:
        """The vocabularies in the config."""
        return text_assets(self.path, config_vocabularies(self.evidence.config))

    @cached_property
    def load_order(self) -> Mapping[str, Sequence[str]]:
        """The weights of each layer of a legacy file, in the order of its lists."""
        return list_weights_by_layer(self.tensors, self.evidence.attributes)

    def _same_bytes(self, key: str, other: str) -> bool:
        """Whether two datasets hold the same bytes; the native reader alone knows."""
        return False

    def _writer(self) -> dict[str, str]:
        """Return what the file records about its writer."""
        root = self._index.attributes.get("", {})
        return {name: str(root[name]) for name in ("keras_version", "backend") if name in root}

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source.whole_file(),)

    def rest(self) -> None:
        """End the worker, if there is one, until it is wanted again."""

    def close(self) -> None:
        """End the worker and close the file."""
        self.rest()
        self._source.close()
        super().close()


def copied(values: Array, out: Array | None) -> Array:
    """Return values, in the array that was given for them, if one was."""
    if out is None:
        return values
    out[...] = values
    return out
