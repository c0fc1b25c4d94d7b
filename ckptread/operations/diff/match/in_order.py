"""Pairing tensors that nothing but their order tells apart, in time that grows with their number alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence

from ckptread.tensors import OBJECT_VALUE, TensorInfo

Key = Callable[[TensorInfo], Hashable]


def compatible(a: TensorInfo, b: TensorInfo) -> bool:
    """Whether two tensors may be the same one: a weight is not a slot of an optimizer, where the files record roles."""
    return a.role is None or b.role is None or a.role == b.role


def last_name(info: TensorInfo) -> str:
    """Return the last component of a name: ``kernel``, of ``dense/kernel``; ``weight``, of ``fc.weight``."""
    return info.name.removesuffix(OBJECT_VALUE).removesuffix(":0").replace(".", "/").rsplit("/", 1)[-1]


def pair_in_order(
    a: Sequence[TensorInfo], b: Sequence[TensorInfo], key_a: Key, key_b: Key
) -> Iterator[tuple[TensorInfo, TensorInfo]]:
    """Pair the tensors whose keys are equal, in order: first those of one role and last name, then of one role.

    A tensor of unknown role is then paired with whatever is left. Each is in one pair at most.
    """
    left_a, left_b = list(a), list(b)
    for alike in (_role_and_name, _role, _anything):
        taken_a: set[str] = set()
        taken_b: set[str] = set()
        queues: dict[Hashable, deque[TensorInfo]] = {}
        for info in left_b:
            queues.setdefault((key_b(info), alike(info)), deque()).append(info)
        for one in left_a:
            queue = queues.get((key_a(one), alike(one)))
            if queue and compatible(one, queue[0]):
                other = queue.popleft()
                taken_a.add(one.key)
                taken_b.add(other.key)
                yield one, other
        left_a = [info for info in left_a if info.key not in taken_a]
        left_b = [info for info in left_b if info.key not in taken_b]


def _role_and_name(info: TensorInfo) -> Hashable:
    return info.role, last_name(info)


def _role(info: TensorInfo) -> Hashable:
    return info.role


def _anything(_info: TensorInfo) -> Hashable:
    return None
