"""The formats that ckptread reads: a folder for each family, and the table that joins them.

``format``      a row of the table, and a checkpoint that was located
``registry``    the table: every family's ``rows``, and those of installed packages
``locate``      what a path stands for, and opening it
``candidate``   the first and last bytes of a file, by which it is recognised
``signatures``  the formats that programs may recognise in one file
``mistakes``    what people open instead of a checkpoint
``foreign``     how files of formats that are not read here are recognised
``asset_files`` the assets of a model: files, and texts of its config
``json_index``  JSON indexes that name the files of a checkpoint
``json_shards`` reading the files that such an index names
``weight_map``  such checkpoints of safetensors and PyTorch

``tensorflow``, ``tensorflowjs``, ``hdf5``, ``keras``, ``numpy``, ``pytorch`` and ``safetensors`` are the families;
``zip`` is what three of them use.
"""
