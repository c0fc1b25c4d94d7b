"""Only storage/ touches the disk: everything else asks a Storage, or reads from a Source."""

import ast
from pathlib import Path

import pytest

import ckptread

PACKAGE = Path(ckptread.__file__).parent
FORBIDDEN = {
    "open",
    "pathlib.Path",
    "ckptread.storage.local.FileSource",
    "io.open",
    *(f"os.{name}" for name in (
        "access", "chmod", "fdopen", "fstat", "link", "listdir", "lstat", "makedirs", "mkdir", "open", "readlink",
        "remove", "rename", "replace", "rmdir", "scandir", "stat", "symlink", "truncate", "unlink", "walk",
    )),
    *(f"os.path.{name}" for name in (
        "exists", "getatime", "getctime", "getmtime", "getsize", "isdir", "isfile", "islink", "ismount", "lexists",
        "realpath", "samefile",
    )),
}  # fmt: skip
ELSEWHERE = {
    "cli/commands/__init__.py": {"os.listdir"},  # its own folder: the commands are its modules
    "cli/completion/scripts.py": {"open", "os.makedirs"},  # what a shell reads when it starts, often through links
    "cli/startup.py": {"os.open", "os.fdopen"},  # /dev/null, in place of a standard stream that is closed
}
"""What else may ask the disk, but never about checkpoints."""
CHILDREN = ("formats/hdf5/reference/", "formats/tensorflow/reference_worker.py", "testing/", "worker/")
"""Run in a child process, on a file that is handed to them, or in tests."""


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def questions(source: str) -> set[str]:
    """The forbidden names that a module mentions, imports or calls."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.add(dotted(node))
        elif isinstance(node, ast.Call):
            found.add(dotted(node.func))
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found & FORBIDDEN


MODULES = [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")]


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(("storage/", *CHILDREN))])
def test_a_module_outside_storage_asks_the_disk_nothing(module: str) -> None:
    assert questions((PACKAGE / module).read_text()) <= ELSEWHERE.get(module, set())


def test_the_questions_are_recognised() -> None:
    asked = questions("import os\nfrom pathlib import Path\nos.path.isfile('a')\nwith open('b'): os.stat\n")
    assert asked == {"os.path.isfile", "open", "os.stat", "pathlib.Path"}
