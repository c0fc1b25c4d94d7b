"""Names that end alike are paired by the longest ending that is theirs alone, as trying every length does."""

from hypothesis import given
from hypothesis import strategies as st

from ckptread.operations.diff.match import name_endings as endings
from ckptread.operations.diff.match.name_endings import pair_endings

NAMES = st.lists(st.tuples(st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=1, max_size=5).map("/".join),
                           st.sampled_from("xy")), max_size=7)  # fmt: skip


def by_trying(a, b):
    """Return the pairs by going through every length of ending, the longest first."""
    left, pairs = [{n: tuple(name.split("/")) for n, (name, _) in enumerate(side)} for side in (a, b)], set()
    for length in range(5, 0, -1):
        ends = [{}, {}]
        for side in (0, 1):
            for number, parts in left[side].items():
                if len(parts) >= length:
                    ends[side].setdefault(parts[-length:], []).append(number)
        alone = [(ends[0][e], ends[1][e]) for e in ends[0].keys() & ends[1].keys()]
        found = {(x[0], y[0]) for x, y in alone if len(x) == len(y) == 1 and a[x[0]][1] == b[y[0]][1]}
        for x, y in found:
            del left[0][x], left[1][y]
        pairs |= found
    return pairs


@given(NAMES, NAMES)
def test_the_pairs_are_those_of_trying_every_length(a, b):
    assert set(pair_endings(a, b)) == by_trying(a, b)


def test_the_work_grows_with_the_text_and_not_with_the_components(monkeypatch):
    calls, looked = [], endings._shared
    monkeypatch.setattr(endings, "_shared", lambda one, other: calls.append(1) or looked(one, other))
    names = [(f"{n:03}" + "/a" * 15_000, "model") for n in range(100)]
    assert len(list(pair_endings(names, names))) == 100
    assert len(calls) <= 201  # one for each name, and not one for each of 15,000 lengths
