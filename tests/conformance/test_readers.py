"""What every reader does beside reading: it is shared between threads, pickled, copied and closed."""

import copy
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import ckptread
from ckptread.testing.conformance import assert_same_bits
from tests.conformance.cases import CASES, each
from tests.conformance.test_conformance import readable

THREADS, ROUNDS = 4, 3


@each(CASES)
def test_several_threads_read_what_one_reads(case):
    with ckptread.open(case.path) as reader, ThreadPoolExecutor(THREADS) as pool:
        tensors = readable(case, reader)[:20]
        expected = [tensor.read() for tensor in tensors]
        for _ in range(ROUNDS):
            for one, other in zip(pool.map(ckptread.Tensor.read, tensors), expected, strict=True):
                assert_same_bits(one, other)


@each(CASES)
def test_a_pickled_or_copied_reader_reads_the_same(case):
    with ckptread.open(case.path) as reader:
        for twin in (pickle.loads(pickle.dumps(reader)), copy.copy(reader), copy.deepcopy(reader)):
            with twin:
                assert (twin.path, twin.format, dict(twin.metadata)) == (
                    reader.path,
                    reader.format,
                    dict(reader.metadata),
                )
                assert list(twin.tensors) == list(reader.tensors)
        for tensor in readable(case, reader)[:2]:
            again = pickle.loads(pickle.dumps(tensor))
            with again.reader:
                assert_same_bits(again.read(), tensor.read())


@each(CASES)
def test_a_closed_reader_says_so(case):
    with ckptread.open(case.path) as reader:
        tensors = readable(case, reader)[:3]
    reader.close()  # once more is fine
    for tensor in tensors:
        for read in (
            tensor.read,
            lambda t=tensor: t[...],
            lambda t=tensor: list(t.blocks()),
            lambda t=tensor: np.asarray(t),
        ):
            with pytest.raises(ckptread.CheckpointError, match="the checkpoint is closed"):
                read()
        with pytest.raises(ckptread.CheckpointError, match="the checkpoint is closed"):
            _ = tensor.stored
    with pytest.raises(ckptread.CheckpointError, match="the checkpoint is closed"):
        pickle.dumps(reader)


@each(CASES)
def test_a_changed_checkpoint_is_not_reopened(case, tmp_path: Path):
    source = Path(case.path)
    folder = source.parent if not source.is_dir() else source
    shutil.copytree(folder, tmp_path / folder.name)
    path = tmp_path / folder.name / source.name if not source.is_dir() else tmp_path / folder.name
    with ckptread.open(path) as reader:
        kept = pickle.dumps(reader)
        for file in reader.stamps():
            data = Path(file).read_bytes()
            Path(file).unlink()
            Path(file).write_bytes(data)
    with pytest.raises(ckptread.DamagedFileError, match="has changed since the checkpoint was opened"):
        pickle.loads(kept)


@each(CASES)
def test_a_reader_is_a_mapping_of_tensors(case):
    with ckptread.open(case.path) as reader:
        assert list(reader.keys()) == list(reader) == list(reader.tensors)
        assert [(key, tensor.info) for key, tensor in reader.items()] == list(reader.tensors.items())
        if reader.tensors:
            assert {key: tensor.info for key, tensor in reader.select("**").items()} == dict(reader.tensors)
        offered = reader._ipython_key_completions_()
        assert {info.name for info in reader.tensors.values()} <= set(offered)
        assert set(reader) <= set(offered)
