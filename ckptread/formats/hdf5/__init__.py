"""HDF5 files: the index through the HDF5 library in a worker, the values natively.

- ``reader``: the reader of an open file.
- ``library``: the questions to the worker.
- ``index``: what the worker lists, checked.
- ``chunks``: the chunks of a dataset, located and decoded; ``chunk_cache`` keeps the last ones.
- ``filters``: the filters' numbers, and undoing shuffle and fletcher32.
- ``values``: how strings, lists and references travel from the worker.
- ``superblock``: the first bytes of a file: its recorded size, and whether its writer closed it.
- ``group_trees``: the B-trees of groups, checked by `verify`.
- ``early_start``: starts the worker while the command is still being imported.
- ``reference``: the worker.
- ``rows``: the row in the table of formats.
"""
