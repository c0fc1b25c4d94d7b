"""Parsers of untrusted bytes: each is bounded in time and memory, and raises ``Malformed`` for invalid input.

- ``binary``: numbers and protocol buffer messages
- ``json_text``: JSON
- ``toml_text``: TOML
- ``literals``: Python literals, as in the header of a .npy array
- ``pickles``: pickles, of which nothing is run
- ``pickle_machine``: what they are made of
- ``dtypes``: numpy's names of dtypes
- ``budget``: how many bytes the tensors of a file may expand to
"""
