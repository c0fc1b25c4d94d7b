"""The checkpoints of a folder.

- ``ls``: a row of facts per checkpoint, as data
- ``report``: its report
"""
