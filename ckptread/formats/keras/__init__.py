"""The containers of Keras' own; the weights in them are HDF5 files or .npz archives.

- ``archive``: .keras archives
- ``folder``: the members of an archive as files of a folder
- ``shards``: weights in several .weights.h5 files, by their JSON index
- ``rows``: the rows of the table of formats
"""
