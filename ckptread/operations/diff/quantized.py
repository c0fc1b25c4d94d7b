"""Integers that are codes of a quantized weight, not values: the file has a scale next to them."""

from __future__ import annotations

from ckptread.reader import Reader
from ckptread.tensors import TensorInfo

SCALES = ("_scale", "_scales", "/scale", ".scale")
"""What is added to the name of a quantized weight in the name of its scale."""
CODES = ("int", "uint", "qint", "quint")


class QuantizedNames:
    """The names in a checkpoint, to look up scales in."""

    def __init__(self, reader: Reader) -> None:
        self._names = {info.name for info in reader.tensors.values()} | set(reader.tensors)

    def describe(self, tensor: TensorInfo) -> str:
        """Return a phrase that names the scale of a tensor's codes; "" if its values are not codes."""
        if not tensor.dtype.startswith(CODES):
            return ""
        scale = next((tensor.name + end for end in SCALES if tensor.name + end in self._names), None)
        return "" if scale is None else f"{tensor.dtype} codes, to be multiplied by {scale}"
