"""Random files by the libraries that write them, and what ckptread makes of them: ``python -m tests.random``.

``__main__`` runs, ``compared`` compares one tensor; each other module makes files of one kind, and is named in KINDS.
"""
