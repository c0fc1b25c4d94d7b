"""Check whether a checkpoint is intact.

- ``verify``: the verb, and the findings on tensors
- ``region_checks``: reads all regions of the files, and compares their checksums
- ``coverage``: which tensors have a checksum, and what it means where many are wrong
- ``findings``: findings as lines for people
- ``report``: how the result is shown
"""
