"""numpy's files, listed without importing numpy.

- ``npz``: readers of .npz archives and of .npy arrays
- ``npy_header``: the header of an array
- ``fortran``: arrays in Fortran order, read in C order
- ``rows``: the rows of the table of formats
"""
