"""Headers of .npy files, right and wrong: what both numpy and ckptread read is the same."""

import struct
import warnings

import numpy as np

import ckptread
from ckptread.errors import CheckpointError
from tests.formats.hdf5.same_values import same_values

TYPES = (
    "'<f4'", "b'<f4'", "u'<f4'", "'\\74f4'", "'<f' '4'", "'f4'", "'float32'", "'f'", "'=f4'", "'|f4'", "'<i4'",
    "'>f4'", "'<e'", "'i'", "'S'", "'<U'", "'|V4'", "'V'", "'<f4,<f4'", "'(2,)f4'", "('<f4',(2,))", "[('a','<f4')]",
    "[('a\\101','<f4')]", "[('','<f4')]", "[('','<f4'),('b','<f4')]", "[('a','<f4'),('','|V4'),('b','<f4')]",
    "[('a','<f4'),('','|V0')]", "{'names':['a'],'formats':['<f4']}", "[('a',[('b','<f4')],(2,))]",
    "[(('t','a'),'<f4')]", "['a']", "'<M8[ns]'", "'M8'", "'<m8[7s]'", "'<c8'", "'?'", "'b'", "'B'", "'a5'", "'c'",
    "'S1'", "'|S4'", "'|O'", "'<f4\\0'", "'<f4 '", "' <f4'", "'>b1'", "'<g'", "'T'",
)  # fmt: skip
ORDERS = ("False", "True", "0", "1", "None")
SHAPES = ("(3,)", "(3,2)", "()", "(3)", "3", "[3]", "(3L,)", "(03,)", "(0x3,)", "(3.0,)", "(True,)", "(-1,)", "(0,)",
          "(1_0,)", "(3,4,1)", "( 3 , )", "(3,),")  # fmt: skip


def examine(rng, folder, counts):
    """Yield what is read otherwise than by numpy."""
    parts = [choices[rng.integers(len(choices))] for choices in (TYPES, ORDERS, SHAPES)]
    text = "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format(*parts)
    path = folder / "w.npy"
    path.write_bytes(_file(text, 1 + int(rng.integers(3))))
    ours, theirs = _ours(path), _theirs(path)
    counts[
        {(1, 1): "read", (1, 0): "ours alone", (0, 1): "numpy's alone"}.get(
            (ours is not None, theirs is not None), "refused"
        )
    ] += 1
    if ours is not None and theirs is not None and not (ours.dtype == theirs.dtype and same_values(ours, theirs)):
        yield f"{text}: {ours.dtype} {ours.shape}, by numpy {theirs.dtype} {theirs.shape}"


def _file(text, version):
    data = text.encode("utf-8" if version == 3 else "latin-1")
    data += b" " * (-(len(data) + (11 if version == 1 else 13)) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(data))
    return b"\x93NUMPY" + bytes([version, 0]) + length + data + bytes(range(96))


def _theirs(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.load(path, allow_pickle=False)
    except (ValueError, TypeError, SyntaxError, OSError, KeyError, UnicodeError, AttributeError, IndexError):
        return None


def _ours(path):
    try:
        with ckptread.open(path) as reader:
            return np.asarray(reader.read("w"))
    except CheckpointError:
        return None
