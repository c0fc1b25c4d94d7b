"""A listing of a checkpoint's tensors.

- ``inspect``: the listing as data; ``choice``: which tensors it has, by ``conditions`` and in an ``order``
- ``contents``: the parts of a checkpoint by role; ``scalars``: values of counters and rates; ``labels``: short names
- ``totals``, ``grouping`` and ``layers``: the totals of tensors, and of a model's layers
- ``report``: the reports of a listing, as rows, as a tree or by path; ``heading`` and ``tree`` are parts of them
- ``statistics_report``: that of --stats; ``layers_report`` and ``layers_documents``: that of --layers and --model
"""
