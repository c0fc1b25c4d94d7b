"""Which tensors of a listing are counted together: by the beginnings of their names, or by all but the numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

NUMBER = "#"
OTHERS = "(others)"
"""The tensors that no text of --group matches."""


def group_labels(texts: Sequence[str], depth: int | None, collapse: bool, mark: str) -> Callable[[str], str]:
    """Return the function that gives a name the label of its group.

    >>> label = group_labels(["conv#_block#"], None, False, "/")
    >>> label("resnet50/conv2_block1_1_conv/kernel"), label("head/kernel")
    ('resnet50/conv2_block1', '(others)')
    >>> group_labels([], 2, True, "/")("encoder_11/attention/query/kernel")
    'encoder_#/attention'
    """
    wanted = [_compile(text, mark) for text in texts]

    def label(name: str) -> str:
        if wanted:
            found = next(filter(None, (each.search(name) for each in wanted)), None)
            name = OTHERS if found is None else name[: found.end()]
        elif depth is not None:
            name = mark.join(name.split(mark)[:depth])
        return re.sub(r"\d+", NUMBER, name) if collapse else name

    return label


def _compile(text: str, mark: str) -> re.Pattern[str]:
    """Return what finds a text where a component of a name begins. Only numbers vary, so it takes no time."""
    parts = [re.escape(part) for part in re.split(f"{NUMBER}+", text.strip(mark))]
    return re.compile(rf"(?:^|(?<={re.escape(mark)}))" + r"\d+".join(parts) + r"(?!\d)")
