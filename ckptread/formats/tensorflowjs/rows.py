"""The row of TensorFlow.js in the table of formats."""

from __future__ import annotations

from posixpath import dirname, join, relpath

from ckptread.errors import CheckpointError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format, Located, on_first_use
from ckptread.storage.source import Storage
from ckptread.wording import quoted


def _is_model(c: Candidate) -> bool:
    text = c.head.lstrip()
    if text.startswith(b"{"):
        return c.mentions(b'"weightsManifest"') or c.mentions(b'"modelTopology"')
    return text.startswith(b"[") and all(map(c.mentions, (b'"paths"', b'"weights"', b'"dtype"')))


def _list_files(storage: Storage, name: str) -> list[str]:
    """Return the JSON file and the files of weights that it names, without looking for them. Raises CheckpointError."""
    from ckptread.formats.tensorflowjs.manifest import list_weight_files, read_document

    return [name, *(join(dirname(name), path) for path in list_weight_files(read_document(storage, name)))]


def _resolve_weights(storage: Storage, name: str) -> Located | None:
    """Return the model that a file of weights belongs to, where its JSON file is in the same folder."""
    if storage.kind(name) != "file":
        return None
    folder = dirname(name)
    for each in storage.list(folder):
        model = join(folder, each)
        if each.endswith(".json") and _names(storage, model, name):
            return Located(storage, model, TENSORFLOW_JS, f"the model of {quoted(relpath(name, folder or '.'))}")
    return None


def _names(storage: Storage, model: str, file: str) -> bool:
    try:
        return (
            storage.kind(model) == "file"
            and _is_model(look(storage, model))
            and file in _list_files(storage, model)[1:]
        )
    except CheckpointError:
        return False


TENSORFLOW_JS = Format(
    name="tensorflowjs",
    about="TensorFlow.js models",
    endings=("model.json",),
    recognise=_is_model,
    open=on_first_use("tensorflowjs.reader", "open_tensorflowjs"),
    resolve=_resolve_weights,
    parts=_list_files,
)
ROWS = (TENSORFLOW_JS,)
