"""Small changes to bytes, drawn from a seeded generator: what the short run in the test suite uses."""

EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 62, (1 << 63) - 1, 1 << 63]
TOKENS = [
    b"\xff" * 10, b"\x80" * 11, b"\0" * 8, b"-1", b"1e309", b"NaN", b"null", b"true", b"[" * 300, b'{"a":' * 250,
    b"9" * 30, b"18446744073709551616", b"\x1b[2J", b"\xed\xa0\x80", b"../../etc/passwd", b"'descr'", b"PK\x05\x06",
    b"\\ud800", b"__metadata__", b"|O",
]  # fmt: skip
"""What parsers have fallen over."""


def mutate(data, rng, other):
    """Return ``data`` with one to four changes; ``other`` is another input to take pieces from."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(CHANGES)(found, rng, other)
    return bytes(found)


def _flip(data, rng, other):
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(data, rng, other):
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _number(data, rng, other):
    at, nbytes = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8))
    data[at : at + nbytes] = (rng.choice(EDGES) & ((1 << 8 * nbytes) - 1)).to_bytes(nbytes, "little")


def _cut(data, rng, other):
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 8, 64, len(data)))]


def _double(data, rng, other):
    at = rng.randrange(len(data) + 1)
    piece = data[at : at + rng.choice((1, 4, 16, 64))]
    data[at:at] = piece * rng.choice((1, 1, 2, 8))


def _token(data, rng, other):
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.choice((0, 0, 4))] = rng.choice(TOKENS)


def _splice(data, rng, other):
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    data[at:] = other[start:]


CHANGES = (_flip, _byte, _number, _cut, _double, _token, _splice)
