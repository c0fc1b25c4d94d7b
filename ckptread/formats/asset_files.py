"""The assets of a model: the files below some folders of its own, each opened on request, and texts of its config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from posixpath import join

from ckptread.errors import UnsafeFileError
from ckptread.limits import MAX_ASSET_FILES
from ckptread.storage.memory import BytesSource
from ckptread.storage.source import Source, Storage

Assets = Mapping[str, Callable[[], Source]]


def list_assets(storage: Storage, folder: str, names: Iterable[str]) -> Assets:
    """Return the files below folders of a folder, by name; links to folders are not followed.

    Opening one raises UnsafeFileError where it is a link out of ``folder``, CheckpointError where it is not a file.
    Beyond a limit, one more entry stands for all the others: opening it raises UnsafeFileError.
    """
    found: dict[str, Callable[[], Source]] = {}
    waiting = [name for name in names if storage.kind(join(folder, name)) is not None]
    while waiting:
        name = waiting.pop()
        if _is_folder(storage, join(folder, name)):
            waiting += (join(name, each) for each in storage.list(join(folder, name)))
        elif len(found) < MAX_ASSET_FILES:
            found[name] = partial(_open_asset, storage, folder, name)
        else:
            found[name] = partial(_refuse_more, storage.address(folder))
            break
    return dict(sorted(found.items()))


def text_assets(path: str, texts: Mapping[str, bytes]) -> Assets:
    """Return texts of a file at ``path`` as assets, by name."""
    return {name: partial(BytesSource, text, f"{path}: {name}") for name, text in texts.items()}


def _is_folder(storage: Storage, name: str) -> bool:
    return storage.kind(name) == "folder" and not storage.is_link(name)


def _open_asset(storage: Storage, folder: str, name: str) -> Source:
    path = join(folder, name)
    if not storage.within(folder, path):
        problem = f"{name} is a link out of the folder"
        raise UnsafeFileError(storage.address(folder), problem, advice="copy the file into it")
    return storage.open(path)


def _refuse_more(path: str) -> Source:
    raise UnsafeFileError(path, f"it has more than {MAX_ASSET_FILES:,} assets")
