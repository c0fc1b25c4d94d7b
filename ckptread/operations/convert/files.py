"""The files that a conversion writes: one, several with an index, or one for each tensor."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ckptread.errors import CheckpointError, UsageError
from ckptread.formats.format import Format, Outgoing
from ckptread.operations.convert.checked import CheckedValues, verify_all
from ckptread.operations.convert.planning import NamedTensor, note_of
from ckptread.operations.convert.results import ConvertedTensor
from ckptread.operations.extract.file_names import file_names, safe_name, spare
from ckptread.reader import Reader
from ckptread.storage.addresses import kind_of
from ckptread.storage.writing import make_folder, open_complete
from ckptread.tensors import element_count
from ckptread.wording import quoted

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$", re.IGNORECASE)
Planned = tuple[NamedTensor, Outgoing]


class NewFile(msgspec.Struct, frozen=True):
    """A file to be written, and the tensors in it."""

    path: str
    tensors: Sequence[Planned]


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 5GB (of 1,000) or 5GiB (of 1,024).

    >>> parse_size("2MB"), parse_size("1KiB")
    (2000000, 1024)

    Raises UsageError.
    """
    found = SIZE.match(text.strip())
    if found is None:
        raise UsageError(f"{quoted(text)} is not a size: write 5GB, or 500MiB")
    number, unit, binary = found.groups()
    step = 1024 if binary else 1000
    return int(float(number) * step ** " KMGT".index(unit.upper() or " "))


def lay_out(output: str, row: Format, plans: Sequence[Planned], most: int | None) -> list[NewFile]:
    """Return the files: one per tensor in a folder, several of at most ``most`` bytes, or one."""
    if row.lone:
        infos = [each.tensor for each, _ in plans]
        names = [safe_name(each.name) for each, _ in plans]
        names = names if len(set(names)) == len(names) else file_names(infos)
        return [
            NewFile(os.path.join(output, name + row.endings[0]), [plan])
            for name, plan in zip(names, plans, strict=True)
        ]
    parts = [list(plans)] if most is None else _split(plans, most)
    if len(parts) == 1:
        return [NewFile(output, parts[0])]
    stem, ending = output.removesuffix(row.endings[0]), row.endings[0]
    return [
        NewFile(f"{stem}-{number:05}-of-{len(parts):05}{ending}", part) for number, part in enumerate(parts, start=1)
    ]


def _split(plans: Sequence[Planned], most: int) -> list[list[Planned]]:
    """Return the tensors in parts of at most so many bytes, in order; a larger tensor is a part of its own."""
    parts: list[list[Planned]] = [[]]
    filled = 0
    for plan in plans:
        nbytes = size_of(plan[1])
        if parts[-1] and filled + nbytes > most:
            parts.append([])
            filled = 0
        parts[-1].append(plan)
        filled += nbytes
    return parts


def size_of(values: Outgoing) -> int:
    """Return the bytes that values take in a file."""
    return element_count(values.shape) * values.dtype.itemsize


def write_file(new: NewFile, row: Format, metadata: Mapping[str, str], *, force: bool) -> Iterator[ConvertedTensor]:
    """Write one file, and read it back before it gets its name. Raises CheckpointError."""
    if row.write is None:
        raise AssertionError("the format is one that is written")
    folder = os.path.dirname(new.path)
    if folder:
        make_folder(folder)
    with open_complete(new.path, force) as file:
        checked = [CheckedValues(each.name, values, file) for each, values in new.tensors]
        with row.write(file, metadata) as add:
            for (each, _), values in zip(new.tensors, checked, strict=True):
                add(each.name, values)
        verify_all(file, checked, new.path)
    for (each, _), values in zip(new.tensors, checked, strict=True):
        yield ConvertedTensor(tensor=each.tensor, name=each.name, dtype=values.dtype_name, shape=values.shape,
                              file=new.path, note=note_of(each.tensor, values))  # fmt: skip


def write_index(output: str, files: Sequence[NewFile], metadata: Mapping[str, str], *, force: bool) -> str:
    """Write the index of several files, and return its path."""
    import json

    weights = {each.name: os.path.basename(new.path) for new in files for each, _ in new.tensors}
    total = sum(size_of(values) for new in files for _, values in new.tensors)
    document = {"metadata": {"total_size": total, **metadata}, "weight_map": weights}
    path = f"{output}.index.json"
    with open_complete(path, force) as file:
        file.write(json.dumps(document, indent=2).encode() + b"\n")
    return path


def check_free(reader: Reader, paths: Sequence[str], force: bool) -> list[str]:
    """Return the paths to write. Raises CheckpointError where a file exists, or is one of the checkpoint itself."""
    for path in paths:
        spare(reader, path)
        if not force and kind_of(path) is not None:
            raise CheckpointError(path, "the file exists", advice="--force replaces it")
    return list(paths)
