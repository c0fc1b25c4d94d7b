"""Which tensor of one checkpoint is which of another: by key and name, by content, or by a mapping that was saved.

:mod:`pairing` is the way in. ``alignment`` goes by what tensors are called, and by how names end (``endings``);
``content`` by their values, which ``fingerprint`` finds alike, ``arrangement`` lays out, and ``arranged`` compares;
``interchange`` pairs those that are the same bit for bit, ``siblings`` finds the one that lies unlike the others,
``mapping`` keeps it all in a file.
"""
