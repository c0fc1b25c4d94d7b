"""What every command prints with --format json is what docs/schemas/ says, for every fixture and for odd values."""

import json
import math
import sys
import types
import typing

import jsonschema
import msgspec
import numpy as np
import pytest

from ckptread.reports.json import json_text
from tests.conformance.cases import CASES, ROOT, all_but_one, each
from tests.conftest import write
from tests.table_writer import write_bundle

sys.path.insert(0, str(ROOT / "docs"))
import schemas

sys.path.pop(0)

BIG = 2**64 + 1
ODD_NAME = "n\udcff\x1b[2J"
NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def strict(schema):
    """A schema that refuses fields that it does not list."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in schema else found


def validator(verb):
    text = (ROOT / "docs" / "schemas" / f"{verb}.json").read_text()
    return jsonschema.Draft202012Validator(strict(json.loads(text)))


VALIDATORS = {verb: validator(verb) for verb in schemas.verbs()}


def test_the_schemas_are_those_of_the_documents():
    assert {path.name for path in schemas.FOLDER.iterdir()} == {path.name for path in schemas.pages()}
    for path, text in schemas.pages().items():
        assert path.read_text() == text, "run 'make docs'"


def test_every_command_that_writes_json_has_a_schema(run):
    from ckptread.cli.commands import COMMANDS

    writing = {name for name in COMMANDS if "--format" in run(name, "--help").out}
    assert writing <= set(VALIDATORS)


COMMANDS = [
    ("inspect", []), ("inspect", ["--depth", "2"]), ("inspect", ["--stats"]), ("inspect", ["--layers", "--model"]),
    ("digest", []), ("verify", []), ("check", ["--no-nan", "--has", "nosuch"]), ("history", []),
]  # fmt: skip


@each(CASES, slow=all_but_one)
def test_what_commands_print_of_a_fixture_is_as_in_the_schema(run, case):
    for verb, options in COMMANDS:
        ran = run(verb, case.path, *options, "--format", "json")
        if ran.out:
            VALIDATORS[verb].validate(json.loads(ran.out))
        else:
            assert verb == "history", ran.err


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.name)
def test_what_is_printed_of_a_tensor_or_a_pair_is_as_in_the_schema(run, case):
    tensor = next(iter(json.loads(run("inspect", case.path, "--format", "json").out)["tensors"]))
    for options in ([], ["--slice", "..."]):
        VALIDATORS["show"].validate(json.loads(run("show", case.path, tensor["key"], *options, "--format", "json").out))
    VALIDATORS["diff"].validate(json.loads(run("diff", case.path, case.path, "--format", "json").out))


def odd(kind, number):
    """A value of this type that JSON, or an encoder, finds hard: every field of every document takes one."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{field.name: odd(field.type, number) for field in msgspec.structs.fields(kind)})
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if float in inside:
            return number
        return odd(next(each for each in inside if each not in (type(None), msgspec.UnsetType)), number)
    if origin is typing.Literal:
        return inside[0]
    if origin in (list, tuple, dict):
        item = odd(inside[-1] if origin is dict else inside[0], number)
        return {ODD_NAME: item} if origin is dict else origin([item])
    return {str: ODD_NAME, int: BIG, bool: True, float: number, typing.Any: [number, ODD_NAME, BIG]}[kind]


def spoken(value):
    """What docs/json.md promises for a value."""
    if isinstance(value, float) and not math.isfinite(value):
        return next(name for name, number in NUMBERS.items() if repr(number) == repr(value))
    if isinstance(value, list | tuple):
        return [spoken(each) for each in value]
    if isinstance(value, dict):
        return {key: spoken(each) for key, each in value.items()}
    if isinstance(value, msgspec.Struct):
        return {name: spoken(getattr(value, name)) for name in value.__struct_fields__}
    return value


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("verb", schemas.verbs())
def test_odd_values_go_through_every_document(verb, number):
    for kind in schemas.documents(verb):
        if "layers" in kind.__struct_fields__ and kind.__name__ == "InspectModelDocument":
            continue  # a config's layers hold layers: see below
        document = odd(kind, number)
        text = "".join(json_text(document))
        assert text.isascii()
        found = json.loads(text)
        assert found == spoken(document)
        VALIDATORS[verb].validate(found)


def test_odd_values_go_through_a_models_document():
    from ckptread.model import LayerFact, ModelFacts
    from ckptread.operations.inspect.layers_documents import InspectModelDocument, model_document

    layer = LayerFact(ODD_NAME, ODD_NAME, None, (LayerFact(None, ODD_NAME, True),))
    model = model_document(ModelFacts(class_name=ODD_NAME, layers=(layer,)))
    document = InspectModelDocument(path=ODD_NAME, format="x", backend="native", metadata={ODD_NAME: "y"}, model=model)
    found = json.loads("".join(json_text(document)))
    assert found["model"]["layers"][0]["layers"][0]["class_name"] == ODD_NAME
    assert set(found) == {"schema", "path", "format", "backend", "metadata", "model"}
    VALIDATORS["inspect"].validate(found)


def test_odd_values_of_a_file_are_printed_as_promised(run, tmp_path):
    values = np.array([np.nan, np.inf, -np.inf], "float32")
    path = write_bundle(tmp_path / "a", {"w": (1, (3,), values.tobytes()), "huge": (1, (2**40, 2**40), b"")})
    listing = json.loads(run("inspect", path, "--format", "json").out)
    VALIDATORS["inspect"].validate(listing)
    assert {tensor["key"]: tensor["parameters"] for tensor in listing["tensors"]} == {"w": 3, "huge": 2**80}
    stats = json.loads(run("inspect", path, "w", "--stats", "--format", "json").out)
    VALIDATORS["inspect"].validate(stats)
    found = stats["tensors"][0]["statistics"]
    assert (found["min"], found["max"], found["nan"], found["inf"]) == ("-Infinity", "Infinity", 1, 2)
    shown = json.loads(run("show", path, "w", "--format", "json").out)
    VALIDATORS["show"].validate(shown)
    assert shown["first"] == ["NaN", "Infinity", "-Infinity"]
    other = write(tmp_path / "b", {"w": np.zeros(3, "float32")})
    VALIDATORS["diff"].validate(json.loads(run("diff", path, other, "--format", "json").out))
