from __future__ import annotations

from ckptread.names.keras import KerasEvidence, describe
from ckptread.tensors import TensorInfo


def test_a_plain_hdf5_file_comes_back_as_it_was() -> None:
    tensors = [TensorInfo("group/data", (3,), "float32", 12), TensorInfo("a", (), "int64", 8)]
    assert describe(tensors, KerasEvidence()) == tensors
