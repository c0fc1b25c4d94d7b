"""What tensors are called and what they are for, from the file alone.

- ``keras``: HDF5 files and .keras archives
- ``tensorflow``: checkpoints and SavedModels

Each has a function that takes a file's tensors and its other evidence (a config, an object graph), and returns the
tensors with variable names, layers, roles and trainable flags filled in.
"""
