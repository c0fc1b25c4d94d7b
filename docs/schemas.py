"""The JSON Schemas of docs/schemas/, one for each verb that writes JSON, made from the documents of its reports."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import msgspec

from ckptread import operations

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def pages() -> dict[Path, str]:
    """Return the files, as they would be written."""
    return {FOLDER / f"{verb}.json": json.dumps(schema_of(verb), indent=1) + "\n" for verb in verbs()}


def verbs() -> list[str]:
    """Return the verbs that write JSON."""
    packages = [module.name for module in pkgutil.iter_modules(operations.__path__) if module.ispkg]
    return [verb for verb in packages if list(documents(verb))]


def schema_of(verb: str) -> dict[str, object]:
    """Return the schema of a verb: of any of its documents."""
    found = list(documents(verb))
    refs, parts = msgspec.json.schema_components(found, ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "title": f"ckptread {verb}", "anyOf": list(refs), "$defs": parts}


def documents(verb: str) -> Iterator[type[msgspec.Struct]]:
    """Yield the documents that a verb writes: the Structs with a schema number that no other is derived from."""
    package = import_module(f"ckptread.operations.{verb}")
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = import_module(found.name)
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == found.name
            if own and "schema" in value.__struct_fields__ and not value.__subclasses__():
                yield value


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text)
