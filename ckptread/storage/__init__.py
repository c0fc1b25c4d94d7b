"""Where bytes come from, and where they go: everything in ckptread that touches a disk.

The rest of the package knows a :class:`~ckptread.storage.source.Storage` and names in it, and reads bytes through a
:class:`~ckptread.storage.source.Source`. An object store is one more subclass of each.

- ``source``: the interfaces Storage (a folder, local or remote) and Source (one open file)
- ``local``: folders and files of this machine
- ``addresses``: the storage and the name of a user's path
- ``small_files``: read a whole file of a bounded size
- ``windows``: a part of a file as a source of its own
- ``memory``: bytes in memory as a source
- ``inflate``: a deflated part of a file as a source of its own; sources rebuilt in a worker
- ``progress``: how much of the work is done, counted from any thread
- ``tensor_bytes``: the stored bytes of a tensor, read without numpy
- ``checksums``: CRC-32 and CRC-32C, extended and combined
- ``spans``: ranges of bytes that contain each other, overlap, or leave gaps
- ``remote``: object stores and web addresses
- ``threads``, ``processes``: work shared between threads, or processes, results in order
- ``lines``: text files of lines, and a last line that was cut
- ``writing``: output files that appear complete or not at all
"""
