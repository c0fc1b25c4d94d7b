"""One suite over every checkpoint, reader and back end: keys, shapes, dtypes, values, slices, blocks.

Expected values come from the library that wrote the file, by expected.json.
"""

import os

import numpy as np
import pytest

import ckptread
from fixtures.make.expectations import digest
from tests.conformance.cases import CASES, EXTERNAL_LINKS, SHARED_CASES, Case, each

ALL = CASES + SHARED_CASES
BY_TENSORFLOW = [case for case in ALL if case.by_tensorflow and case.tensors]


def by_design(case: Case, info: ckptread.TensorInfo) -> bool:
    """Whether this is a link to another file, which the reference follows and we refuse."""
    return case.name in EXTERNAL_LINKS and info.problem is not None and "another file" in info.problem


def check(case: Case, reader: ckptread.Reader) -> None:
    listed = set(reader.tensors)
    for key, expected in case.tensors.items():
        if key not in listed:
            assert any(by_design(case, reader.tensors[k]) and key.startswith(k + "/") for k in listed), key
            continue
        info = reader.tensors[key]
        if by_design(case, info):
            continue
        shape = None if info.shape is None else list(info.shape)
        assert (shape, info.dtype) == (expected["shape"], expected["dtype"]), key
        if expected["sha256"] is not None:
            values = reader.read(key)
            assert digest(None if shape is None else values, info.dtype) == expected["sha256"], key
    unexpected = [reader.tensors[key] for key in listed - set(case.tensors)]
    assert all(info.problem is not None for info in unexpected), "a tensor is listed that the reference does not know"


@each(CASES)
def test_every_fixture_agrees_with_the_library_that_wrote_it(case):
    with ckptread.open(case.path) as reader:
        check(case, reader)


@each(SHARED_CASES)
def test_every_real_checkpoint_agrees_with_the_reference(case):
    with ckptread.open(case.path) as reader:
        check(case, reader)


@each(BY_TENSORFLOW)
def test_tensorflows_own_reader_agrees_and_so_do_we(case):
    pytest.importorskip("tensorflow")
    with ckptread.open(case.path) as native, ckptread.open(case.path, backend="tensorflow") as reference:
        assert reference.backend == "tensorflow"
        check(case, reference)
        assert set(native.tensors) == set(reference.tensors)
        for key, info in native.tensors.items():
            other = reference.tensors[key]
            assert (info.shape, info.dtype) == (other.shape, other.dtype), key
            assert (info.variable, info.role) == (other.variable, other.role), key


def readable(case: Case, reader: ckptread.Reader) -> list[ckptread.Tensor]:
    keys = [key for key, expected in case.tensors.items() if expected["sha256"] and key in reader.tensors]
    found = [ckptread.Tensor(reader, reader.tensors[key]) for key in keys]
    return [tensor for tensor in found if tensor.info.problem is None and tensor.info.shape is not None]


@each(ALL)
def test_slices_and_blocks_are_parts_of_the_whole(case):
    rng = np.random.default_rng(0)
    with ckptread.open(case.path) as reader:
        for tensor in readable(case, reader):
            whole = np.asarray(tensor)
            assert whole.shape == tensor.shape
            assert len(list(tensor.blocks(100_000_000))) <= 1 or whole.nbytes > 100_000_000
            joined, at = np.empty(whole.size, whole.dtype), 0
            for block in tensor.blocks(int(rng.integers(1, 400))):
                joined[at : at + block.size] = block.ravel()
                at += block.size
            assert at == whole.size
            same(joined, whole.ravel())
            for _ in range(3):
                selection = tuple(random_slice(rng, dim) for dim in whole.shape)
                same(tensor.read(selection), whole[(*selection, ...)])
                assert type(tensor[selection]) is type(whole[selection])  # a scalar where numpy gives one


def random_slice(rng, dim):
    if dim and rng.random() < 0.3:
        return int(rng.integers(-dim, dim))
    bounds = [None if rng.random() < 0.3 else int(rng.integers(-dim - 1, dim + 2)) for _ in range(2)]
    return slice(*bounds, [None, 1, 2, 3, -1, -2][rng.integers(6)])


def same(one, other):
    assert one.shape == other.shape
    if one.dtype.hasobject:
        assert repr(one.tolist()) == repr(other.tolist())
    else:
        assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


@each(CASES)
def test_the_extent_holds_the_very_bytes(case):
    with ckptread.open(case.path) as reader:
        for tensor in readable(case, reader):
            extent = tensor.info.extent
            if extent is None or tensor.dtype.hasobject:
                continue
            with open(extent.file, "rb") as file:
                file.seek(extent.offset)
                stored = file.read(extent.nbytes)
            values = np.asarray(tensor)
            unit = values.dtype.itemsize // (2 if values.dtype.kind == "c" else 1)
            if extent.byteorder == "big" and unit > 1:
                values = values.reshape(-1).view(f"u{unit}").byteswap()
            assert values.tobytes() == stored


@each(CASES)
def test_the_interface_is_whole(case):
    with ckptread.open(case.path) as reader:
        assert reader.format
        assert os.path.lexists(reader.path) or reader.format.startswith("tf-")
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in reader.metadata.items())
        assert list(reader) == list(reader.tensors)
        assert all(region.nbytes >= 0 and os.path.isfile(region.file) for region in reader.regions())
        assert all(finding.severity in {"error", "warning", "note"} for finding in reader.problems)
        with pytest.raises(ckptread.TensorNotFoundError):
            reader["no such tensor, surely"]
    reader.close()


@each([case for case in CASES if case.folder.name.startswith(("keras", "tf"))])
def test_a_sound_file_has_nothing_wrong_with_it(case):
    with ckptread.open(case.path) as reader:
        assert [finding.message for finding in reader.problems if finding.severity != "note"] == []
