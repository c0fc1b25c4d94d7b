"""Which tensor of one checkpoint is which of another.

- ``pairing``: the way in: by names, by content, or by a saved mapping
- ``pairs``: a pair of tensors, and the reason for it
- ``by_name``: pairs by key and variable name; ``name_endings`` pairs by the ends of names
- ``within_layers``: pairs of a layer's tensors by shape, where names are only positions
- ``by_checksum``: pairs by the checksums in the files
- ``by_content``: pairs by values, which ``fingerprint`` finds alike; ``in_order`` pairs equal ones in order
- ``layouts``: how values may be arranged under another shape; ``compare_layouts`` compares them
- ``suspect_layouts``: kernels that were probably transposed by mistake
- ``saved_mapping``: pairs in a file
"""
