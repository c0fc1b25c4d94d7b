"""Names of the tensors of Keras files, of Keras 1 to 3.

- ``describe``: the entry point: names, layers, roles and trainable flags of all tensors of a file
- ``evidence``: collects a file's configs and attributes
- ``model_facts``: what the config states about the model
- ``configs``: objects of a config
- ``layers``: the table of built-in layers, their weights and inner layers
- ``variants``: which of these weights a file has stored
- ``trainable``: whether a weight is trained
- ``groups``: the groups of a Keras 3 file as a tree
- ``walk``: visits those groups along the config
- ``optimizers``: the table of optimizers and their variables
- ``optimizer_state``: the variables of a file's optimizer
- ``vocabularies``: the vocabularies in a config
- ``trained_order``: the weights that an optimizer trains, by the shapes of its slots
- ``optimizer_groups``: recognises optimizers under other attributes of a model
- ``lora``: layers that train factors of a weight
- ``policies``: dtypes and quantization
- ``legacy``: the HDF5 layout of Keras 1 and 2
- ``legacy_places``: the layer that each weight of that layout belongs to
"""
