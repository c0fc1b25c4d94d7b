"""Keras' .keras archives.

What it is: a zip archive of ``metadata.json`` (who wrote it, and when), ``config.json`` (the model's architecture) and
``model.weights.h5``, an HDF5 file. ``assets/`` may hold vocabularies and the like.
Specification: https://keras.io/api/models/model_saving_apis/, keras/src/saving/saving_lib.py.
Read here: the weights, through a window where they are stored (as every Keras writes them), inflated as they are read
where they are deflated; ``model.weights.npz``; both JSON members, as data; assets, as bytes.
Not read: classes and functions that config.json names, of which nothing is ever built or imported. What Keras 3
writes for ``weights_format="npz"`` is pickled Variable objects, which it cannot load itself; weights in shards are not
found in archives: Keras writes those beside each other, as files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from ckptread.errors import CheckpointError, UnknownFormatError, UnsafeFileError
from ckptread.formats.asset_files import text_assets
from ckptread.formats.zip.archive import ZipArchive
from ckptread.limits import JSON_BYTES, MAX_ASSETS
from ckptread.model import ModelFacts
from ckptread.names.keras.evidence import gather_keras_evidence
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.names.keras.vocabularies import config_vocabularies
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.tensors import PICKLED, Finding, Region, Severity, TensorInfo
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json
from ckptread.wording import escape, quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array, Severity

CONFIG, METADATA = "config.json", "metadata.json"
ASSETS, ASSET_LAYOUT = "assets", "keras"
HDF5_WEIGHTS, NPZ_WEIGHTS = "model.weights.h5", "model.weights.npz"


def open_keras(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a .keras archive; with ``Remains.accepted`` a damaged one too.

    Raises UnknownFormatError where it is not one, UnsupportedError, UnsafeFileError or DamagedFileError where its
    weights are refused or damaged. An unreadable config.json is a finding: it never hides the weights.
    """
    source = storage.open(name)
    with CloseOnError(source):
        return KerasReader(source, remains)


