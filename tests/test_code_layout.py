"""What holds for the code of the whole package: each name is used once, modules are short, folders have a map."""

import ast
import re
from collections import defaultdict

import pytest

import ckptread
from tests.conformance.cases import ROOT

PACKAGE = ROOT / "ckptread"
MODULES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
MOST_ENTRIES = 18
MOST_LINES = 300
LONGER = {
    "ckptread/reader.py": "Reader and Tensor, the one interface: half of it is docstrings",
    "ckptread/formats/tensorflow/bundle.py": "one class, the reader of a TensorFlow checkpoint",
}
"""Modules of more lines than that, each with its reason."""
MOST_LINES_OF_A_COMMAND = 20


def definitions(*kinds):
    """The names that modules define at their top, each with the modules that do."""
    found = defaultdict(list)
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, kinds):
                found[node.name].append(module)
    return found


def test_no_two_classes_have_one_name():
    assert {name: modules for name, modules in definitions(ast.ClassDef).items() if len(modules) > 1} == {}


def test_no_two_public_functions_have_one_name():
    public = {name: found for name, found in definitions(ast.FunctionDef).items() if not name.startswith("_")}
    assert {name: modules for name, modules in public.items() if len(modules) > 1} == {}


def test_the_package_has_few_entries():
    entries = {
        path.stem for path in PACKAGE.iterdir() if not path.name.startswith((".", "_")) and path.name != "py.typed"
    }
    assert len(entries) <= MOST_ENTRIES


def test_no_module_is_long_without_a_reason():
    long = {module for module in MODULES if len((ROOT / module).read_text().splitlines()) > MOST_LINES}
    assert long == set(LONGER)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_folder_has_a_map_that_names_each_of_its_modules(folder):
    page = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    if folder == PACKAGE:
        return  # its docstring is for users; CONTRIBUTING.md has the map
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    named = in_tables(folder)
    assert {name for name in files | folders if name not in named and not re.search(rf"\b{name}\b", page)} == set()


def in_tables(folder):
    """The modules of a folder that a table names: rows of formats, and the root's table of public names."""
    rows = folder / "rows.py"
    formats = re.findall(rf'"{folder.name}\.(\w+)"', rows.read_text()) if rows.exists() else []
    verbs = [module.split(".")[1] for module in ckptread._MODULES if module.startswith("operations.")]
    return {*formats, *(verbs if folder.name in {"operations", "commands"} else [])}


def test_the_public_names_are_those_that_the_type_checker_sees():
    (block,) = [node for node in MODULES["ckptread/__init__.py"].body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    again = {node.targets[0].id: node.value.id for node in block.body if isinstance(node, ast.Assign)}
    assert (seen - set(again.values())) | set(again) == set(ckptread.__all__)
    assert set(ckptread.__all__) == set(ckptread._HOMES) <= set(dir(ckptread))
    assert all(getattr(ckptread, name) is not None for name in ckptread.__all__)


COMMANDS = [
    node
    for module, tree in MODULES.items()
    if module.startswith("ckptread/cli/commands/")
    for node in tree.body
    if isinstance(node, ast.FunctionDef) and node.name.endswith("_command")
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda node: node.name)
def test_the_body_of_a_command_is_short(command):
    body = command.body[1:] if ast.get_docstring(command) else command.body
    assert body[-1].end_lineno - body[0].lineno < MOST_LINES_OF_A_COMMAND
