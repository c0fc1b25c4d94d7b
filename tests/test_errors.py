"""Errors are one tree, and speak to people."""

import ckptread
from ckptread import errors
from ckptread.wording import escape


def test_every_error_is_a_checkpoint_error_and_the_builtin_that_callers_expect():
    assert issubclass(ckptread.TensorNotFoundError, KeyError)
    assert issubclass(ckptread.UnknownFormatError, ValueError)
    names = [name for name in vars(errors) if name.endswith("Error")]
    assert all(issubclass(getattr(errors, name), ckptread.CheckpointError) for name in names)
    assert all(name in errors.__doc__ for name in names)


def test_a_message_names_the_file_and_what_to_do():
    error = ckptread.TensorNotFoundError("a\x1bfile", "it is wrong", advice="mend it")
    assert str(error) == "a\\x1bfile: it is wrong; mend it"


def test_the_public_names_are_what_all_says():
    assert all(hasattr(ckptread, name) for name in ckptread.__all__)
    assert ckptread.__all__ == sorted(ckptread.__all__)


def test_nothing_unprintable_is_left():
    assert escape("a\x1b[2J\r\n\x9b\u202e\u200b\udcff\u2028\U000e0001\\") == (
        "a\\x1b[2J\\x0d\\x0a\\x9b\\u202e\\u200b\\xff\\u2028\\U000e0001\\\\"
    )
    assert escape("naïve/名前 x") == "naïve/名前 x"