def open_keras_by_h5py(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a .keras archive, whose weights h5py reads. Raises as ``open_keras`` does."""
    source = storage.open(name)
    with CloseOnError(source):
        return KerasReader(source, backend="h5py")


def list_weight_paths(storage: Storage, name: str, typed: str) -> list[str] | None:
    """Return what ``Format.paths`` does, for the weights of an archive. Raises CheckpointError."""
    from ckptread.formats.hdf5.paths import list_paths_in

    with storage.open(name) as source:
        archive = ZipArchive(source)
        member = archive.members.get(HDF5_WEIGHTS)
        if member is None or member.method or member.problem is not None:
            return None
        return list_paths_in(archive.source(HDF5_WEIGHTS), typed)


class KerasReader(Reader):
    """An open .keras archive: the reader of its weights, and its JSON members."""

    format = "keras"
    asset_layout = ASSET_LAYOUT

    def __init__(self, source: Source, remains: Remains = Remains.refused, *, backend: str = "native") -> None:
        self.backend = backend
        self.path = source.name
        self._remains = remains
        self._source = source
        self._archive = ZipArchive(source, remains)
        self.problems: list[Finding] = list(self._archive.problems)
        if len(self._archive.members) > MAX_ASSETS:
            message = f"it holds {len(self._archive.members):,} members, where Keras writes three and a few assets"
            self.problems.append(Finding(code="keras-members", severity="warning", message=message, file=self.path))
        self.config: dict[str, Any] | None = self._json(CONFIG)
        """The parsed config.json; None where it is missing or cannot be read."""
        about = self._json(METADATA)
        self.metadata: Mapping[str, str] = archive_metadata(about or {}, self.config or {})
        self.weights: Reader | None = self._open_weights()
        """The reader of the weights; None where the archive has none."""
        self.tensors: Mapping[str, TensorInfo] = {} if self.weights is None else self.weights.tensors
        if self.weights is not None:
            self.metadata = {**self.metadata, **self.weights.metadata}
            self.problems += self.weights.problems

    @cached_property
    def model(self) -> ModelFacts | None:
        """The model as config.json describes it, with or without weights."""
        evidence, _ = gather_keras_evidence({}, self.config, self.metadata, lambda _key, _other: False)
        return read_model_facts(evidence)

    @cached_property
    def assets(self) -> Mapping[str, Callable[[], Source]]:
        """The vocabularies in the config, and the members in ``assets/``."""
        names = [name for name in self._archive.members if name.startswith(ASSETS + "/") and not name.endswith("/")]
        members = {name: partial(self._open_asset, name) for name in names}
        return {**text_assets(self.path, config_vocabularies(self.config)), **members}

    def _open_asset(self, name: str) -> Source:
        if ".." in name.replace("\\", "/").split("/"):
            raise UnsafeFileError(self.path, f"the name of its member {quoted(name)} leads out of the archive")
        return self._archive.source(name)

    def _json(self, name: str) -> dict[str, Any] | None:
        """Return the object in a JSON member; what is wrong with it becomes a finding."""
        member = self._archive.members.get(name)
        if member is None:
            self.problems.append(_missing(name))
            return None
        if member.problem is not None:
            return None  # among the archive's own findings
        try:
            value = bounded_json(self._archive.read(name, JSON_BYTES))
            if isinstance(value, dict):
                return value
            problem = "it is not a JSON object"
        except (CheckpointError, Malformed) as error:
            problem = error.problem
        advice = "the weights are read all the same, without what it describes"
        file, offset = self._source.locate(member.offset)
        self.problems.append(
            Finding(
                code="keras-json",
                severity="error",
                message=f"{name}: {problem}",
                file=file,
                offset=offset,
                advice=advice,
            )
        )
        return None

    def _open_weights(self) -> Reader | None:
        """Open the weights; None where there are none, or two members of the same name."""
        name = next((each for each in (HDF5_WEIGHTS, NPZ_WEIGHTS) if each in self._archive.members), None)
        if name is None:
            self._note_absence()
            return None
        if self._archive.is_ambiguous(name):
            return None  # among the archive's own findings
        source = self._archive.source(name)
        if name == HDF5_WEIGHTS:
            return self._open_hdf5(source)
        from ckptread.formats.numpy.npz import NpzReader

        weights = NpzReader(source)
        if any(info.problem == PICKLED for info in weights.tensors.values()):
            message = f"{name} holds pickled objects of Keras' own, which are never loaded, nor can Keras load them"
            self.problems.append(
                Finding(
                    code="keras-pickle",
                    severity="error",
                    message=message,
                    file=self.path,
                    advice="save the model as .weights.h5",
                )
            )
        return weights

    def _open_hdf5(self, source: Source) -> Reader:
        from ckptread.formats.hdf5.opening import h5py_reader, open_hdf5_source
        from ckptread.formats.hdf5.reader import Archive

        archive = Archive(self.metadata, self.config, self.format)
        if self.backend == "h5py":
            return h5py_reader(source, archive)
        return open_hdf5_source(source, self._remains, archive)

    def _note_absence(self) -> None:
        """Add a finding that there are no weights; raise where this is not a Keras archive at all."""
        if CONFIG not in self._archive.members and METADATA not in self._archive.members:
            names = ", ".join(map(escape, list(self._archive.members)[:3])) or "nothing"
            problem = f"it is no .keras archive: it holds {names}, and no {HDF5_WEIGHTS}"
            raise UnknownFormatError(self.path, problem, advice="open the file that holds the weights")
        message = f"the archive holds no weights: neither {HDF5_WEIGHTS} nor {NPZ_WEIGHTS}"
        self.problems.append(
            Finding(code="keras-no-weights", severity="error", message=message, key=None, file=self.path)
        )

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return how the weights' own file stores a tensor."""
        return {} if self.weights is None else self.weights.describe_storage(key)

    def regions(self) -> Iterator[Region]:
        """Yield the members of the archive, then the regions of the weights."""
        yield from self._archive.regions()
        if self.weights is not None:
            yield from self.weights.regions()

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        info = readable(self, key)
        weights = cast(Reader, self.weights)  # without weights there is no tensor to read
        return weights.read(info.key, selection, out=out)

    def open_sources(self) -> tuple[Source, ...]:
        """Return the archive."""
        return (self._source.whole_file(),)

    def close(self) -> None:
        """Close the weights and the file."""
        if self.weights is not None:
            self.weights.close()
        self._source.close()
        super().close()


def archive_metadata(about: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """Return the contents of metadata.json, and the model's class and name."""
    inner = config.get("config")
    named = {
        "model_class": config.get("class_name"),
        "model_name": inner.get("name") if isinstance(inner, dict) else None,
    }
    version = about.get("keras_version")
    writer = {"writer": f"Keras {version}"} if isinstance(version, str) else {}
    return writer | {key: value for key, value in {**about, **named}.items() if isinstance(value, str)}


def _missing(name: str) -> Finding:
    """Return a finding on a member that is not there: Keras loads no model without its config."""
    advice = "Keras cannot load it; its weights are read here all the same" if name == CONFIG else ""
    severity: Severity = "warning" if name == CONFIG else "note"
    return Finding(
        code="keras-member-missing", severity=severity, message=f"the archive holds no {name}", advice=advice
    )
