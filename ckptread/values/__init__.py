"""Arithmetic on blocks of values.

- ``numbers``: the numbers in values of any dtype, and whether values can be judged
- ``statistics``: minimum, mean, norm and histogram of one tensor
- ``quantiles``: exact quantiles of one tensor; ``heat_map``: its magnitudes as a small matrix
- ``comparison``: whether the values of two tensors differ
- ``difference``: what is measured of a difference, and the tolerance
- ``running_change``: that difference, accumulated piece by piece
- ``float_kernels``: the fast arithmetic of it
- ``equality``: whether arrays are the same, bit for bit
- ``conversion``: how many values another dtype cannot hold
"""
