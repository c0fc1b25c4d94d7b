"""The protocol buffer messages with the names of TensorFlow variables, as tables of the fields that are read.

Field numbers are those of tensorflow/core: protobuf/{trackable_object_graph,saved_object_graph,saved_model,
meta_graph}.proto, framework/variable.proto, and of keras/protobuf/saved_metadata.proto.
"""

from __future__ import annotations

from ckptread.untrusted.binary import Message, bool_field, bytes_field, int_field, message_field, text_field

DIM = Message({1: int_field("size")})
SHAPE = Message({2: message_field("dims", DIM, repeated=True), 3: bool_field("unknown_rank")})

CHILD = Message({1: int_field("node_id"), 2: text_field("local_name")})
ATTRIBUTE = Message({1: text_field("name"), 2: text_field("full_name"), 3: text_field("checkpoint_key")})
SLOT = Message({1: int_field("original"), 2: text_field("slot_name"), 3: int_field("slot_variable")})
OBJECT = Message(
    {
        1: message_field("children", CHILD, repeated=True),
        2: message_field("attributes", ATTRIBUTE, repeated=True),
        3: message_field("slots", SLOT, repeated=True),
    }
)
OBJECT_GRAPH = Message({1: message_field("nodes", OBJECT, repeated=True)})
"""TrackableObjectGraph: the value of ``_CHECKPOINTABLE_OBJECT_GRAPH``."""

SAVED_VARIABLE = Message({2: message_field("shape", SHAPE), 3: bool_field("trainable"), 6: text_field("name")})
USER_OBJECT = Message({1: text_field("identifier"), 3: text_field("metadata")})
SAVED_OBJECT = Message(
    {
        4: message_field("user_object", USER_OBJECT),
        7: message_field("variable", SAVED_VARIABLE),
        13: text_field("registered_name"),
    }
)
SAVED_OBJECT_GRAPH = Message({1: message_field("nodes", SAVED_OBJECT, repeated=True)})

BYTES_LIST = Message({1: bytes_field("values", repeated=True)})
COLLECTION = Message({2: message_field("bytes_list", BYTES_LIST)})
COLLECTION_ENTRY = Message({1: text_field("name"), 2: message_field("collection", COLLECTION)})
META_GRAPH = Message(
    {
        4: message_field("collections", COLLECTION_ENTRY, repeated=True),
        7: message_field("object_graph", SAVED_OBJECT_GRAPH),
    }
)
"""MetaGraphDef, without the graph itself, its field 2."""
SAVED_MODEL = Message({2: message_field("meta_graphs", META_GRAPH, repeated=True)})

SLICE_INFO = Message({1: text_field("full_name")})
VARIABLE = Message({1: text_field("name"), 4: message_field("slice_info", SLICE_INFO), 7: bool_field("trainable")})
"""VariableDef: an item of a collection of variables."""

SAVED_METADATA_OBJECT = Message({2: int_field("node_id"), 5: bytes_field("metadata")})
SAVED_METADATA = Message({1: message_field("nodes", SAVED_METADATA_OBJECT, repeated=True)})
"""keras_metadata.pb of Keras 2.5 and later."""

NODE = Message({2: text_field("op")})
FUNCTION = Message({3: message_field("nodes", NODE, repeated=True)})
LIBRARY = Message({1: message_field("functions", FUNCTION, repeated=True)})
GRAPH = Message({1: message_field("nodes", NODE, repeated=True), 2: message_field("library", LIBRARY)})
GRAPHS = Message({2: message_field("meta_graphs", Message({2: message_field("graph", GRAPH)}), repeated=True)})
"""SavedModel again, for the operations of its graphs."""
