"""The pages name only modules, files and public names that exist, and CONTRIBUTING shows the whole package."""

import importlib
import re
import tomllib
from xml.etree import ElementTree

from tests.conformance.cases import ROOT

PAGES = ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "fixtures/README.md", "docs")
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


OURS = "https://github.com/ckptread/ckptread/blob/main/"
READMES = ("README.md", "README.zh-CN.md")


def test_every_link_of_a_readme_is_absolute_since_pypi_shows_it_too():
    for page in READMES:
        text = re.sub(r"```.*?```|`[^`]*`", "", texts()[page], flags=re.DOTALL)
        assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")] == []
        defined = dict(re.findall(r"^\[([^]]+)\]: (\S+)$", text, re.MULTILINE))
        used = set(re.findall(r"\[([\w./-]+)\](?![:(])", text))
        assert used == set(defined)
        assert defined.items() <= {(path, OURS + path) for path in used}
        assert [path for path in used if not (ROOT / path).exists()] == []


def test_the_pictures_are_drawn_of_text_that_fits():
    raw = OURS.replace("github.com", "raw.githubusercontent.com").replace("/blob", "")
    shown = {page: re.findall(rf"!\[[^]]+\]\({re.escape(raw)}(\S+)\)", texts()[page]) for page in READMES}
    assert shown["README.md"] == shown["README.zh-CN.md"] == ["docs/pictures/inspect.svg", "docs/pictures/diff.svg"]
    for path in shown["README.md"]:
        picture = ElementTree.parse(ROOT / path).getroot()
        texts_in = list(picture.iter("{http://www.w3.org/2000/svg}text"))
        assert texts_in[0].text.startswith("$ ckptread ")
        ends = [float(text.get("x")) + float(text.get("textLength")) for text in texts_in]
        assert max(ends) < float(picture.get("width"))


def test_the_addresses_of_the_package_are_those_of_the_readme():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert {url[: len(OURS.removesuffix("/blob/main/"))] for url in urls.values()} == {OURS.removesuffix("/blob/main/")}


def test_the_readme_in_chinese_has_the_commands_of_the_one_in_english():
    english, chinese = (re.findall(r"```(\w+)\n(.*?)```", texts()[page], re.DOTALL) for page in READMES)
    assert [without_comments(*block) for block in english] == [without_comments(*block) for block in chinese]
    tables = [re.findall(r"`(ckptread [^`]+)`", texts()[page]) for page in READMES]
    assert tables[0] == tables[1]
    rows = [re.findall(r"^(?:\||##)", texts()[page], re.MULTILINE) for page in READMES]
    assert rows[0] == rows[1]  # a heading and a row in one has its translation in the other


def without_comments(language, text):
    return language, re.sub(r" *#.*", "", text) if language != "console" else text


def test_every_page_that_is_linked_exists():
    linked = found(r"\]\(([^)#:]+)[)#]")
    assert ("docs/git.md", "digest.md") in linked
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
