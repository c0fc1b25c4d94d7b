"""The commands: of each module here, the function ``NAME_command`` is the command of that name.

The docstring of the function is the help, and EXAMPLES are the command lines at its end.

- ``ls``: which checkpoints there are
- ``inspect``, ``show``: what is in a checkpoint, and in one tensor
- ``diff``, ``check``, ``history``: compare checkpoints, hold them to rules, follow a training run
- ``extract``, ``digest``, ``textconv``: tensors as files, as digests, as text for git
- ``verify``, ``salvage``: find damage, and save what is intact
"""

from __future__ import annotations

import os

_FILES = sorted(os.listdir(os.path.dirname(__file__)))
COMMANDS = tuple(file[:-3] for file in _FILES if file.endswith(".py") and not file.startswith("_"))
"""Their names, in the order that ``ckptread --help`` lists them."""
