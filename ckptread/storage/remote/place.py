"""A remote folder and its objects, as every kind of store has them, and what can go wrong with them."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from typing import NamedTuple

from ckptread.errors import CheckpointError, DamagedFileError
from ckptread.storage.source import Stamp, changed_error
from ckptread.wording import escape

MOST_REQUESTS = 32
"""Requests at one time, of the whole process: what servers take from one client, and enough to hide their delay."""
AT_ONCE = threading.BoundedSemaphore(MOST_REQUESTS)
RETRIES = 5
"""How often a request is made again that the server is too busy for, or whose connection is lost."""
FIRST_WAIT = 0.1
"""The seconds before the second try; twice as long before each further one."""
LONGEST_WAIT = 10.0
"""The most seconds before the next try, also where the server asks for more."""
RETRY_SECONDS = 60
"""How long that may take in all."""
SECONDS = 60
"""How long one request may take: 8 MiB over the slowest of lines."""
BUSY = (408, 429, 500, 502, 503, 504)
"""The answers of a server that may serve the same request later."""


REFUSED = "refused"
"""The code of the error for a store that refuses access."""


class Probe(NamedTuple):
    """What the first request for an object tells."""

    stamp: Stamp
    tail: bytes
    """Its last bytes: all of them, where it is small."""


class RemoteObject(ABC):
    """One object of a store."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def probe(self, nbytes: int) -> Probe | None:
        """Return its size, its version and its last ``nbytes`` bytes; None where there is no such object.

        Raises CheckpointError where the store does not answer, or does not serve ranges.
        """

    @abstractmethod
    def fetch(self, start: int, stop: int, stamp: Stamp) -> bytes | memoryview:
        """Return these bytes. Raises CheckpointError, and DamagedFileError where it is not of this stamp any more."""


class Place(ABC):
    """A folder of a store. Names in it have "/" between their parts."""

    @abstractmethod
    def object(self, name: str, address: str) -> RemoteObject:
        """Return an object, whether there is one or not. Nothing is requested."""

    @abstractmethod
    def list(self, folder: str) -> list[str]:
        """Return the names in a folder, without its own: [] where there are none, or the store cannot list."""


def check_answer(address: str, wanted: tuple[int, int], got: tuple[int, int], nbytes: int) -> None:
    """Raise DamagedFileError unless an answer has the bytes that were asked for."""
    if wanted != got or nbytes != got[1] - got[0]:
        problem = f"the server sent {nbytes:,} bytes from byte {got[0]:,}, where bytes {wanted[0]:,} to {wanted[1]:,}"
        raise DamagedFileError(address, f"{problem} were asked for", advice="try again, or download the file")


def check_version(address: str, wanted: Stamp, got: Stamp) -> None:
    """Raise DamagedFileError where an object is another one now."""
    if wanted != got:
        raise changed_error(address)


def no_ranges_error(address: str) -> CheckpointError:
    """Return the error for a server that sends whole files only."""
    return CheckpointError(address, "the server does not serve ranges of bytes", advice="download the file")


_STATUS = re.compile(r"\b([45]\d\d [A-Z][A-Za-z -]+)")
_CAUSES = (
    (r"dns error|getaddrinfo|[Nn]ame or service|[Nn]ame resolution|nodename", "its host is unknown"),
    (r"(?i)certificate", "the server's certificate is not trusted"),
    (r"InvalidMessage|WRONG_VERSION|SSL|TLS", "no encrypted connection to its host can be made"),
    (r"timed out|TimedOut", "there was no answer in time"),
    (r"body error|ended before|IncompleteRead", "the connection ended before the answer did"),
    (r"following redirect|infinite loop", "it is redirected in a circle"),
    (r"unsafe address, (\S+)", "it is redirected to an unsafe address"),
    (r"[Cc]onnect|error sending request|refused|reset|closed", "there is no connection to its host"),
)
"""What a client's message says somewhere, and what it means."""


def reason_of(text: str) -> str:
    """Return what a client's message means: the answer of the server, or why there is none."""
    status = _STATUS.search(text)
    if status is not None:
        return f"the server answers {status[1].strip()}"
    found = (meaning for cause, meaning in _CAUSES if re.search(cause, text))
    return next(found, escape(text.partition("\n")[0][:200]))


def unreachable_error(address: str, text: str) -> CheckpointError:
    """Return the error for an object that a client cannot read, from the client's message."""
    advice = "check the address and the network"
    return CheckpointError(address, f"it cannot be read: {reason_of(text)}", advice=advice)


def refused_error(address: str, problem: str) -> CheckpointError:
    """Return the error for a store that refuses access."""
    return CheckpointError(address, f"access is denied: {problem}", advice=_credentials(address), code=REFUSED)


def _credentials(address: str) -> str:
    """Return the variables of the environment that have the credentials for an address."""
    scheme = address.partition("://")[0]
    return {
        "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket",
        "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
        "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true",
        "hf": "set HF_TOKEN to a token that may read this repository",
    }.get(scheme, "give an address that needs no login, or a signed one")
