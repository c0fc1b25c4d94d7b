"""What ckptread does with a checkpoint, a folder per verb, with the verb's name.

In each folder the module of the verb's name has the function that is public as ``ckptread.VERB``, and its result;
``report`` says how that result is shown: its JSON document (with a schema in docs/schemas/), tables and lines.
An operation takes a path or an open reader, keyword options named as on the command line, and knows no format.

- ``ls``: which checkpoints there are
- ``inspect``, ``show``: what is in a checkpoint, and in one tensor
- ``diff``, ``check``, ``history``: compare checkpoints, hold them to rules, follow a training run
- ``extract``, ``digest``, ``textconv``: tensors as files, as digests, as text for git
- ``verify``, ``salvage``: find damage, and save what is intact
- ``selection``: which tensors of an open checkpoint a caller asked for
- ``opening``: a path or a reader, as a reader
- ``notes``: sentences on what the file does not record
- ``documents``: the parts of JSON documents that verbs share
- ``each_checkpoint``: one operation on each of many checkpoints, in this process or in several
- ``each_tensor``: one pass over many tensors, in a few threads
- ``assets``: files that a model needs besides its tensors
- ``copies``: variables that a file stores twice, and whether the copies differ
"""
