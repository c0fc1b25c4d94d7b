"""A web server for tests: serves a folder by ranges, counts the requests, and fails as it is told to.

``server.faults[path]`` is a function that gets the handler and answers in place of the server, or returns False.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Fault = Callable[["Handler"], bool]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RangeServer

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        with self.server.lock:
            self.server.asked.append((path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        fault = self.server.faults.get(path)
        if fault is None or not fault(self):
            self.serve()

    def do_HEAD(self) -> None:
        self.do_GET()

    def serve(self) -> None:
        """Answer rightly."""
        path = self.server.root / unquote(urlsplit(self.path).path).lstrip("/")
        if not path.is_file():
            self.answer(404)
            return
        status = path.stat()
        etag = etag_of(path)
        if self.headers.get("If-Match", etag) != etag:
            self.answer(412)
            return
        start, stop = self.wanted(status.st_size)
        if start >= stop:
            self.answer(416, {"Content-Range": f"bytes */{status.st_size}", "ETag": etag})
            return
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(stop - start)
        headers = {"ETag": etag, "Content-Range": f"bytes {start}-{stop - 1}/{status.st_size}"}
        self.answer(206, headers, data)

    def wanted(self, size: int) -> tuple[int, int]:
        """Return the range that is asked for."""
        found = re.match(r"bytes=(\d*)-(\d*)$", self.headers.get("Range", "bytes=0-"))
        assert found is not None
        first, last = found.groups()
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def answer(self, code: int, headers: dict[str, str] | None = None, body: bytes = b"", claimed: int = -1) -> bool:
        """Send an answer; ``claimed`` is its stated length, where that is another one."""
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if claimed < 0 else claimed))
        self.end_headers()
        with self.server.lock:  # before they are sent: the client may be done before this thread goes on
            self.server.nbytes += len(body)
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = self.close_connection or claimed >= 0
        return True


def etag_of(path: Path) -> str:
    status = path.stat()
    return f'"{status.st_size:x}-{status.st_mtime_ns:x}"'


class RangeServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str, str]] = []
        self.nbytes = 0
        self.faults: dict[str, Fault] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that a test, or a client, has ended."""

    def forget(self) -> None:
        self.asked.clear()
        self.nbytes = 0


@contextmanager
def serving(root: Path) -> Iterator[RangeServer]:
    """Serve a folder."""
    with RangeServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
