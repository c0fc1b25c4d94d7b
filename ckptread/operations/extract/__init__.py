"""Tensors as .npy and .npz files.

- ``extract``: the operation; ``target`` decides where it writes to, ``file_names`` what the files are called
- ``npy_files``: writes one tensor or several; ``conversion_plan`` decides how, ``npy_copy`` is the fast way
- ``written``: what became of each tensor; ``report``: how that is shown
"""
