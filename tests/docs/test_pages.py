"""The pages name only modules, files and public names that exist, and CONTRIBUTING shows the whole package."""

import importlib
import re

from tests.conformance.cases import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "fixtures/README.md", "docs")
"""CHANGELOG.md is not among them: it also names what was removed."""
ELSEWHERE = {"table_format.md"}
"""Files of other projects."""
TREE = re.compile(r"^( *)([\w/]+\.py|\w+/)(?= |$)", re.MULTILINE)


def texts():
    """Return the pages by their paths."""
    paths = [path for name in PAGES for path in ([ROOT / name] if name.endswith(".md") else (ROOT / name).glob("*.md"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(paths)}


def found(pattern):
    """Return each match of a pattern, with the page it is on."""
    return sorted({(page, match) for page, text in texts().items() for match in re.findall(pattern, text)})


def exists(dotted):
    """Return whether a dotted name is a module, or a name inside one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            value = getattr(value, name, None)
        return value is not None
    return False


def test_every_dotted_name_exists():
    missing = [(page, name) for page, name in found(r"(?<![\w.\"])ckptread(?:\.[a-zA-Z_]\w*)+") if not exists(name)]
    assert missing == []


def test_every_file_that_is_named_exists():
    files = [f"/{path.relative_to(ROOT)}" for path in ROOT.rglob("*") if ".venv" not in path.parts]
    named = found(r"(?<![\w./-])(?:\.\./)*((?:[\w-]+/)*[\w-]+\.(?:py|md|sh))\b")
    missing = [(page, name) for page, name in named if not any(path.endswith(f"/{name}") for path in files)]
    assert [pair for pair in missing if pair[1] not in ELSEWHERE] == []


def test_every_page_that_is_linked_exists():
    linked = found(r"\]\(([^)#:]+)[)#]")
    assert ("README.md", "docs/api.md") in linked
    assert [(page, link) for page, link in linked if not ((ROOT / page).parent / link).exists()] == []


def test_every_step_of_the_walk_exists():
    steps = re.findall(r"`([\w/]+\.py)` `(\w+)`", texts()["CONTRIBUTING.md"])
    assert len(steps) >= 10
    missing = [
        (path, name)
        for path, name in steps
        if not re.search(rf"^(?:def|class) {name}\b", (ROOT / "ckptread" / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


def tree():
    """Return the paths in the tree of CONTRIBUTING.md."""
    block = re.search(r"```\n(ckptread/\n.*?)```", texts()["CONTRIBUTING.md"], re.DOTALL)[1]
    paths, above = [], {}
    for indent, name in TREE.findall(block):
        above[len(indent)] = above.get(len(indent) - 2, "") + name
        paths.append(above[len(indent)])
    return paths


def test_every_path_in_the_tree_exists():
    assert [path for path in tree() if not (ROOT / path).exists()] == []


def test_the_tree_has_every_module_and_folder_of_the_package():
    inside = {
        path.name for path in (ROOT / "ckptread").iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"
    }
    named = {path.rstrip("/").rpartition("/")[2] for path in tree() if path.startswith("ckptread/")}
    assert inside - named - {"__init__.py", "__main__.py"} == set()
