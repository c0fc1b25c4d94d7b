"""A model of TensorFlow.js: its weights, by the manifest in its JSON file.

What it is: ``model.json``, ``{"format", "modelTopology", "weightsManifest": [{"paths": [...], "weights": [{"name",
"shape", "dtype", "quantization"}]}]}``, or the manifest alone in ``weights_manifest.json``; and the files it names.
The files of a group are joined end to end, and have the weights one after another, little-endian, in C order.
Specification: tfjs-core/src/io/io_utils.ts and tfjs-converter/python/tensorflowjs/write_weights.py of
https://github.com/tensorflow/tfjs
Read here: every dtype of the format. Quantized values are widened as TensorFlow.js does it. There are no checksums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from posixpath import dirname, join
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.json_shards import is_plain
from ckptread.formats.mistakes import blame_substitute
from ckptread.formats.tensorflowjs.layout import PlacedWeight, place_weights
from ckptread.formats.tensorflowjs.manifest import STRING, WeightGroup, read_document, read_groups
from ckptread.formats.tensorflowjs.naming import name_layers, read_keras_evidence
from ckptread.formats.tensorflowjs.values import decode_string_values, widen
from ckptread.model import ModelFacts
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection, Slicing, normalize, read_box
from ckptread.storage.source import CloseOnError, Source, Stamp, Storage, check_unchanged
from ckptread.tensors import Finding, Region
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array

METADATA = ("format", "generatedBy", "convertedBy")
METADATA_CHARACTERS = 200


def open_tensorflowjs(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a model.json or weights_manifest.json.

    Raises DamagedFileError where it has no valid manifest, UnsafeFileError where that leads out of its folder.
    """
    return TensorflowJsReader(storage, name)


class TensorflowJsReader(Reader):
    """An open model, and its files of weights."""

    format = "tensorflowjs"

    def __init__(self, storage: Storage, name: str) -> None:
        self.path = storage.address(name)
        self.problems: list[Finding] = []
        self._storage = storage
        self._folder = dirname(name)
        self._stamp = storage.stamp(name)
        document = read_document(storage, name)
        groups = read_groups(self.path, document)
        self._files: dict[str, Source | None] = {}
        with CloseOnError(self):
            for path in (path for group in groups for path in group.paths):
                self._open_file(path)
            stamps = {join(self._folder, path): file.stamp for path, file in self._files.items() if file is not None}
            check_unchanged(storage, {name: self._stamp, **stamps})
            placed = [each for group in groups for each in self._place(group)]
        self._placed = {each.weight.name: each for each in placed}
        self._evidence = read_keras_evidence(document)
        infos = (each.describe() for each in placed)
        self.tensors = {info.key: info for info in name_layers(infos, self._evidence.config)}
        self.metadata = _metadata(document, placed)

    def _open_file(self, path: str) -> None:
        """Open a file of weights; one that cannot be opened takes only its own weights with it."""
        name = join(self._folder, path)
        if not all(map(is_plain, path.split("/"))) or not self._is_inside(dirname(name)):
            raise UnsafeFileError(self.path, f"it points to {quoted(path)}, which is not a file in its folder")
        self._files[path] = None
        try:
            self._files[path] = self._storage.open(name)
        except CheckpointError as error:
            self._report(path, error, missing=self._storage.kind(name) is None)

    def _is_inside(self, folder: str) -> bool:
        """Whether a folder is that of the JSON file, or inside it when all links are followed."""
        return folder == self._folder or self._storage.within(self._folder, folder)

    def _report(self, path: str, error: CheckpointError, *, missing: bool) -> None:
        problem = "it is missing" if missing else error.problem
        self.problems.append(
            Finding(
                code="shard-missing" if missing else error.code,
                severity="error",
                message=f"the file of weights {quoted(path)}: {problem}",
                file=self._storage.address(join(self._folder, path)),
                advice="download it too, into the same folder" if missing else error.advice,
            )
        )

    def _place(self, group: WeightGroup) -> list[PlacedWeight]:
        placed, findings = place_weights(group, [self._files[path] for path in group.paths])
        self.problems += findings
        for path in group.paths if any(finding.severity == "error" for finding in findings) else ():
            self._name_substitute(path)
        return placed

    def _name_substitute(self, path: str) -> None:
        """Report what is in place of a file of weights that is too short: a Git LFS pointer, say."""
        wrong = DamagedFileError(self.path, "")
        found = blame_substitute(wrong, self._storage, join(self._folder, path))
        if found is not wrong:
            self._report(path, found, missing=False)

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the config of a layers model says; None for a graph model."""
        return read_model_facts(self._evidence)

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return how a weight is quantized, and how many files it is in."""
        placed = self._placed[key]
        found = {} if placed.weight.quantization is None else {"quantized": str(placed.weight.quantization)}
        return found | ({"files": f"{len(placed.pieces)}"} if len(placed.pieces) > 1 else {})

    def regions(self) -> Iterator[Region]:
        """Yield the pieces of each weight: the format has no checksums."""
        for key, placed in self._placed.items():
            for piece in placed.pieces if self.tensors[key].problem is None else ():
                read_into = piece.source.from_offset(piece.offset)
                file, offset = piece.source.locate(piece.offset)
                yield Region(key, file, offset, piece.nbytes, read_into=read_into)

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a weight, or of the selected part."""
        import numpy as np

        info = readable(self, key)
        placed, slicing = self._placed[info.key], normalize(selection, info.shape or ())
        box = np.empty(slicing.box, numpy_dtype(info.dtype, self.path)) if out is None else out.reshape(slicing.box)
        if info.dtype == STRING:
            box[...] = self._strings(placed)[tuple(slice(r.start, r.stop, r.step) for r in slicing.ranges)]
        elif placed.weight.quantization is not None:
            stored = np.empty(slicing.box, placed.weight.stored)
            self._fill(placed, slicing, stored)
            box[...] = widen(stored, placed.weight.quantization, info.dtype)
        else:
            self._fill(placed, slicing, box)
        return slicing.finish(box) if out is None else out

    def _fill(self, placed: PlacedWeight, slicing: Slicing, box: Array) -> None:
        """Read the selected part of a weight as it is stored."""
        start = placed.start
        read_box(
            lambda at, buffer: placed.joined.read_into(start + at, buffer), placed.weight.shape, slicing.ranges, box
        )

    def _strings(self, placed: PlacedWeight) -> Array:
        import numpy as np

        data = bytearray(placed.nbytes)
        placed.joined.read_into(placed.start, memoryview(data))
        values = np.empty(placed.weight.shape, object)
        try:
            values.reshape(-1)[:] = decode_string_values(bytes(data), values.size)
        except Malformed as error:
            raise DamagedFileError(self.path, f"{quoted(placed.weight.name)}: {error.problem}") from error
        return values

    def open_sources(self) -> list[Source]:
        """Return the files of weights; the JSON file is closed once it was read."""
        return [file.whole_file() for file in self._files.values() if file is not None]

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the stamp of each file, the JSON file included."""
        return {self.path: self._stamp, **{source.name: source.stamp for source in self.open_sources()}}

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            if file is not None:
                file.close()
        super().close()


def _metadata(document: Any, placed: list[PlacedWeight]) -> dict[str, str]:
    """Return who wrote the model, and which dtypes its weights are stored in where they are quantized."""
    stated = document if isinstance(document, dict) else {}
    texts = {name: stated[name][:METADATA_CHARACTERS] for name in METADATA if isinstance(stated.get(name), str)}
    quantized = sorted({each.weight.stored for each in placed if each.weight.quantization is not None})
    return texts | ({"quantized": ", ".join(quantized)} if quantized else {})
