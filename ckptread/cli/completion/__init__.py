"""Completion in bash, zsh and fish: what Tab offers, down to the names of tensors in the file on the line.

The process that answers loads no typer, and reads no more of a file than it takes: it answers in a fifth of a second.

- ``answer``: the entry point; what may come at the cursor
- ``grammar``: the commands, their arguments and options; written by docs/make.py
- ``tensor_names``: the names in a checkpoint that begin with what was typed
- ``bash_words``: bash's line, taken apart and quoted as bash does
- ``scripts``: what each shell runs on Tab, and where that is installed
"""
