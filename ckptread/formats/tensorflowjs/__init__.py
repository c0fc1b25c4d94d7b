"""Models of TensorFlow.js: a JSON file with a weights manifest, and the files of weights that it names.

- ``rows``: its row in the table of formats
- ``manifest``: groups of files, and the weights in each
- ``shards``: the files of a group, joined end to end
- ``layout``: where each weight begins
- ``values``: strings, and quantized values
- ``naming``: layers, roles and trainable flags
- ``reader``: the reader of them all
"""
