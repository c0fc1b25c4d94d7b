"""Checkpoints of a model hub: a server that answers as it does, with redirects, tokens and lists."""

import json

import pytest

import ckptread
from ckptread.storage.remote.hub import parse_repository
from tests.conformance.cases import FIXTURES
from tests.storage.remote.server import serving

pytest.importorskip("obstore")

FOLDER = FIXTURES / "safetensors"


@pytest.fixture
def hub(monkeypatch):
    """A hub with the repository owner/model, which only a token opens, and the server that has its large files."""
    with serving(FOLDER) as files, serving(FOLDER) as server:

        def resolve(handler):
            if handler.headers.get("Authorization") != "Bearer secret":
                return handler.answer(401)
            name = handler.path.rpartition("/")[2]
            return handler.answer(302, {"Location": f"{files.url}/{name}?signature=1"})

        def tree(handler):
            if handler.headers.get("Authorization") != "Bearer secret":
                return handler.answer(401)
            listed = [{"type": "file", "path": path.name, "size": path.stat().st_size} for path in FOLDER.iterdir()]
            return handler.answer(200, {"Content-Type": "application/json"}, json.dumps(listed).encode())

        server.faults["/api/models/owner/model/tree/v1"] = tree
        for path in FOLDER.iterdir():
            server.faults[f"/owner/model/resolve/v1/{path.name}"] = resolve
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server, files


def test_a_file_of_a_repository_is_read_where_the_hub_sends_it(hub, monkeypatch):
    server, files = hub
    monkeypatch.setenv("HF_TOKEN", "secret")
    with ckptread.open("hf://owner/model@v1/model.safetensors.index.json") as remote:
        assert ckptread.diff(remote, FOLDER / "model.safetensors.index.json").same
    assert len(server.asked) == len({path for path, _, _ in server.asked}), "a redirect is followed once"
    assert {login for _, _, login in files.asked} == {""}, "the token stays with the hub"


def test_a_repository_that_needs_a_token_says_so(hub, run, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    ran = run("inspect", "hf://owner/model@v1/model.safetensors")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "HF_TOKEN" in ran.err


def test_a_folder_of_a_repository_is_listed(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    ran = run("inspect", "hf://owner/model@v1/modle.safetensors")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "hf://owner/model@v1/model.safetensors" in ran.err


@pytest.mark.parametrize(
    ("path", "kind", "name", "revision", "inner"),
    [
        ("o/r/a.h5", "models", "o/r", "main", "a.h5"),
        ("o/r@v1/a/b.h5", "models", "o/r", "v1", "a/b.h5"),
        ("datasets/o/r@refs%2Fpr%2F1/x", "datasets", "o/r", "refs%2Fpr%2F1", "x"),
        ("o/r", "models", "o/r", "main", ""),
    ],
)
def test_addresses_of_repositories(path, kind, name, revision, inner):
    repository, found = parse_repository(f"hf://{path}", path)
    assert (repository.kind, repository.name, repository.revision, found) == (kind, name, revision, inner)


@pytest.mark.parametrize("path", ["", "o", "datasets/o", "@v/x"])
def test_what_names_no_repository_is_refused(path):
    with pytest.raises(ckptread.CheckpointError, match="it names no repository"):
        parse_repository(f"hf://{path}", path)
