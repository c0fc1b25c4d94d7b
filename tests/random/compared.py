"""One tensor against the array that it should be: whole, in slices and blocks, counted, digested, extracted."""

import numpy as np

from ckptread.errors import CheckpointError
from ckptread.operations.digest.digest import digest_tensor
from ckptread.operations.extract.files import to_file
from ckptread.operations.extract.outgoing import Writing
from ckptread.values.statistics import statistics
from tests.formats.hdf5.same_values import same_values

DIMENSIONS = (0, 1, 2, 3, 5, 8, 17)
EXTRACTED = 0.2
"""How many tensors are written to a file."""


def random_shape(rng):
    """Return a shape of at most four dimensions."""
    return tuple(int(dim) for dim in rng.choice(DIMENSIONS, int(rng.choice([0, 1, 1, 2, 2, 3, 4]))))


def random_selection(shape, rng):
    """Return an index of numpy's basic kind: numbers, slices with any step, and an ellipsis."""
    found = []
    for dim in shape:
        ends = [int(end) if rng.random() < 0.7 else None for end in rng.integers(-dim - 2, dim + 3, 2)]
        step = (None, 1, 2, 3, -1, -2, -7)[rng.integers(7)]
        found.append(int(rng.integers(-dim, dim)) if dim and rng.random() < 0.25 else slice(*ends, step))
    cut = int(rng.integers(0, len(found) + 1))
    return (*found[:cut], Ellipsis) if rng.random() < 0.3 else tuple(found)


def whole(values, shape, dtype):
    """Return what was read as an array of this type: of a scalar, it may be Python's own, or a shorter string."""
    if dtype.hasobject or not isinstance(values, np.ndarray | np.generic):
        found = np.empty(shape, object)
        found[()] = values
        return found
    return values if isinstance(values, np.ndarray) else np.asarray(values, dtype)


def compare_tensor(tensor, values, folder, rng, counts):
    """Yield what of a tensor is otherwise than in an array."""
    counts["tensors"] += 1
    where = f"{tensor.info.key} ({values.dtype}, {values.shape})"
    if tensor.info.problem is not None:
        yield f"{where} has a problem: {tensor.info.problem}"
        return
    try:
        yield from (f"{where}: {what}" for what in _differences(tensor, values, folder, rng, counts))
    except CheckpointError as error:
        yield f"{where} cannot be read: {error}"


def _differences(tensor, values, folder, rng, counts):
    if not same_values(whole(tensor[()], values.shape, values.dtype), values):
        yield "other values"
    yield from _different_slices(tensor, values, rng, counts)
    if values.dtype.hasobject:
        return
    yield from _different_blocks(tensor, values, rng)
    yield from _counted(statistics(tensor), values)
    digest_tensor(tensor)
    if rng.random() < EXTRACTED:
        counts["extracted"] += 1
        to_file(tensor, str(folder / "extracted.npy"), Writing(force=True))
        if not same_values(np.load(folder / "extracted.npy"), _as_npy(values)):
            yield "other values in the extracted file"


def _different_slices(tensor, values, rng, counts):
    for _ in range(3):
        chosen = random_selection(values.shape, rng)
        counts["slices"] += 1
        expected = values[chosen]
        if values.dtype.hasobject and not (
            isinstance(expected, np.ndarray) and expected.dtype == object and expected.ndim
        ):
            continue  # it is the object, whose shape numpy would take for the array's
        if not same_values(whole(tensor[chosen], np.shape(expected), values.dtype), np.asarray(expected, values.dtype)):
            yield f"other values in {chosen}"


def _different_blocks(tensor, values, rng):
    blocks, at, flat = tensor.blocks(int(rng.choice([1, 16, 64, 100, 1 << 22]))), 0, values.reshape(-1)
    for block in blocks:
        if not same_values(np.array(block).reshape(-1), flat[at : at + block.size]):
            yield f"other values in the block at {at}"
        at += block.size
    if at != flat.size:
        yield f"blocks of {at} elements"


def _counted(found, values):
    if values.dtype.kind not in "fiub":
        return
    with np.errstate(invalid="ignore"):  # a signalling NaN
        number = values.reshape(-1).astype(np.longdouble)
    expected = [int(np.isnan(number).sum()), int(np.isinf(number).sum()), int((number == 0).sum()), number.size]
    if [found.nans, found.infs, found.zeros, found.count] != expected:
        yield f"counted {[found.nans, found.infs, found.zeros, found.count]}, not {expected}"


def _as_npy(values):
    """Return values as .npy holds them: types that it has no name for are widened."""
    return values.astype(np.float32) if values.dtype.isbuiltin == 2 else values
