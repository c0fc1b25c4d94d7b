"""TensorFlow's checkpoints, read natively; TensorFlow itself only on request, in a worker.

- ``bundle``: V2 checkpoints, with ``index`` (the entries), ``entries`` (one entry, decoded) and ``shards`` (data files)
- ``v1``: V1 checkpoints, with ``v1_values`` (the values in a message)
- ``saved_model``: SavedModels, whose variables are a V2 checkpoint; ``graph_facts``: their version and signatures
- ``leveldb_table``: the sorted table that both an index and a V1 file are
- ``slices``, ``ordered_code``: partitioned variables, and the keys of their slices
- ``strings``, ``variants``: tensors of strings; iterators and other objects, whose checksums alone are read
- ``messages``: the protocol buffer messages, as tables of fields
- ``evidence``: what there is to name tensors by
- ``paths``: the prefixes, shards, state files and folders that users type
- ``reference``, ``reference_worker``: the TensorFlow backend
- ``rows``: the rows of the table of formats
"""
