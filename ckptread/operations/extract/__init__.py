"""Tensors as files that other programs read.

- ``extract``: the operation; ``target`` decides where it writes to, ``file_names`` what the files are called
- ``files``: writes one tensor or several; ``outgoing`` decides how, ``copy`` is the fast way
- ``fixed_size``: strings, lists and references as values of one size
- ``written``: what became of each tensor; ``report``: how that is shown
"""
