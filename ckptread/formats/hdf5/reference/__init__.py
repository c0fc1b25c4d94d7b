"""The HDF5 worker: the only modules that import h5py, run in a child process.

- ``main``: the entry point; answers the parent's questions.
- ``walk``: follows every link of a file once, and none out of it.
- ``describe``: a dataset's shape, dtype and layout; attributes.
- ``chunks``: where a dataset's chunks are, and whether they are complete.
- ``orphans``: objects of a damaged file that no group lists any more.
"""

FAILURES = (KeyError, RuntimeError, OSError, ValueError, TypeError)
"""What h5py raises when the library refuses something."""
