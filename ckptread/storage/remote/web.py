"""Files behind a web address.

The first request is made by Python's own client, because it shows where redirects lead: all others go there directly,
through obstore. A login is sent to the host that it is for, and not to those that it redirects to.
"""

from __future__ import annotations

import re
import time
from typing import IO, TYPE_CHECKING, NamedTuple

from ckptread.errors import CheckpointError
from ckptread.storage.remote.bucket import StoredObject, connect
from ckptread.storage.remote.place import (
    BUSY,
    FIRST_WAIT,
    LONGEST_WAIT,
    REFUSED,
    RETRIES,
    SECONDS,
    Place,
    Probe,
    RemoteObject,
    check_answer,
    no_ranges_error,
    refused_error,
    unreachable_error,
)
from ckptread.storage.source import Stamp

if TYPE_CHECKING:
    from email.message import Message
    from http.client import HTTPMessage
    from urllib.error import HTTPError
    from urllib.request import OpenerDirector, Request

GONE = (404, 410)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")


class WebAnswer(NamedTuple):
    """What a server sent, redirects followed."""

    url: str
    """Where the redirects led."""
    status: int
    headers: Message
    body: bytes


class WebFolder(Place):
    """The files whose addresses begin with that of a folder. A web server does not say which there are."""

    def __init__(self, url: str, query: str = "", headers: dict[str, str] | None = None) -> None:
        self._url = url
        self._query = query
        self._headers = headers or {}

    def object(self, name: str, address: str) -> RemoteObject:
        """Return a file of the folder."""
        from urllib.parse import quote

        return WebObject(f"{self._url}/{quote(name, safe='/%')}{self._query}", address, self._headers)

    def list(self, folder: str) -> list[str]:
        """Return nothing."""
        return []


class WebObject(RemoteObject):
    """A file behind a web address."""

    def __init__(self, url: str, address: str, headers: dict[str, str]) -> None:
        super().__init__(address)
        self._url = url
        self._headers = headers
        self._target: StoredObject | None = None

    def probe(self, nbytes: int) -> Probe | None:
        """Return its size, its version and its last bytes; None where the server has no such file."""
        answer = ask(self._url, self.address, {**self._headers, "Range": f"bytes=-{nbytes}"}, nbytes)
        if answer.status in GONE:
            return None
        login = self._headers if _host(answer.url) == _host(self._url) else {}
        self._target = StoredObject(connect(answer.url, headers=login), "", self.address)
        return _read_probe(answer, self.address, nbytes)

    def fetch(self, start: int, stop: int, stamp: Stamp) -> bytes | memoryview:
        """Return these bytes of the version that was found first. An address that has expired is asked for again."""
        try:
            return self._resolved().fetch(start, stop, stamp)
        except CheckpointError as error:
            if error.code != REFUSED or self.probe(1) is None:
                raise
        return self._resolved().fetch(start, stop, stamp)

    def _resolved(self) -> StoredObject:
        if self._target is None:
            raise AssertionError("a file is probed before it is read")
        return self._target


def ask(url: str, address: str, headers: dict[str, str], limit: int) -> WebAnswer:
    """Return a server's answer, with at most ``limit`` bytes of it; also where it says that there is no such file.

    Raises CheckpointError where it refuses, or cannot be reached after some tries.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    opener, wait = _opener(), FIRST_WAIT
    for left in reversed(range(RETRIES + 1)):
        try:
            return _open(opener, Request(url, headers={"User-Agent": "ckptread", **headers}), limit)  # noqa: S310 - http or https: see schemes.py
        except HTTPError as error:
            if error.code in (*GONE, 416):
                return WebAnswer(error.url or url, error.code, error.headers, b"")
            if error.code not in BUSY or not left:
                raise _status_error(address, error) from error
            wait = _asked_wait(error) or wait
        except (OSError, HTTPException) as error:
            if not left or "CERTIFICATE" in str(error):
                raise unreachable_error(address, str(error)) from error
        time.sleep(min(wait, LONGEST_WAIT))
        wait *= 2
    raise AssertionError("the last try returns or raises")


def _open(opener: OpenerDirector, request: Request, limit: int) -> WebAnswer:
    with opener.open(request, timeout=SECONDS) as answer:
        whole = answer.status == 200 and request.has_header("Range")
        body = b"" if whole else answer.read(limit)
        if not whole and len(body) < min(limit, int(answer.headers.get("Content-Length") or 0)):
            raise ConnectionError("the connection ended before the answer did")
        return WebAnswer(answer.url, answer.status, answer.headers, body)


def _asked_wait(error: HTTPError) -> float:
    """Return the seconds after which a busy server wants to be asked again; 0 where it does not say."""
    stated = error.headers.get("Retry-After", "")
    return float(stated) if stated.isdigit() else 0.0


def _status_error(address: str, error: HTTPError) -> CheckpointError:
    reason = f"the server answers {error.code} {error.reason}"
    if error.code in (401, 403):
        return refused_error(address, reason)
    return CheckpointError(address, f"it cannot be read: {reason}", advice="check the address")


def _opener() -> OpenerDirector:
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, build_opener

    class Redirects(HTTPRedirectHandler):
        """Follows redirects over http and https; never from https to http, and without a login to other hosts."""

        def redirect_request(
            self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
        ) -> Request | None:
            old, new = urlsplit(req.full_url), urlsplit(newurl)
            if new.scheme not in ("https", old.scheme):
                raise OSError(f"it is redirected to an unsafe address, {new.scheme}://{new.netloc}")
            following = super().redirect_request(req, fp, code, msg, headers, newurl)
            if following is not None and old.netloc != new.netloc:
                following.remove_header("Authorization")
            return following

    return build_opener(Redirects)


def _read_probe(answer: WebAnswer, address: str, nbytes: int) -> Probe:
    """Return what the answer to a request for the last bytes says. Raises CheckpointError."""
    version = _version_of(answer.headers)
    if answer.status == 416:  # there is no last byte
        return Probe(Stamp(0, version), b"")
    stated = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if answer.status != 206 or stated is None:
        raise no_ranges_error(address)
    first, last, size = map(int, stated.groups())
    check_answer(address, (max(0, size - nbytes), size), (first, last + 1), len(answer.body))
    return Probe(Stamp(size, version), answer.body)


def _version_of(headers: Message) -> str:
    """Return the version of a file as in obstore: its entity tag, or the time of its last change."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    if headers.get("ETag"):
        return headers["ETag"]
    changed = headers.get("Last-Modified")
    return str(parsedate_to_datetime(changed) if changed else datetime.fromtimestamp(0, UTC))


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc
