"""Texts of Python values are read by a few rules, and never evaluated: no text can warn, run or exhaust anything."""

import ast
import struct

import numpy as np
import pytest

from ckptread.errors import UnsupportedError
from ckptread.formats.hdf5.values import decode, encode
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.untrusted.literals import read_literal

ODD = ["('<i4'(1,), (2,))", r"('\d', (2,))", "('<i4', 0777)", "('<i4', 1if 1else 2)", "(" * 5000, "('<i4', (-1,))", ""]
"""What ast.literal_eval warns of, or gives up on; pytest makes an error of every warning."""


def list_of(head, body=b""):
    inner = len(head).to_bytes(4, "little") + head + body
    return b"l" + struct.pack("<Q", len(inner)) + inner


@pytest.mark.parametrize("head", ODD)
def test_a_list_described_oddly_is_malformed(head):
    with pytest.raises(Malformed):
        decode(list_of(head.encode()), np.dtype(object), ())


def test_a_list_of_a_dtype_that_numpy_has_not_is_malformed():
    with pytest.raises(Malformed):
        decode(list_of(b"('int128', (1,))", bytes(16)), np.dtype(object), ())


@pytest.mark.parametrize("name", ["['a' 'b'(1)]", r"[('\d', 0o9)]", "[" * 5000, "{'names': ['a']}", "[('a', '<i4'"])
def test_a_compound_dtype_written_oddly_is_none(name):
    with pytest.raises(UnsupportedError):
        numpy_dtype(name)


COMPOUND = [
    np.dtype([("a'\"\\\n\x00é", "<i4"), ("b", ">f8", (2, 3))]),
    np.dtype({"names": ["x", "y"], "formats": ["<u2", "S3"], "offsets": [4, 0], "itemsize": 9}),
    np.dtype([("inner", [("deep", "?"), ("text", "O")])]),
]


@pytest.mark.parametrize("dtype", COMPOUND, ids=str)
def test_a_compound_dtype_is_read_as_numpy_prints_it(dtype):
    assert numpy_dtype(str(dtype)) == dtype


@pytest.mark.parametrize("dtype", ["<i4", ">f8", "S5", COMPOUND[1]], ids=str)
def test_a_list_of_values_comes_back_as_it_was(dtype):
    values = np.empty((), object)
    values[()] = np.zeros((2, 3), dtype)
    found = decode(encode(values), np.dtype(object), ())[()]
    assert (found.dtype, found.shape) == (np.dtype(dtype), (2, 3))


ESCAPED = [r"'a\101'", r"'\0'", r"'\7\08'", r"'\377'", r"'\x41B\U00000043'", r"'\N{BULLET}'", r"'\a\b\f\v\n\r\t'",
           r"'\'\"\\'", "'a\\\nb'"]  # fmt: skip


@pytest.mark.parametrize("text", ESCAPED)
def test_escapes_are_those_of_python(text):
    assert read_literal(text) == ast.literal_eval(text)


@pytest.mark.parametrize("text", [r"'\x4'", r"'\u12'", r"'\U00110000'", r"'\N{no such thing}'", r"'\N'"])
def test_what_python_refuses_is_malformed(text):
    with pytest.raises(SyntaxError):
        ast.literal_eval(text)
    with pytest.raises(Malformed):
        read_literal(text)
