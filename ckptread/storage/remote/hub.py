"""Repositories of the Hugging Face Hub: web addresses with a token, and an interface that lists folders.

``hf://OWNER/REPO[@REVISION]/FILE``, and ``hf://datasets/OWNER/REPO/FILE`` of a data set. HF_TOKEN has the token,
HF_ENDPOINT the address of another hub. The interface is at https://huggingface.co/docs/hub/api.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

import msgspec

from ckptread.errors import CheckpointError
from ckptread.storage.remote.web import WebFolder, ask

ENDPOINT = "https://huggingface.co"
PAGE_BYTES_OF_LIST = 8 << 20
"""A page of a listing: a thousand files take some 300 KB."""
MOST_PAGES = 200
"""A folder of 200,000 files."""
_REPOSITORY = re.compile(r"(?:(datasets|spaces)/)?([^/@]+/[^/@]+)(?:@([^/]+))?$")
_NEXT = re.compile(r'<([^>]+)>; *rel="next"')


class Repository(NamedTuple):
    """A repository at one revision."""

    kind: str
    """'models', 'datasets' or 'spaces'."""
    name: str
    revision: str

    def files_url(self, endpoint: str) -> str:
        """Return the address that its files' addresses begin with."""
        kind = "" if self.kind == "models" else f"{self.kind}/"
        return f"{endpoint}/{kind}{self.name}/resolve/{_quoted(self.revision)}"

    def tree_url(self, endpoint: str, folder: str) -> str:
        """Return the address that lists a folder."""
        tree = f"{endpoint}/api/{self.kind}/{self.name}/tree/{_quoted(self.revision)}"
        return f"{tree}/{_quoted(folder, '/')}" if folder else tree


class HubFile(msgspec.Struct):
    """What the hub says of one file or folder."""

    path: str


class HubFolder(WebFolder):
    """A folder of a repository."""

    def __init__(self, address: str, repository: Repository, folder: str) -> None:
        endpoint = os.environ.get("HF_ENDPOINT", ENDPOINT).rstrip("/")
        token = os.environ.get("HF_TOKEN")
        self._login = {"Authorization": f"Bearer {token}"} if token else {}
        self._address = address
        self._endpoint = endpoint
        self._repository = repository
        self._folder = folder
        url = "/".join(filter(None, (repository.files_url(endpoint), _quoted(folder, "/"))))
        super().__init__(url, headers=self._login)

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder of the repository."""
        names = []
        following = self._repository.tree_url(self._endpoint, "/".join(filter(None, (self._folder, folder))))
        for _ in range(MOST_PAGES):
            answer = ask(following, self._address, self._login, PAGE_BYTES_OF_LIST)
            names += [file.path.rpartition("/")[2] for file in _parse_files(answer.body, self._address)]
            link = _NEXT.search(answer.headers.get("Link", ""))
            if link is None:
                break
            following = link[1]
        return names


def _parse_files(body: bytes, address: str) -> list[HubFile]:
    try:
        return msgspec.json.decode(body, type=list[HubFile]) if body else []
    except (msgspec.DecodeError, RecursionError) as error:
        raise CheckpointError(address, f"the hub's list of files cannot be read: {error}") from error


def parse_repository(address: str, path: str) -> tuple[Repository, str]:
    """Return the repository of what stands behind ``hf://``, and the path of a file in it.

    >>> parse_repository("hf://o/r@v2/a/m.h5", "o/r@v2/a/m.h5")
    (Repository(kind='models', name='o/r', revision='v2'), 'a/m.h5')

    Raises CheckpointError for any other address.
    """
    parts = path.split("/")
    count = 3 if parts[0] in ("datasets", "spaces") else 2
    found = _REPOSITORY.match("/".join(parts[:count]))
    if found is None or len(parts) < count:
        raise CheckpointError(address, "it names no repository", advice="give hf://OWNER/REPO/FILE")
    kind, name, revision = found.groups()
    return Repository(kind or "models", name, revision or "main"), "/".join(parts[count:])


def _quoted(text: str, safe: str = "") -> str:
    """Return a text as part of an address; what is quoted already stays as it is."""
    from urllib.parse import quote

    return quote(text, safe=f"{safe}%")
