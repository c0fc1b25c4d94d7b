"""Globs mean what is written of them, and no name makes one slow: work is counted, or would never end."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptread.select import TOKENS, _compile_steps, matcher

FIXED = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]", "[ab]": "[ab]", "[!a]": "[^/a]"}
"""What each wildcard means, as an expression that tries every way."""
PIECES = st.lists(st.sampled_from([*FIXED, "a", "b", "/", "a*b"]), max_size=7).map("".join)


def plain(pattern):
    """Return the expression that a pattern stands for."""
    return re.compile("".join(FIXED.get(part) or re.escape(part) for part in TOKENS.split(pattern)), re.DOTALL)


@given(PIECES, st.text("ab/", max_size=24))
def test_a_glob_matches_what_its_wildcards_mean(pattern, name):
    expected = plain(pattern).fullmatch(name) is not None
    assert matcher(pattern)(name) == expected
    head, *rest = TOKENS.split(pattern)  # and without the short ways for ends and single wildcards
    assert _compile_steps(["?", *rest[::2]], [head, *rest[1::2]])("x" + name) == expected


@pytest.mark.parametrize("name", ["a" * 60_000, "a/" * 30_000, "a" * 30_000 + "/" + "a" * 30_000])
@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*b", "**/*a*a*b/**/c", "**/a/**/a/**/b", "a**a**a*a*b", "**a*b"])
def test_no_name_makes_a_glob_try_every_way(pattern, name):
    assert not matcher(pattern)(name)  # an expression that goes back over its stars takes days


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("[z-a]", "m", False), ("[!z-a]", "m", True), ("x[.-0]y", "x/y", False), ("x[.-0]y", "x.y", True),
     ("[[]", "[", True), ("[a-]", "-", True), ("[&&a]", "&", True), ("[", "[", True), ("[]", "[]", True)],
)  # fmt: skip
def test_a_class_is_one_character_and_never_a_slash(pattern, name, expected):
    assert matcher(pattern)(name) is expected
