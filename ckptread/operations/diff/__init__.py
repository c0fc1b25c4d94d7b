"""Compare two checkpoints, values and all.

- ``diff``: the verb: pairs tensors, and compares each pair
- ``match``: a folder: which tensor of A is which of B
- ``choose_pairs``: which pairs a user wants to compare
- ``tensor_difference``: one pair of tensors, compared
- ``compare_assets``: the assets of both, by name and by their bytes
- ``lookup_tables``: rows of lookup tables, compared by their keys
- ``opaque``: opaque elements, read as the numbers that the other checkpoint says they are
- ``hints``: what a user should know besides the differences
- ``quantized``: integers that are codes, with a scale next to them
- ``movement``: how far tensors moved, taken together
- ``summary``: the verdict in words
- ``tables``: the differences as rows
- ``documents``: the differences as JSON
- ``report``: how a difference is shown
"""
