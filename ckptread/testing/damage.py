"""Files with damage, and what may come of reading them: a CheckpointError or the same values, and in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ckptread.errors import CheckpointError
from ckptread.reader import Reader, Tensor

SECONDS = 30
"""A worker's deadline, several times over: machines that run tests are busy."""

Values = list[bytes | str] | None
"""A tensor's values in blocks; None where reading them was refused."""
Contents = dict[str, tuple[tuple[int, ...] | None, str, Values]]
"""The shape, dtype and values of each tensor, by key."""


def contents(reader: Reader) -> Contents:
    """Return everything that a user can read: the listing, and every readable value."""
    found: Contents = {}
    for key, info in reader.tensors.items():
        try:
            blocks = Tensor(reader, info).blocks()
            values: Values = [repr(b.tolist()) if b.dtype.hasobject else b.tobytes() for b in blocks]
        except CheckpointError:
            values = None
        found[key] = (info.shape, info.dtype, values)
    return found


def read_again(opens: Callable[[], Reader]) -> Contents | None:
    """Return the contents, or None where a CheckpointError refuses them. Any other error passes, a hang fails."""
    started = time.monotonic()
    try:
        with opens() as reader:
            return contents(reader)
    except CheckpointError:
        return None
    finally:
        assert time.monotonic() - started < SECONDS


@contextmanager
def changed(file: Path, data: bytes) -> Iterator[None]:
    """Have other bytes in a file, and its own ones again afterwards."""
    intact = file.read_bytes()
    file.write_bytes(data)
    yield
    file.write_bytes(intact)


def flipped(file: Path, bit: int) -> bytes:
    """Return the bytes of a file with one bit flipped."""
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def assert_equal_where_read(before: Contents | None, after: Contents | None, what: tuple[object, ...]) -> None:
    """Check that every tensor that could be read is as it was before."""
    for key, (shape, dtype, values) in (after or {}).items():
        if values is not None:
            assert before is not None
            assert (shape, dtype, values) == before[key], (key, *what)
