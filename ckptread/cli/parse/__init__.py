"""What users type, as values.

- ``options``: the arguments and options that commands share, each described once
- ``combinations``: options that exclude each other
- ``slice``: numpy's slices, as they are typed
"""
