"""Generate docs/api.md from the docstrings of the public names; docs/make.py writes the page."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import ckptread

HEAD = """# Library

`python docs/make.py` writes this page from the docstrings, and the test suite runs its examples from the root of the
repository.

"""
WIDTH = 100


def page() -> str:
    """Return the page of everything in ``ckptread.__all__``: functions first, then classes, then errors."""
    public = {name: getattr(ckptread, name) for name in sorted(ckptread.__all__, key=str.lower)}
    groups: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for name, value in public.items():
        groups["Errors" if _is_error(value) else "Classes" if inspect.isclass(value) else "Functions"].append(name)
    contents = [f"**{title}**: {', '.join(map(_link, names))}" for title, names in groups.items()]
    sections = [
        section
        for title, names in groups.items()
        for section in (f"## {title}", *(_section(name, public[name]) for name in names))
    ]
    return HEAD + "\n\n".join([*contents, *sections]) + "\n"


def _link(name: str) -> str:
    return f"[{name}](#ckptread{name.lower()})"


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)


def _section(name: str, value: Any) -> str:
    parts = [f"### ckptread.{name}"]
    if inspect.isfunction(value):
        parts.append(_signature(_parsed(value), f"ckptread.{name}"))
    elif _is_error(value):
        bases = [base.__name__ for base in value.__bases__]
        parts.append(f"A kind of {', '.join(f'`{base}`' for base in bases)}.")
    parts.append(_markdown(inspect.getdoc(value) or ""))
    if inspect.isclass(value) and not _is_error(value):
        parts += _members(value)
    return "\n\n".join(part for part in parts if part)


def _members(value: type) -> Iterator[str]:
    """Yield the fields and properties of a class as a list, then its methods."""
    nodes = _own_nodes(value)
    fields = [_field(name, node, text) for name, (node, text) in nodes.items() if not _is_method(node)]
    if fields:
        yield "\n".join(fields)
    for name, (node, text) in nodes.items():
        if isinstance(node, ast.FunctionDef) and _is_method(node):
            about = _markdown(inspect.cleandoc(text))
            yield f"#### {value.__name__}.{name}\n\n{_signature(node, name)}\n\n{about}".rstrip()


def _field(name: str, node: ast.AnnAssign | ast.FunctionDef, text: str) -> str:
    kind = node.annotation if isinstance(node, ast.AnnAssign) else node.returns
    typed = f"{name}: {ast.unparse(kind)}" if kind else name
    return f"- `{typed}`{_about(text)}"


def _own_nodes(value: type) -> dict[str, tuple[ast.AnnAssign | ast.FunctionDef, str]]:
    """Return the public fields and methods of a class and its bases here, each with its docstring."""
    found: dict[str, tuple[ast.AnnAssign | ast.FunctionDef, str]] = {}
    for base in reversed([base for base in value.__mro__ if base.__module__.startswith("ckptread.")]):
        body = _parsed(base).body
        for node, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                text = following.value.value if _is_text(following) else ""
                found[node.target.id] = node, text
            elif isinstance(node, ast.FunctionDef):
                found[node.name] = node, ast.get_docstring(node, clean=False) or found.get(node.name, (node, ""))[1]
    return {name: pair for name, pair in found.items() if not name.startswith("_")}


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_method(node: ast.AST) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    properties = [name for name in decorators if isinstance(name, ast.Name) and name.id.endswith("property")]
    return isinstance(node, ast.FunctionDef) and not properties


def _parsed(value: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def _signature(node: ast.FunctionDef, name: str) -> str:
    """Return how a function is called, in one line or with a line for each parameter."""
    given = [part for part in _parameters(node.args) if part not in ("self", "cls")]
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{name}({', '.join(given)}){returned}"
    if len(line) > WIDTH:
        line = f"{name}(\n" + "".join(f"    {part},\n" for part in given) + f"){returned}"
    return f"```python\n{line}\n```"


def _parameters(arguments: ast.arguments) -> list[str]:
    """Return each parameter as it is written, and the marks ``/`` and ``*`` between them."""
    parts, depth = [""], 0
    for letter in ast.unparse(arguments):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += " = " if letter == "=" and depth == 0 and ":" in parts[-1] else letter
    return [part.strip() for part in parts if part.strip()]


def _about(text: str) -> str:
    return f": {' '.join(_markdown(inspect.cleandoc(text)).split())}" if text else ""


def _markdown(text: str) -> str:
    """Return a docstring as Markdown: examples and indented blocks fenced, names between single backticks."""
    blocks = re.split(r"\n\s*\n", re.sub(r":(?:class|func|meth|mod):`([^`]*)`", r"`\1`", text).replace("``", "`"))
    return "\n\n".join(_block(block) for block in blocks if block.strip() and block.strip() != "::")


def _block(block: str) -> str:
    fence = "pycon" if block.lstrip().startswith(">>>") else "" if block.startswith("    ") else None
    return block if fence is None else f"```{fence}\n{textwrap.dedent(block)}\n```"
