"""Objects that obstore reads: those of S3, Google Cloud Storage and Azure, and files behind a web address."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from ckptread.errors import CheckpointError
from ckptread.storage.remote.place import (
    FIRST_WAIT,
    LONGEST_WAIT,
    RETRIES,
    RETRY_SECONDS,
    SECONDS,
    Place,
    Probe,
    RemoteObject,
    check_answer,
    check_version,
    no_ranges_error,
    reason_of,
    refused_error,
    unreachable_error,
)
from ckptread.storage.source import Stamp, changed_error

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ObjectStore


BODY_ENDED = "body error"
"""What obstore says of a connection that is lost in the middle of an answer: it tries only requests again."""


class Bucket(Place):
    """A folder of a bucket; its credentials are those that obstore finds in the environment."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._store = connect(address)

    def object(self, name: str, address: str) -> RemoteObject:
        """Return an object of the bucket."""
        return StoredObject(self._store, name, address)

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder of the bucket: of objects, and of those that begin others."""
        import obstore

        try:
            found = obstore.list_with_delimiter(self._store, folder or None)
        except Exception as error:
            if "404 Not Found" in str(error):
                raise CheckpointError(self._address, "there is no such bucket", advice="check the address") from error
            raise _error(self._address, error) from error
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return [path.rstrip("/").rpartition("/")[2] for path in paths]


class StoredObject(RemoteObject):
    """An object of an obstore store."""

    def __init__(self, store: ObjectStore, path: str, address: str) -> None:
        super().__init__(address)
        self._store = store
        self._path = path

    def probe(self, nbytes: int) -> Probe | None:
        """Return its size, its version and its last bytes."""
        try:
            return self._suffix(nbytes)
        except FileNotFoundError:
            return None
        except CheckpointError:
            raise
        except Exception as error:
            if _counts_from_the_end(error):
                raise _error(self.address, error) from error
            return self._probe_by_size(nbytes)

    def _suffix(self, nbytes: int) -> Probe:
        data, stamp, got = self._get({"range": {"suffix": nbytes}})
        check_answer(self.address, (max(0, stamp.size - nbytes), stamp.size), got, len(data))
        return Probe(stamp, bytes(data))

    def _probe_by_size(self, nbytes: int) -> Probe:
        import obstore

        try:
            stamp = _stamp(obstore.head(self._store, self._path))
        except Exception as error:
            raise _error(self.address, error) from error
        start = max(0, stamp.size - nbytes)
        return Probe(stamp, bytes(self.fetch(start, stamp.size, stamp)) if stamp.size else b"")

    def fetch(self, start: int, stop: int, stamp: Stamp) -> bytes | memoryview:
        """Return these bytes of the version that was found first."""
        options: GetOptions = {"range": (start, stop)}
        if str(stamp.version).startswith('"'):  # a weak entity tag, or a time, cannot be asked for: it is compared
            options["if_match"] = str(stamp.version)
        try:
            data, found, got = self._get(options)
        except Exception as error:
            raise _error(self.address, error) from error
        check_version(self.address, stamp, found)
        check_answer(self.address, (start, stop), got, len(data))
        return data

    def _get(self, options: GetOptions) -> tuple[memoryview, Stamp, tuple[int, int]]:
        import obstore

        for left in reversed(range(RETRIES + 1)):
            result = obstore.get(self._store, self._path, options=options)
            try:
                data = memoryview(result.bytes())
                break
            except Exception as error:
                if not left or BODY_ENDED not in str(error):
                    raise
        start, stop = result.range
        return data, _stamp(result.meta), (start, stop)


def connect(address: str, *, headers: dict[str, str] | None = None) -> ObjectStore:
    """Return a store for an address: a bucket with the folder in it, or a web address. Raises CheckpointError."""
    from obstore.store import from_url

    client: dict[str, Any] = {"allow_http": True, "timeout": f"{SECONDS}s"}
    if headers:
        client["default_headers"] = headers
    waits = {"init_backoff": timedelta(seconds=FIRST_WAIT), "max_backoff": timedelta(seconds=LONGEST_WAIT)}
    retries: Any = {
        "max_retries": RETRIES,
        "retry_timeout": timedelta(seconds=RETRY_SECONDS),
        "backoff": {**waits, "base": 2},
    }
    try:
        return from_url(address, client_options=cast(Any, client), retry_config=retries)
    except Exception as error:
        raise _error(address, error) from error


def _stamp(meta: Any) -> Stamp:
    """Return the size of an object and its entity tag; the time of its last change where it has none."""
    return Stamp(meta["size"], meta["e_tag"] or str(meta["last_modified"]))


def _counts_from_the_end(error: Exception) -> bool:
    """Whether the last bytes can be asked for: Azure has no such request, and an empty object no such bytes."""
    text = str(error)
    return "416 Range" not in text and "suffix" not in text.lower()


def _error(address: str, error: Exception) -> CheckpointError:
    """Return an error of obstore as a sentence."""
    from obstore import exceptions

    if isinstance(error, exceptions.PreconditionError):
        return changed_error(address)
    if isinstance(error, exceptions.NotSupportedError):
        return no_ranges_error(address)
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return refused_error(address, reason_of(str(error)))
    if isinstance(error, FileNotFoundError):
        return CheckpointError(address, "it was deleted while it was read", advice="check the address")
    return unreachable_error(address, str(error))
