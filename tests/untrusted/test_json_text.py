"""JSON within bounds: what it is by json's own reading, and one text per bound."""

import json

import pytest

from ckptread.limits import JSON_COST, JSON_DEPTH
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json


@pytest.mark.parametrize(
    "text",
    ["{}", "[1, -2.5e3, null, true]", '"[[[\\"{"', '{"ü": "\\ud83d\\ude00"}', '{"a": 1, "a": 2}', " [ ] ", '"\\\\"'],
)
def test_json_is_read_as_json_reads_it(text):
    assert bounded_json(text.encode()) == json.loads(text)


def test_depth_counts_brackets_outside_of_strings():
    assert bounded_json(b"[" * JSON_DEPTH + b"]" * JSON_DEPTH)
    assert bounded_json(json.dumps("[" * 1000).encode()) == "[" * 1000
    with pytest.raises(Malformed, match="nested more than 200"):
        bounded_json(b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1))


def test_equal_keys_are_an_error_where_they_must_be_unique():
    with pytest.raises(Malformed, match="'a' occurs twice"):
        bounded_json(b'{"b": {"a": 1, "a": 1}}', unique=True)
    assert bounded_json(b'{"a": {"a": 1}}', unique=True) == {"a": {"a": 1}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'"\\', "not JSON"),
        (b'["' + b'\\"' * 100_000, "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"1" * 5000, "too long"),
        (b'"\n"', "not JSON"),
        (b" " * 101, "101 bytes; at most 100"),
        (b"[" + b"[]," * JSON_COST, "takes 12,000,001 bytes"),
    ],
)
def test_what_is_no_json_is_told(data, words):
    with pytest.raises(Malformed, match=words):
        bounded_json(data, max_bytes=100 if len(data) == 101 else 11_000_000)


HALF = JSON_COST // 2


@pytest.mark.parametrize(
    "data",
    [b"[" + b"[]," * HALF + b"0]", b"[" + b'"",' * HALF + b'""]', b'"' + "\U0001f600".encode() * (9 << 20) + b'"'],
    ids=["many lists", "many strings", "wide characters"],
)
def test_what_would_take_too_much_memory_is_refused_unread(data):
    with pytest.raises(Malformed, match=r"too many values|too much memory"):
        bounded_json(data, max_bytes=100 << 20)
