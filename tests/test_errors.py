"""Errors are one tree, speak to people, and survive a process pool."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import ckptread
from ckptread import errors
from ckptread.wording import escape, quoted

ABOUT_FILES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
ABOUT_CALLS = [kind for kind in ABOUT_FILES if issubclass(kind, errors.UsageError)]
ABOUT_FILES = [kind for kind in ABOUT_FILES if kind not in ABOUT_CALLS]


def test_every_error_is_of_one_tree_and_the_builtin_that_callers_expect():
    assert issubclass(ckptread.TensorNotFoundError, KeyError)
    assert issubclass(ckptread.UnknownFormatError, ValueError)
    assert issubclass(ckptread.UsageError, ValueError)
    assert issubclass(errors.SliceError, IndexError)
    assert not issubclass(ckptread.UsageError, ckptread.CheckpointError)
    assert all(issubclass(kind, ckptread.CheckpointError) for kind in ABOUT_FILES)
    assert all(kind.__name__ in errors.__doc__ for kind in (*ABOUT_FILES, *ABOUT_CALLS))


def test_a_message_names_the_file_and_what_to_do():
    error = ckptread.TensorNotFoundError("a\x1bfile", "it is wrong", advice="mend it")
    assert str(error) == "a\\x1bfile: it is wrong. Mend it."
    assert str(ckptread.DamagedFileError("a", "it is wrong")) == "a: it is wrong"
    assert str(ckptread.DamagedFileError("a", "it is wrong", advice="is it b?")) == "a: it is wrong. Is it b?"


def test_every_kind_of_error_has_a_code_of_its_own_unless_one_is_given():
    codes = [kind("a", "b").code for kind in ABOUT_FILES]
    assert len(set(codes)) == len(codes)
    assert ckptread.DamagedFileError("a", "b", code="tf-footer").code == "tf-footer"
    assert ckptread.DamagedFileError("a", "b").code == "damaged"


def facts(error):
    return type(error), str(error), vars(error)


@pytest.mark.parametrize("kind", ABOUT_FILES)
def test_an_error_about_a_file_is_the_same_after_pickling(kind):
    for error in (kind("a", "b"), kind("a\udcff", "b", advice="c", offset=7, code="d-e")):
        again = pickle.loads(pickle.dumps(error))
        assert facts(again) == facts(error)
        assert (again.path, again.problem, again.advice, again.offset, again.code) == (
            error.path, error.problem, error.advice, error.offset, error.code
        )  # fmt: skip


@pytest.mark.parametrize("kind", ABOUT_CALLS)
def test_an_error_about_the_call_is_the_same_after_pickling(kind):
    error = kind("there is no such thing")
    assert facts(pickle.loads(pickle.dumps(error))) == facts(error)


def fail(kind):
    raise kind("a", "b", advice="c", offset=7)


def test_an_error_raised_in_a_process_pool_arrives():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for kind in (ckptread.DamagedFileError, ckptread.TensorNotFoundError):
            with pytest.raises(kind) as caught:
                pool.submit(fail, kind).result()
            assert facts(caught.value) == facts(kind("a", "b", advice="c", offset=7))


def test_the_public_names_are_what_all_says():
    assert all(hasattr(ckptread, name) for name in ckptread.__all__)
    assert ckptread.__all__ == sorted(ckptread.__all__)


def test_nothing_unprintable_is_left():
    assert escape("a\x1b[2J\r\n\x9b\u202e\u200b\udcff\u2028\U000e0001\\") == (
        "a\\x1b[2J\\x0d\\x0a\\x9b\\u202e\\u200b\\xff\\u2028\\U000e0001\\\\"
    )
    assert escape("naïve/名前 x") == "naïve/名前 x"


def test_a_backslash_is_printed_once_unless_it_could_be_an_escape():
    assert escape("layers\\dense/kernel") == "layers\\dense/kernel"
    assert quoted("C:\\Users\\me") == "'C:\\Users\\me'"
    assert escape("\\x1b") == "\\\\x1b" != escape("\x1b")


@pytest.mark.parametrize("unseen", ["️", "ㅤ", "͏", "󠄁", "ᅟ", "឴", "ﾠ", "⠀", "\xad"])
def test_no_two_names_look_alike(unseen):
    assert escape("kernel" + unseen) == "kernel" + ascii(unseen).strip("'")
    assert escape("\u0301x") == "\\u0301x"
    assert escape("x\u0301") == "x\u0301"
