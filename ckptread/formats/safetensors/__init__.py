"""safetensors files.

- ``reader``: one file, and several with an index
- ``writing``: writes one
- ``dtypes``: what the format calls them
- ``rows``: the rows of the table of formats
"""
