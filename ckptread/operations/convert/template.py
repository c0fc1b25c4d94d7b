"""A copy of a file that Keras wrote, with the values of another checkpoint in its place.

Keras loads what Keras has laid out: groups, attributes, a config. So nothing of that is made anew. The file is copied,
and the bytes of each tensor that has one place in it are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import msgspec

from ckptread.errors import CheckpointError, UnsupportedError
from ckptread.formats.format import Format, Outgoing
from ckptread.formats.locate import locate, open_checkpoint
from ckptread.operations.convert.arranged import ArrangedValues
from ckptread.operations.convert.checked import CheckedValues, verify_all
from ckptread.operations.convert.files import check_free, size_of
from ckptread.operations.convert.planning import note_of, tensors_to_write
from ckptread.operations.convert.results import Conversion, ConvertedTensor, OmittedTensor
from ckptread.operations.diff.match.by_name import align
from ckptread.operations.diff.match.layouts import Arrangement
from ckptread.operations.diff.match.pairing import pair_tensors
from ckptread.operations.diff.match.pairs import Pair
from ckptread.operations.diff.match.saved_mapping import load_mapping
from ckptread.operations.extract.outgoing import Writing, plan_of
from ckptread.reader import Reader, Tensor
from ckptread.storage.progress import Meter, Progress
from ckptread.storage.source import Source
from ckptread.storage.writing import open_complete
from ckptread.tensors import TensorInfo

COPY_BYTES = 1 << 20


class Filling(msgspec.Struct, frozen=True):
    """A tensor of the template, and the values that replace its own."""

    place: TensorInfo
    tensor: TensorInfo
    values: Outgoing


def fill_template(
    reader: Reader, like: str, target: str, mapping: str | None, *, role: str | None, skip: bool, dry_run: bool,
    force: bool, progress: Progress | None,
) -> Conversion:  # fmt: skip
    """Write a copy of the file ``like`` with the values of a checkpoint. Raises CheckpointError."""
    row = locate(like).format
    if row.seal is None:
        raise UnsupportedError(
            like, f"values cannot be put into {row.about}", advice="give a .weights.h5 or .keras file"
        )
    with open_checkpoint(like) as template:
        chosen, second = tensors_to_write(reader, role)
        how = Writing(meter=Meter(progress, sum(info.nbytes for info in chosen)), native=True)
        fillings, lost = _match(reader, template, chosen, mapping, how)
        refused = not fillings or (not skip and any(not each.harmless for each in lost))
        if not refused and not dry_run:
            check_free(template, [target], force)
            check_free(reader, [target], force)
            _write_copy(template, row, fillings, target, force)
        written = [_converted(each, target) for each in fillings]
    return Conversion(
        path=reader.path, output=target, tensors=tuple(written), omitted=(*second, *lost),
        files=() if refused else (target,), nbytes=sum(size_of(each.values) for each in fillings),
        dry_run=dry_run, skip=skip,
    )  # fmt: skip


def _match(
    reader: Reader, template: Reader, chosen: Sequence[TensorInfo], mapping: str | None, how: Writing
) -> tuple[list[Filling], list[OmittedTensor]]:
    """Pair the tensors with those of the template; what has no place or no values is lost."""
    fillings: list[Filling] = []
    lost: list[OmittedTensor] = []
    for pair in _pairs(reader, template, chosen, mapping):
        if pair.a is None or pair.b is None:
            lost += _unpaired(pair)
            continue
        try:
            fillings.append(_filling(reader, pair.a, pair.b, pair.arrangement, how))
        except CheckpointError as error:
            lost.append(OmittedTensor(tensor=pair.a, reason=error.problem))
    return fillings, lost


def _pairs(reader: Reader, template: Reader, chosen: Sequence[TensorInfo], mapping: str | None) -> list[Pair]:
    """Return the pairs of the mapping, or else of the names: never of the values, for the template's are not wanted."""
    if mapping is None:
        return align(chosen, [info for info in template.tensors.values() if info.repeats is None])
    keys = {info.key for info in chosen}
    pairs = pair_tensors(reader, template, load_mapping(mapping))
    return [pair for pair in pairs if pair.a is None or pair.a.key in keys]


def _unpaired(pair: Pair) -> Iterator[OmittedTensor]:
    """Yield what is lost of a tensor that is on one side only. An optimizer's may stay as the template has it."""
    alone = pair.a or pair.b
    if alone is not None:
        here = "the template has no tensor of this name"
        there = "the checkpoint has no values for it: it stays as in the template"
        harmless = alone.role not in {"model", None}
        yield OmittedTensor(tensor=alone, reason=here if pair.a else there, harmless=harmless)


def _filling(
    reader: Reader, info: TensorInfo, place: TensorInfo, arrangement: Arrangement | None, how: Writing
) -> Filling:
    """Return the values for a place. Raises CheckpointError where they do not fit."""
    if place.extent is None or place.extent.byteorder != "little":
        raise UnsupportedError(
            reader.path, "the template does not store it as one run of bytes: it is chunked, or empty"
        )
    wanted = None if place.dtype == info.dtype else place.dtype
    values = plan_of(Tensor(reader, info), msgspec.structs.replace(how, dtype=wanted))
    if arrangement is not None:
        values = ArrangedValues(values, arrangement, reader.path)
    if tuple(values.shape) != place.shape or size_of(values) != place.extent.nbytes:
        shapes = f"{list(values.shape)}, and the template's is {list(place.shape or ())}"
        raise UnsupportedError(
            reader.path, f"its shape is {shapes}: 'ckptread diff --match content --save-map' finds moved axes"
        )
    return Filling(place, info, values)


def _write_copy(template: Reader, row: Format, fillings: Sequence[Filling], target: str, force: bool) -> None:
    """Copy the template's file, replace the values, and read them back before the file gets its name."""
    (source,) = template.open_sources()
    with open_complete(target, force) as file:
        _copy(source, file)
        checked = []
        for each in fillings:
            values = CheckedValues(each.tensor.name, each.values, file)
            file.seek(each.place.extent.offset if each.place.extent else 0)
            for piece in values.pieces():
                file.write(piece)
            checked.append(values)
        if row.seal is not None:
            row.seal(file)
        verify_all(file, checked, target)


def _copy(source: Source, file: IO[bytes]) -> None:
    for at in range(0, source.size, COPY_BYTES):
        file.write(source.read(at, min(COPY_BYTES, source.size - at)))


def _converted(each: Filling, target: str) -> ConvertedTensor:
    note = "" if each.place.name == each.tensor.name else f"called {each.place.name} there"
    return ConvertedTensor(
        tensor=each.tensor, name=each.place.name, dtype=each.place.dtype, shape=each.place.shape or (), file=target,
        note="; ".join(filter(None, [note_of(each.tensor, each.values), note])),
    )  # fmt: skip
