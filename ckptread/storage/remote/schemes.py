"""What an address of a remote file leads to."""

from __future__ import annotations

from ckptread.errors import CheckpointError
from ckptread.storage.local import LocalStorage
from ckptread.storage.remote.folder import RemoteStorage
from ckptread.storage.remote.place import Place
from ckptread.storage.source import Storage

BUCKETS = frozenset(("s3", "s3a", "gs", "az", "azure", "abfs", "abfss"))
WEB = frozenset(("http", "https"))


def find_remote(address: str) -> tuple[Storage, str]:
    """Return the storage of an address, and the name there. Nothing is requested yet.

    >>> storage, name = find_remote("https://example.org/runs/model.h5")
    >>> storage.address(name), name
    ('https://example.org/runs/model.h5', 'model.h5')

    Raises CheckpointError for an address that is incomplete, or whose reader is not installed.
    """
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        return _local(rest)
    path, mark, query = rest.partition("?") if scheme in WEB else (rest, "", "")
    root, _, inner = path.rstrip("/").partition("/")
    if not root:
        raise CheckpointError(address, "the address has no host or bucket", advice="check the address")
    folder, name = _split(f"{scheme}://{path.rstrip('/')}", f"{scheme}://{root}", bool(inner))
    return RemoteStorage(folder, _place(scheme, folder, mark + query, address)), name


def _split(address: str, root: str, inner: bool) -> tuple[str, str]:
    if not inner:
        return root, ""
    folder, _, name = address.rpartition("/")
    return folder, name


def _place(scheme: str, folder: str, query: str, address: str) -> Place:
    if scheme in BUCKETS | WEB | {"hf"}:
        _require_obstore(address)
    if scheme in BUCKETS:
        from ckptread.storage.remote.bucket import Bucket

        return Bucket(folder)
    if scheme in WEB:
        from ckptread.storage.remote.web import WebFolder

        return WebFolder(folder, query)
    if scheme == "hf":
        from ckptread.storage.remote.hub import HubFolder, parse_repository

        return HubFolder(folder, *parse_repository(address, folder.partition("://")[2]))
    from ckptread.storage.remote.filesystems import FilesystemFolder

    return FilesystemFolder(folder)


def _require_obstore(address: str) -> None:
    from importlib.util import find_spec

    if find_spec("obstore") is None:
        advice = "pip install 'ckptread[remote]'"
        raise CheckpointError(address, "remote files are read through obstore, which is not installed", advice=advice)


def _local(rest: str) -> tuple[Storage, str]:
    from urllib.parse import unquote

    folder, _, name = unquote(rest.removeprefix("localhost")).rstrip("/").rpartition("/")
    return LocalStorage(folder or "/"), name
