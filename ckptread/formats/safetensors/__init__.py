"""safetensors files.

- ``reader``: one file
- ``index``: a checkpoint of several files, by its JSON index
- ``rows``: the rows of the table of formats
"""
