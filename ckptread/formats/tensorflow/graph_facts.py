"""What saved_model.pb records of its first graph besides names: TensorFlow's version and the signatures.

Field numbers are those of tensorflow/core/protobuf/meta_graph.proto and framework/tensor_shape.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ckptread.formats.tensorflow.messages import DTYPES
from ckptread.untrusted.binary import Malformed, Message, bool_field, int_field, message_field, text_field
from ckptread.wording import cut

DIM = Message({1: int_field("size")})
SHAPE = Message({2: message_field("dims", DIM, repeated=True), 3: bool_field("unknown_rank")})
ARGUMENT = Message({1: text_field("tensor"), 2: int_field("dtype"), 3: message_field("shape", SHAPE)})
NAMED_ARGUMENT = Message({1: text_field("name"), 2: message_field("argument", ARGUMENT)})
SIGNATURE = Message(
    {
        1: message_field("inputs", NAMED_ARGUMENT, repeated=True),
        2: message_field("outputs", NAMED_ARGUMENT, repeated=True),
    }
)
NAMED_SIGNATURE = Message({1: text_field("name"), 2: message_field("signature", SIGNATURE)})
INFO = Message({5: text_field("version")})
GRAPH_FACTS = Message({1: message_field("info", INFO), 5: message_field("signatures", NAMED_SIGNATURE, repeated=True)})
SAVED_MODEL_FACTS = Message({2: message_field("meta_graphs", GRAPH_FACTS, repeated=True)})
INITIALIZER = "__saved_model_init_op"
"""A signature that TensorFlow adds, and calls itself on loading."""
MOST_SIGNATURES = 16


def saved_model_metadata(data: bytes | None) -> dict[str, str]:
    """Return the writer with its version, and each signature by its name; nothing of what cannot be decoded."""
    try:
        graphs = SAVED_MODEL_FACTS.decode(data or b"").get("meta_graphs", [])
    except Malformed:
        graphs = []
    first = graphs[0] if graphs else {}
    version = first.get("info", {}).get("version", "")
    signatures = [each for each in first.get("signatures", []) if each.get("name") != INITIALIZER]
    named = {f"signature {each.get('name', '')}": _signature_text(each) for each in signatures[:MOST_SIGNATURES]}
    return {"writer": f"TensorFlow {version}".strip(), **dict(sorted(named.items()))}


def _signature_text(named: Mapping[str, Any]) -> str:
    """Return a signature as a function: ``(x: float32 (?, 4)) -> (y: float32 (?, 2))``."""
    signature = named.get("signature", {})
    sides = (", ".join(sorted(_arguments(signature.get(side, ())))) for side in ("inputs", "outputs"))
    return cut("({}) -> ({})".format(*sides))


def _arguments(arguments: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for each in arguments:
        argument = each.get("argument", {})
        dtype = DTYPES.get(argument.get("dtype", 0), "unknown")
        yield f"{each.get('name', '')}: {dtype} {_shape_text(argument.get('shape', {}))}"


def _shape_text(shape: Mapping[str, Any]) -> str:
    if shape.get("unknown_rank"):
        return "of any shape"
    dims = ["?" if dim.get("size", 0) < 0 else str(dim.get("size", 0)) for dim in shape.get("dims", ())]
    return f"({', '.join(dims)}{',' if len(dims) == 1 else ''})"
