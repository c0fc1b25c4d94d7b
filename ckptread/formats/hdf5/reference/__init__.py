"""The HDF5 worker: the only modules that import h5py, run in a child process.

- ``main``: the entry point; answers the parent's questions.
- ``walk``: follows every link of a file once, and none out of it.
- ``describe``: a dataset's shape and dtype; attributes.
- ``addresses``: opens a dataset by its address.
- ``chunks``: whether a dataset's chunks are complete.
"""

FAILURES = (KeyError, RuntimeError, OSError, ValueError, TypeError)
"""What h5py raises when the library refuses something."""
