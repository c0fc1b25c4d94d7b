"""A PyTorch checkpoint of one file: the tensors of its pickle, over storages.

What it is: a pickle of dictionaries, lists and modules in which each tensor is a view (offset, shape, strides) of a
storage, and the bytes of the storages, little-endian or as the file says. ``archive`` and ``legacy`` find both.
Specification: torch/serialization.py of https://github.com/pytorch/pytorch
Read here: every dtype, views, shared storages, optimizers, modules that were saved whole. Nothing of the pickle is run.
Not read: the values of quantized, sparse and nested tensors, and of tensors without storage.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ckptread.errors import DamagedFileError
from ckptread.formats.pytorch.listing import Storages, describe_tensors, model_facts, plain_values, tensors_by_name
from ckptread.formats.pytorch.objects import StoredTensor
from ckptread.formats.pytorch.strided import read_view
from ckptread.model import ModelFacts
from ckptread.reader import Reader, readable
from ckptread.slicing import Selection, Slicing, normalize, read_box
from ckptread.storage.source import Source
from ckptread.storage.tensor_bytes import RunningChecksum
from ckptread.tensors import Finding, TensorInfo
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.budget import within
from ckptread.untrusted.dtypes import numpy_dtype, swap_bytes

if TYPE_CHECKING:
    from ckptread.tensors import Array

ADVICE = "download it again"


class _LastView(threading.local):
    """The view with gaps that a thread read last: its blocks follow each other."""

    key: str | None = None
    values: Array | None = None


class PytorchReader(Reader):
    """An open file of torch.save."""

    format = "pytorch"

    def __init__(self, source: Source, root: Any, names: list[str], storages: Storages) -> None:
        """``root`` is what the pickle holds, ``names`` the classes and functions that it names."""
        self.path = source.name
        self.problems: list[Finding] = []
        self._source = source
        self._storages = storages
        self._last = _LastView()
        try:
            self._stored = tensors_by_name(root)
        except Malformed as error:
            raise DamagedFileError(source.name, f"its pickle: {error.problem}", advice=ADVICE) from error
        listed = within(describe_tensors(root, self._stored, storages), source.size)
        self.tensors: dict[str, TensorInfo] = {info.key: info for info in listed}
        self.metadata = plain_values(root)
        self._facts = model_facts(root, names)

    @property
    def model(self) -> ModelFacts | None:
        """The class of a module that was saved whole, and the code that loading would run; None for plain tensors."""
        return self._facts

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        import numpy as np

        info = readable(self, key)
        tensor, slicing = self._stored[info.key], normalize(selection, info.shape or ())
        box = np.empty(slicing.box, numpy_dtype(info.dtype, self.path)) if out is None else out.reshape(slicing.box)
        if info.extent is None:
            box[...] = self._view(info.key, tensor)[tuple(slice(r.start, r.stop, r.step) for r in slicing.ranges)]
        else:
            self._read_run(info, tensor, slicing, box)
        return slicing.finish(box) if out is None else out

    def _read_run(self, info: TensorInfo, tensor: StoredTensor, slicing: Slicing, box: Array) -> None:
        """Read a tensor, or a part of one, whose elements follow each other."""
        read_box(self._reading(tensor), tensor.shape, slicing.ranges, box)
        if self._storages.big:
            swap_bytes(box)
        if slicing.is_whole(tensor.shape):
            running = RunningChecksum(self.path, info.key, info.extent)
            running.update(box)
            running.verify()

    def _view(self, key: str, tensor: StoredTensor) -> Array:
        """Return all values of a view with gaps, or in another order."""
        if self._last.key != key or self._last.values is None:
            dtype = numpy_dtype(tensor.dtype, self.path)
            values = read_view(self._reading(tensor), dtype, tensor.shape, tensor.strides)
            if self._storages.big:
                swap_bytes(values)
            self._last.key, self._last.values = key, values
        return self._last.values

    def _reading(self, tensor: StoredTensor) -> Any:
        """Return the function that reads from the tensor's first byte on."""
        source = self._storages.source(tensor)
        if source is None:
            raise AssertionError("a tensor without a storage is not readable")
        return source.from_offset(self._storages.start(tensor))

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source.whole_file(),)

    def close(self) -> None:
        """Close the file."""
        self._last = _LastView()
        self._source.close()
        super().close()
