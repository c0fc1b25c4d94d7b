"""Checkpoints of PyTorch, read without it and without running anything.

- ``rows``: what torch.save writes, in the table of formats
- ``archive``: zip archives of torch.save, since PyTorch 1.6
- ``legacy``: files of torch.save before that
- ``objects``: tensors, dictionaries and modules in a pickle
- ``listing``: their names, roles and places
- ``strided``: the values of a view of a storage
- ``reader``: the reader of them all
"""
