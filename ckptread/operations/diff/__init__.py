"""Compare two checkpoints, values and all.

- ``diff``: the verb: pairs tensors, and compares each pair
- ``match``: a folder: which tensor of A is which of B
- ``choose_pairs``: which pairs a user wants to compare
- ``tensor_difference``: one pair of tensors, compared
- ``compare_assets``: the assets of both, by name and by their bytes
- ``quantized``: integers that are codes, with a scale next to them
- ``movement``: how far tensors moved, taken together
- ``summary``: the verdict in words
- ``tables``: the differences as rows
- ``documents``: the differences as JSON
- ``report``: how a difference is shown
"""
