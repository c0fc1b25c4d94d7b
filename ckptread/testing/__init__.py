"""For tests: comparing checkpoints in pytest, and the suites that every format passes.

``assertions``   :func:`assert_same`
``conformance``  rules for an open reader: slices, blocks, extents, the interface
``damage``       a file truncated or with a flipped bit, and what may come of it
``suite``        :class:`FormatSuite`: all of it, for a format of your own

Nothing else in ckptread imports this package. docs/extending.md shows how to use it.
"""

from ckptread.testing.assertions import assert_same
from ckptread.testing.suite import FormatSuite, Sample

__all__ = ["FormatSuite", "Sample", "assert_same"]
