"""Names of the tensors of TensorFlow checkpoints and SavedModels.

- ``describe``: the entry point: names, layers, roles and trainable flags of all tensors
- ``object_graph``: the objects that a TensorFlow 2 checkpoint lists
- ``graph_v1``: roles from the names of TensorFlow 1
- ``saved_model``: what saved_model.pb, keras_metadata.pb and a .meta file add
- ``outer_layers``: names of layers that have slashes
- ``lookup_tables``: the two tensors of a table
- ``foreign_parts``: classes that are not Keras' own, and operations that use files
- ``messages``: their protocol buffer messages
"""
