"""TOML is read as tomllib reads it, in little time."""

import time
import tomllib

import pytest

from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.toml_text import bounded_toml


def test_rules_are_read_as_tomllib_reads_them():
    text = '[check]\nfinite = true\nonly = ["a.b", "c.*"]\n"layer.0".max = 1.5\n'
    assert bounded_toml(text.encode()) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"a." * 250_000 + b"b=1",
        b"[" + b"a." * 250_000 + b"b]",
        b"x = {" + b"a." * 250_000 + b"b = 1}",
        b"x = " + b"[" * 500_000,
        b"x = " + b"{a=" * 100_000,
        b"\n".join(b"a%d." % number + b"a." * 4000 + b"b=1" for number in range(60)),
        b"\xff",
    ],
)
def test_no_nesting_takes_long(text):
    begun = time.process_time()
    with pytest.raises(Malformed):
        bounded_toml(text)
    assert time.process_time() - begun < 2


def test_the_deepest_key_that_is_read_takes_a_second_at_most():
    begun = time.process_time()
    assert bounded_toml(b"a." * 4000 + b"b=1")["a"]
    assert time.process_time() - begun < 2
