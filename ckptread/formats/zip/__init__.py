"""Zip archives, the container of .keras and .npz files: read natively, because two programs may read one differently.

- ``archive``: an open archive: its members as sources of bytes and as regions
- ``sealing``: the checksums of members that were changed in place
- ``signature``: how an archive begins
- ``directory``: the list of members at the end of the file
- ``recovery``: the same list made from the headers before the members, where the end of the file is lost
- ``members``: each member checked against its header and the others
- ``rules``: why a member is refused
- ``records``: the structures of the specification
"""
