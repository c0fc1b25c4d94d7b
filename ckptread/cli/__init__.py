"""The command line: arguments in, a report out. Everything between is the library's.

- ``startup``: the entry point, and what a fast start needs
- ``app``: the commands and options as a typer application
- ``habits``: command lines that people type out of habit
- ``completion``: what Tab offers
- ``commands``: a module per command
- ``parse``: options that commands share, and what users type for a slice
- ``from_list``: the commands on a list of checkpoints
- ``render``: the one module that prints; ``pager`` shows what is more than a screen
- ``terminal``: width, colours and pager, as the environment and ``screen_options`` say
"""
