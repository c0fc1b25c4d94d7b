"""One suite over every checkpoint, reader and back end: keys, shapes, dtypes, values, slices, blocks.

Expected values come from the library that wrote the file, by expected.json.
"""

import pytest

import ckptread
from ckptread.testing.conformance import check_extents, check_interface, check_slices
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
        assert info.role == expected.get("role", info.role), key
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
    with ckptread.open(case.path) as reader:
        check_slices(readable(case, reader))


@each(CASES)
def test_the_extent_holds_the_very_bytes(case):
    with ckptread.open(case.path) as reader:
        check_extents(readable(case, reader))


@each(CASES)
def test_the_interface_is_whole(case):
    reader = ckptread.open(case.path)
    assert reader.format == case.format
    check_interface(reader)


@each([case for case in CASES if case.folder.name.startswith(("keras", "tf"))])
def test_a_sound_file_has_nothing_wrong_with_it(case):
    with ckptread.open(case.path) as reader:
        assert [finding.message for finding in reader.problems if finding.severity != "note"] == []
