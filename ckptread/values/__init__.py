"""Arithmetic on blocks of values.

- ``numbers``: the numbers in values of any dtype, and whether values can be judged
- ``widening``: numbers as float64, and sums of their products
- ``statistics``: minimum, mean, norm and histogram of one tensor
- ``running_statistics``: the same, accumulated piece by piece
- ``quantiles``: exact quantiles of one tensor; ``heat_map``: its magnitudes as a small matrix
- ``comparison``: whether the values of two tensors differ
- ``difference``: what is measured of a difference, and the tolerance
- ``running_change``: that difference, accumulated piece by piece
- ``float_kernels``: the fast arithmetic of it
- ``pairs_of_codes``: the same for numbers of one byte, from counts
- ``equality``: whether arrays are the same, bit for bit
- ``conversion``: how many values another dtype cannot hold
"""
