"""numpy's files, listed and written without importing numpy.

- ``npz``: readers of .npz archives and of .npy arrays
- ``npy_header``: the header of an array
- ``characters``: the characters of arrays of strings
- ``fortran``: arrays in Fortran order, read in C order
- ``writing``: writes both
- ``rows``: the rows of the table of formats
"""
