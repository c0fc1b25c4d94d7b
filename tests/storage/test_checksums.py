"""Checksums of pieces put together: equal to those of the whole, as zlib and google_crc32c take them."""

import zlib

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptread.storage.checksums import checksum_function, checksum_of_zeros, combine_checksums

WHOLE = {"crc32": zlib.crc32, "crc32c": google_crc32c.value}


@pytest.mark.parametrize("algorithm", WHOLE)
@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_the_checksums_of_two_runs_make_that_of_both(algorithm, first, second):
    whole = WHOLE[algorithm]
    assert combine_checksums(algorithm, whole(first), whole(second), len(second)) == whole(first + second)
    assert checksum_function(algorithm)(whole(first), second) == whole(first + second)


@pytest.mark.parametrize("algorithm", WHOLE)
@pytest.mark.parametrize("nbytes", [0, 1, 31, 4096, (1 << 20) + 3])
def test_the_checksum_of_zeros_needs_no_zeros(algorithm, nbytes):
    whole = WHOLE[algorithm]
    assert checksum_of_zeros(algorithm, nbytes) == whole(bytes(nbytes))
    assert checksum_of_zeros(algorithm, nbytes, whole(b"abc")) == whole(b"abc" + bytes(nbytes))
