"""Save what is intact of a damaged checkpoint.

- ``salvage``: the verb
- ``report``: how the result is shown, and the manifest
"""
