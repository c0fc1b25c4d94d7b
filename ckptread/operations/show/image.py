"""A tensor as a picture in a file: the filters of a convolution as a grid of tiles, a matrix as one heat map.

Red is above zero and blue below, white is zero, and yellow is NaN or infinite. Filters of three channels are in their
own colours.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import UsageError
from ckptread.operations.extract.file_names import spare
from ckptread.operations.opening import Checkpoint, opened
from ckptread.reader import Tensor
from ckptread.reports.report import Report, Reportable
from ckptread.storage.writing import open_complete
from ckptread.tensors import TensorInfo
from ckptread.values.heat_map import heat_map
from ckptread.values.numbers import is_numeric
from ckptread.wording import quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array

MOST_PIXELS = 2048
"""Of a side; a larger matrix is shown by the means of its blocks, and of more tiles the first are shown."""
FEW_PIXELS = 512
"""A smaller picture is enlarged to about this size."""
MOST_KERNEL_BYTES = 16 << 20
"""A larger kernel is shown as a matrix, which is not read into memory at once."""
LINE = 64
"""The grey between tiles."""
NOT_FINITE = (255, 220, 0)


class SavedImage(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """A picture that was written."""

    path: str
    tensor: TensorInfo
    width: int
    """In pixels."""
    height: int
    tiles: int
    """The filters that it shows; 0 for a matrix."""

    def report(self) -> Report:
        """Return what ``ckptread show --image`` prints."""
        from ckptread.operations.show.report import ImageReport

        return ImageReport(self)


def save_image(
    checkpoint: Checkpoint, name: str, path: str | os.PathLike[str], *, force: bool = False, backend: str = "auto"
) -> SavedImage:
    """Write a tensor as a picture: the kernel of a convolution as a grid of its filters, any other as a heat map.

    The ending of ``path`` is the image format, '.png' for instance; ``force`` replaces an existing file. Needs Pillow.
    Raises UsageError for what is not numbers, without Pillow, and for an unknown image format; CheckpointError.
    """
    target = os.fspath(path)
    kind = _image_format(target)
    with opened(checkpoint, backend) as reader:
        spare(reader, target)
        tensor = reader[name]
        pixels, tiles = _pixels(tensor)
        image = _enlarged(pixels, tiles)
        with open_complete(target, force) as file:
            image.save(file, format=kind)
        return SavedImage(path=target, tensor=tensor.info, width=image.width, height=image.height, tiles=tiles)


def _image_format(path: str) -> str:
    """Return Pillow's name of the format that a file's ending stands for. Raises UsageError."""
    try:
        from PIL import Image
    except ImportError:
        raise UsageError("a picture needs Pillow: pip install 'ckptread[image]'") from None
    ending = os.path.splitext(path)[1].lower()
    Image.init()
    found = Image.registered_extensions().get(ending)
    if found not in Image.SAVE:
        raise UsageError(f"{quoted(path)}: there is no image format {quoted(ending)}; .png is one")
    return str(found)


def _enlarged(pixels: Array, tiles: int) -> Any:
    """Return the picture, each pixel as a block where it is small: a square one in a tile."""
    from PIL import Image

    image = Image.fromarray(pixels)
    sides = (max(image.size),) * 2 if tiles else image.size
    width, height = (size * -(-FEW_PIXELS // side) for size, side in zip(image.size, sides, strict=True))
    return image.resize((width, height), Image.Resampling.NEAREST)


def _pixels(tensor: Tensor) -> tuple[Array, int]:
    """Return the picture as rows of red, green and blue, and the number of its tiles. Raises UsageError."""
    if not is_numeric(tensor.dtype) or tensor.dtype.kind == "c" or not tensor.size or not tensor.ndim:
        raise UsageError(f"{quoted(tensor.info.name)} has no real numbers in rows: there is no picture of it")
    kernel = _kernel(tensor)
    if kernel is not None:
        return _tiled(kernel)
    matrix = heat_map(tensor, MOST_PIXELS, MOST_PIXELS, signed=True)
    if matrix is None:
        matrix = tensor.read().reshape(1, -1)[:, :MOST_PIXELS] if tensor.ndim == 1 else _flat(tensor)
    return _coloured(matrix), 0


def _flat(tensor: Tensor) -> Array:
    return tensor.read().reshape(-1, tensor.shape[-1])[:MOST_PIXELS, :MOST_PIXELS]


def _kernel(tensor: Tensor) -> Array | None:
    """Return the kernel of a convolution as height, width, inputs and outputs; None for any other tensor."""
    import numpy as np

    if tensor.ndim != 4 or tensor.nbytes > MOST_KERNEL_BYTES:
        return None
    values: Array = tensor.read().astype(np.float32)
    torch = tensor.info.name.rpartition(".")[2] == "weight"  # outputs, inputs, height, width
    values = values.transpose(2, 3, 1, 0) if torch else values
    return values if max(values.shape[:2]) > 1 else None


def _tiled(kernel: Array) -> tuple[Array, int]:
    """Return the filters side by side: one for each output, or for each input and output."""
    height, width, inputs, _ = kernel.shape
    most_rows, most_columns = (max(1, MOST_PIXELS // (side + 1)) for side in (height, width))
    if inputs == 3:
        tiles = _rgb(kernel).transpose(3, 0, 1, 2)
    else:
        kernel = kernel[:, :, :most_rows, :most_columns]
        tiles = _coloured(kernel.transpose(2, 3, 0, 1).reshape(-1, height * width)).reshape(-1, height, width, 3)
    columns = kernel.shape[3] if min(kernel.shape[2:]) > 1 and inputs != 3 else math.ceil(math.sqrt(len(tiles)))
    tiles = tiles[: min(columns, most_columns) * most_rows]
    return _grid(tiles, min(columns, most_columns)), len(tiles)


def _grid(tiles: Array, columns: int) -> Array:
    """Put tiles into rows, with lines between them."""
    import numpy as np

    count, height, width, _ = tiles.shape
    rows = -(-count // columns)
    page = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, 3), LINE, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (
            place * (side + 1) + 1 for place, side in zip(divmod(number, columns), (height, width), strict=True)
        )
        page[top : top + height, left : left + width] = tile
    return page


def _rgb(values: Array) -> Array:
    """Return the three input channels as colours: the smallest value of all is black, the largest white."""
    import numpy as np

    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    return (255 * scaled).round().astype(np.uint8)


def _coloured(matrix: Array) -> Array:
    """Return values as colours: white is zero, red the largest magnitude above it, blue below."""
    import numpy as np

    values = matrix.astype(np.float32)
    finite = np.isfinite(values)
    most = float(np.abs(values[finite]).max(initial=0.0)) or 1.0
    share = np.where(finite, values, 0) / most
    fading = (255 * (1 - np.abs(share))).round()
    red, blue = np.where(share < 0, fading, 255), np.where(share > 0, fading, 255)
    page: Array = np.stack([red, fading, blue], axis=-1).astype(np.uint8)
    page[~finite] = NOT_FINITE
    return page
