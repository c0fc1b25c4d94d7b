"""HDF5 files, read natively; the library is asked, in a worker, for what only it decodes.

- ``rows``: the format's row; ``opening``: natively, or by h5py.
- ``reader``: what all readers share; ``native_reader``: ours; ``native_values``: the values that it reads;
  ``h5py_reader``: the h5py backend; ``worker_index``: what the worker lists.
- ``native``: an open file, and its index.
- ``rounds``: runs the parsers, and reads for all that wait at once.
- ``drivers``: files in several parts.
- ``superblock``, ``object_header``, ``btree1``, ``btree2``, ``heaps``: the structures that lead to all others.
- ``links``, ``attributes``, ``datatype``, ``dataspace``, ``storage_layout``: the messages of objects.
- ``objects``: each object, read once; ``listing``: which names lead to it; ``orphans``: those that no name leads to.
- ``numpy_types``: what numpy calls a type; ``description``: a dataset as it is listed; ``dataset_layout``: how it is
  stored; ``index``: all that is listed; ``dataset_facts``: how it is stored, in words, and its attributes.
- ``chunk_index``: where chunks are; ``chunk_grid``, ``chunk_arrays``: how the index is stored.
- ``chunks``: their bytes, decoded by ``filters``; the last ones are kept in ``chunk_cache``,
  or rows of them where they are many (``chunk_slabs``); ``open_chunks``: the datasets read last.
- ``filter_names``: the filters that are not read.
- ``elements``: strings, lists, references and records of them, decoded; ``region_text``: what a reference selects;
  ``values``: how they travel from the worker.
- ``paths``: the names below a group, for a file that is too large to list while a user waits.
- ``metadata``: checksums and trees, compared by `verify`.
- ``library``: the questions to the worker; ``reference``: the worker.
"""
