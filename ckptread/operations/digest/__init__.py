"""Digests of values that are the same in every container.

- ``digest``: the verb, and the digest of a tensor and of all together
- ``canonical``: values as they are digested
- ``listing``: saved listings, and whether a checkpoint agrees with one
- ``report``: how digests are shown
"""
