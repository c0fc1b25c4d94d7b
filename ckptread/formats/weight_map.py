"""A checkpoint of several files whose index has a weight_map: safetensors, or files of torch.save.

What it is: ``*.safetensors.index.json`` or ``*.bin.index.json``, a JSON object ``{"metadata": {...}, "weight_map":
{tensor: file}}``, and the files, in the same folder.
Specification: none beyond what huggingface_hub and transformers write.
Read here: every tensor that the index names and its file has. A file that is missing or damaged takes only its own
tensors with it. Files are named in the index, so a name that leads out of the folder is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from posixpath import join
from typing import Any

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.json_shards import ShardsReader, is_plain, read_index
from ckptread.limits import MAX_ENTRIES, MAX_SHARD_FILES
from ckptread.reader import Reader
from ckptread.storage.source import CloseOnError, Storage
from ckptread.tensors import Finding, TensorInfo
from ckptread.wording import plural, quoted

OpenFile = Callable[[Storage, str], Reader]


class WeightMapReader(ShardsReader[Reader]):
    """An open index, and its files."""

    def __init__(self, storage: Storage, name: str, format_name: str, open_file: OpenFile) -> None:
        """Open the index, and each of its files by ``open_file``. Raises CheckpointError."""
        self.format = format_name
        super().__init__(storage, name)
        index = read_index(storage, name)
        weights = _weight_map(self.path, index)
        with CloseOnError(self):
            missing = {
                file: self._open_shard(file, open_file, f"{n:,} of the tensors")
                for file, n in Counter(weights.values()).items()
            }
            self._check_one_save()
        self._place = weights = self._rename(weights)
        self.tensors = {key: self._describe(key, name, missing[name]) for key, name in weights.items()}
        self.problems += [finding for name in self._shards for finding in self._not_named(name)]
        self.problems += self._total(index)
        self.metadata = _metadata(index, self._shards)

    def _rename(self, weights: dict[str, str]) -> dict[str, str]:
        """Return the file of each tensor by its name in the files, if the index has as many under other names."""
        absent = {name: [key for key, file in weights.items() if file == name] for name in self._shards}
        absent = {name: [key for key in keys if key not in self._shards[name].tensors] for name, keys in absent.items()}
        others = {name: [key for key in shard.tensors if key not in weights] for name, shard in self._shards.items()}
        renamed = {key: name for name, keys in others.items() for key in keys}
        if not renamed or any(len(absent[name]) != len(others[name]) for name in self._shards):
            return weights
        self.problems.append(_names_differ(self.path, absent, others))
        gone = {key for keys in absent.values() for key in keys}
        return {key: name for key, name in weights.items() if key not in gone} | renamed

    def _describe(self, key: str, name: str, problem: str) -> TensorInfo:
        if problem:
            return TensorInfo(
                key=key, shape=None, dtype="unknown", nbytes=0, problem=f"its file {quoted(name)}: {problem}"
            )
        info = self._shards[name].tensors.get(key)
        if info is None:
            problem = f"its file {quoted(name)} does not hold it"
            self.problems.append(
                Finding(
                    code="shard-tensor-missing",
                    severity="error",
                    message=f"the tensor {quoted(key)}: {problem}",
                    key=key,
                )
            )
            return TensorInfo(key=key, shape=None, dtype="unknown", nbytes=0, problem=problem)
        return info

    def _not_named(self, name: str) -> Iterator[Finding]:
        """Yield a finding for tensors of a file that the index does not place there."""
        extra = [key for key in self._shards[name].tensors if self._place.get(key) != name]
        if extra:
            are = "is" if len(extra) == 1 else "are"
            message = f"{plural(len(extra), 'tensor')} of {quoted(name)} {are} not in the index: {quoted(extra[0])}"
            file = self._storage.address(join(self._folder, name))
            yield Finding(
                code="shard-tensor-unlisted",
                severity="warning",
                message=message,
                file=file,
                advice="files of two checkpoints may be mixed",
            )

    def _total(self, index: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield a finding where the index records another total size than its tensors have, if none is missing."""
        about = index.get("metadata")
        stated = about.get("total_size") if isinstance(about, dict) else None
        found = sum(info.nbytes for info in self.tensors.values())
        missing = any(info.problem is not None for info in self.tensors.values())
        if isinstance(stated, int | float) and stated != found and not missing:
            message = f"the index records a total_size of {stated:,}, its tensors take {plural(found, 'byte')}"
            advice = "the index may be of another save than the files"
            yield Finding(code="shard-total-size", severity="warning", message=message, file=self.path, advice=advice)


def _names_differ(path: str, absent: Mapping[str, Sequence[str]], others: Mapping[str, Sequence[str]]) -> Finding:
    name = next(name for name, keys in others.items() if keys)
    example = f"{quoted(absent[name][0])} in the index, and {quoted(others[name][0])} in {quoted(name)}"
    count = sum(map(len, others.values()))
    return Finding(
        code="shard-names-differ",
        severity="warning",
        message=f"the index names {plural(count, 'tensor')} otherwise than the files: {example}",
        file=path,
        advice="the names of the files are shown",
    )


def _weight_map(path: str, index: Mapping[str, Any]) -> dict[str, str]:
    """Return the file of each tensor, checked to be the name of a file in the same folder."""
    weights = index.get("weight_map")
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
        raise DamagedFileError(path, "it has no weight_map of names by tensor", advice="download it again")
    names = set(weights.values())
    outside = next((name for name in names if not is_plain(name)), None)
    if outside is not None:
        raise UnsafeFileError(path, f"it points to {quoted(outside)}, which is not a file next to it")
    if len(names) > MAX_SHARD_FILES or len(weights) > MAX_ENTRIES:
        raise UnsafeFileError(path, f"it lists {len(weights):,} tensors in {len(names):,} files")
    return weights


def _metadata(index: Mapping[str, Any], shards: Mapping[str, Reader]) -> dict[str, str]:
    """Return the index's own metadata, and what the metadata of all files agree on."""
    stated = index.get("metadata")
    own = {key: str(value) for key, value in stated.items()} if isinstance(stated, dict) else {}
    texts = [set(shard.metadata.items()) for shard in shards.values()]
    return dict(sorted(set.intersection(*texts))) | own if texts else own
