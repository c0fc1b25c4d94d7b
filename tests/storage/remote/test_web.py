"""Checkpoints behind web addresses: the same as on the disk, in few requests; and what goes wrong, in a sentence."""

import json
import struct
import time

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES
from tests.storage.remote.server import RangeServer, etag_of, serving
from tests.table_writer import entry, header, table

pytest.importorskip("obstore")

FILES = (
    "keras3/model.keras", "keras3/model.weights.h5", "keras3/legacy.h5", "tf-object/ckpt-2", "tf-shards/model.index",
    "tf-v1/model.ckpt", "numpy/deflated.npz", "numpy/fortran.npy", "safetensors/part-1-of-2.safetensors",
    "safetensors/model.safetensors.index.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def fixtures():
    with serving(FIXTURES) as server:
        yield server


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def one(server):
    """The address of a file with an array of 300,000 bytes."""
    np.save(server.root / "w.npy", np.arange(75_000, dtype="f4"))
    return f"{server.url}/w.npy"


@pytest.mark.parametrize("name", FILES)
def test_a_file_behind_an_address_is_the_file_on_the_disk(fixtures: RangeServer, name):
    difference = ckptread.diff(f"{fixtures.url}/{name}", FIXTURES / name)
    assert difference.same, difference
    assert ckptread.digest(f"{fixtures.url}/{name}").whole == ckptread.digest(FIXTURES / name).whole


def test_every_command_that_reads_takes_an_address(fixtures: RangeServer, run, tmp_path):
    address = f"{fixtures.url}/keras3/model.keras"
    for command in (
        ["inspect", address], ["show", address, "adam/iteration"], ["verify", address], ["check", address, "--no-nan"],
        ["digest", address], ["textconv", address], ["diff", address, address],
        ["extract", address, "adam/iteration", "-o", tmp_path / "iteration.npy"],
    ):  # fmt: skip
        ran = run(*command)
        assert ran.code == 0, (command, ran)
    with ckptread.open(FIXTURES / "keras3" / "model.keras") as reader:
        assert np.load(tmp_path / "iteration.npy") == reader["adam/iteration"][...]


# How many requests. Real files of these shapes, without their values: the files have holes.


def test_a_bundle_of_a_gigabyte_is_listed_in_four_requests(server: RangeServer):
    nbytes = 4 << 20
    entries = [(f"layer_{i:03}/kernel".encode(), entry(1, (1024, 1024), i * nbytes, nbytes, 0)) for i in range(256)]
    (server.root / "model.index").write_bytes(table([(b"", header()), *entries]))
    with (server.root / "model.data-00000-of-00001").open("wb") as file:
        file.truncate(256 * nbytes)
    with ckptread.open(f"{server.url}/model") as reader:
        assert len(reader) == 256
        assert len(server.asked) <= 4
        assert server.nbytes <= 128 << 10


def test_safetensors_of_a_gigabyte_are_listed_in_two_requests(server: RangeServer):
    nbytes = 4 << 20
    header = {
        f"layer_{i}.weight": {"dtype": "F32", "shape": [1024, 1024], "data_offsets": [i * nbytes, (i + 1) * nbytes]}
        for i in range(256)
    }
    text = json.dumps(header).encode()
    with (server.root / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + 256 * nbytes)
    with ckptread.open(f"{server.url}/model.safetensors") as reader:
        assert len(reader) == 256
        assert len(server.asked) == 2
        server.forget()
        assert not reader["layer_7.weight"][...].any()
    assert len(server.asked) == 1
    assert server.nbytes == nbytes


def test_an_hdf5_file_of_512_groups_is_listed_in_few_rounds(server: RangeServer, monkeypatch):
    from ckptread.storage.remote.opened import RemoteSource

    with h5py.File(server.root / "sparse.h5", "w") as file:
        for i in range(512):
            file.create_group(f"g{i}").create_dataset("d", shape=(5 << 20,), dtype="f4")[-1:] = 1
    rounds = []
    fetch = RemoteSource._fetch
    monkeypatch.setattr(
        RemoteSource, "_fetch", lambda self, ranges: [rounds.append(1) if ranges else 0, fetch(self, ranges)][1]
    )
    with ckptread.open(f"{server.url}/sparse.h5") as reader:
        assert len(reader) == 512
    assert len(rounds) + 1 <= 12
    assert server.nbytes <= 10 << 20


def test_many_tensors_fetch_little_more_than_their_bytes(server: RangeServer, tmp_path):
    arrays = {f"w{i}": np.full((512, 512), i, "f4") for i in range(64)}
    np.savez(server.root / "m.npz", **arrays)
    with ckptread.open(f"{server.url}/m.npz") as reader:
        server.forget()
        ckptread.extract(reader, "**", output=tmp_path / "out.npz")
    assert server.nbytes <= 1.2 * 64 * (1 << 20)
    with np.load(tmp_path / "out.npz") as found:
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


# What goes wrong. The first request is made by one client, the others by another: both fail alike.


def whole(handler):
    return handler.answer(200, {"ETag": '"a"'}, b"x" * 1000)


def status(code, **headers):
    return lambda handler: handler.answer(code, {name.replace("_", "-"): value for name, value in headers.items()})


def partly(handler, shift, body, claimed=-1):
    """Answer a request for a range of w.npy with other bytes than those."""
    path = handler.server.root / "w.npy"
    start, stop = handler.wanted(path.stat().st_size)
    stated = f"bytes {start + shift}-{stop - 1 + shift}/{path.stat().st_size}"
    headers = {"Content-Range": stated, "ETag": etag_of(path)}
    return handler.answer(206, headers, body or b"x" * (stop - start), claimed=stop - start if claimed else -1)


def truncated(handler):
    """Send the first byte alone."""
    data = (handler.server.root / "w.npy").read_bytes()
    start, _ = handler.wanted(len(data))
    return partly(handler, 0, data[start : start + 1])


def shifted(handler):
    return partly(handler, -1, b"")


def short(handler):
    return partly(handler, 0, b"x", claimed=0)


def dropped(handler):
    handler.close_connection = True
    handler.wfile.close()
    return True


FAULTS = {
    "no ranges": (whole, "does not serve ranges of bytes"),
    "forbidden": (status(403), "access is denied: the server answers 403 Forbidden"),
    "login": (status(401), "access is denied: the server answers 401 Unauthorized"),
    "broken": (status(500), "the server answers 500 Internal Server Error"),
    "busy": (status(429), "the server answers 429 Too Many Requests"),
    "unavailable": (status(503), "the server answers 503 Service Unavailable"),
    "truncated": (truncated, "the connection ended before the answer did"),
    "wrong range": (shifted, "bytes"),
    "short": (short, "bytes"),
    "dropped": (dropped, "there is no connection to its host"),
    "circle": (status(302, Location="/w.npy"), "redirect"),
}


@pytest.fixture
def hasty(monkeypatch):
    """Wait for nothing between two tries."""
    monkeypatch.setattr("ckptread.storage.remote.web.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ckptread.storage.remote.bucket.FIRST_WAIT", 0.001)


@pytest.mark.parametrize("later", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_one_sentence(server: RangeServer, one, run, hasty, name, later):
    fault, sentence = FAULTS[name]
    if later:
        fault = after_the_first(fault)
    server.faults["/w.npy"] = fault
    ran = run("show", one, "w")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert sentence in ran.err, ran.err
    assert ran.out == ""


def after_the_first(fault):
    """Answer requests for the end of the file rightly, and all others by the fault."""
    return lambda handler: not handler.headers["Range"].startswith("bytes=-") and fault(handler)


@pytest.mark.parametrize("later", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("fault", [status(429), status(503, Retry_After="0"), dropped, truncated])
def test_what_passes_is_tried_again(server: RangeServer, one, hasty, fault, later):
    tries = []

    def twice(handler):
        if later and handler.headers["Range"].startswith("bytes=-"):
            return False
        tries.append(1)
        return len(tries) <= 2 and fault(handler)

    server.faults["/w.npy"] = twice
    with ckptread.open(one) as reader:
        assert np.array_equal(reader["w"][...], np.arange(75_000, dtype="f4"))
    assert len(tries) >= 3


def test_a_file_that_is_missing_is_said_to_be(server: RangeServer, run):
    ran = run("inspect", f"{server.url}/nothing.h5")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "there is no such file or checkpoint" in ran.err


def test_an_object_that_changes_is_never_a_mixture(server: RangeServer, one):
    with ckptread.open(one) as reader:
        np.save(server.root / "w.npy", -np.arange(75_000, dtype="f4"))
        with pytest.raises(ckptread.DamagedFileError, match="it changed while it was read"):
            reader["w"][...]


def test_an_object_without_an_entity_tag_that_changes_is_never_a_mixture(server: RangeServer, one):
    data = bytearray((server.root / "w.npy").read_bytes())
    date = ["Tue, 25 Nov 2025 13:00:00 GMT"]

    def dated(handler):
        start, stop = handler.wanted(len(data))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "Last-Modified": date[0]}
        return handler.answer(206, headers, bytes(data[start:stop]))

    server.faults["/w.npy"] = dated
    with ckptread.open(one) as reader:
        assert reader["w"][7] == 7
        date[0] = "Tue, 25 Nov 2025 13:00:01 GMT"
        with pytest.raises(ckptread.DamagedFileError, match="it changed while it was read"):
            reader["w"][...]


def test_a_redirect_is_followed_once_and_the_login_stays(server: RangeServer, one, tmp_path_factory, monkeypatch):
    with serving(server.root) as other:
        server.faults["/moved"] = status(302, Location=f"{other.url}/w.npy?signature=a%2Fb")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with ckptread.open(f"{server.url}/moved") as reader:
            assert reader["moved" if "moved" in reader else next(iter(reader))][7] == 7
        assert [path for path, _, _ in server.asked] == ["/moved"]
        assert len(other.asked) >= 2


def test_an_empty_file_is_no_checkpoint(server: RangeServer, run):
    (server.root / "empty.h5").write_bytes(b"")
    ran = run("inspect", f"{server.url}/empty.h5")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "empty" in ran.err


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3://", "the address has no host or bucket"),
        ("hf://owner", "it names no repository"),
        ("nothing://a/b", "there is no reader for nothing:// addresses"),
        ("https://127.0.0.1:1/a.h5", "there is no connection to its host"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_to(run, hasty, address, sentence):
    ran = run("inspect", address)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert sentence in ran.err


def test_requests_are_made_at_once(server: RangeServer, one):
    def slow(handler):
        time.sleep(0.05)
        return False

    server.faults["/w.npy"] = slow
    begun = time.monotonic()
    with ckptread.open(one) as reader:
        source = next(iter(reader.open_sources()))
        source.read_many([(at, 4) for at in range(0, 300_000, 100_000)])
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_list_of_addresses_is_verified_each_alone(fixtures: RangeServer, workers):
    names = ["keras3/model.keras", "nosuch.keras", "tf-object/ckpt-2"]
    addresses = [f"{fixtures.url}/{name}" for name in names]
    found = list(ckptread.for_each_checkpoint("digest", addresses, workers=workers))
    assert [result.exit_code for result in found] == [0, 2, 0]
    assert [found[at].document["digest"] for at in (0, 2)] == [
        ckptread.digest(FIXTURES / names[at]).whole for at in (0, 2)
    ]
    assert found[1].error.startswith(f"{addresses[1]}: ")
