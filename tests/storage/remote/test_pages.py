"""Which bytes are fetched for the ranges that somebody asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptread.errors import CheckpointError, DamagedFileError
from ckptread.storage.remote.folder import RemoteStorage
from ckptread.storage.remote.pages import GAP_PAGES, LARGE_BYTES, PAGE_BYTES, REQUEST_BYTES, pieces_of, runs_of
from ckptread.storage.remote.place import Place, Probe, RemoteObject
from ckptread.storage.source import Stamp


class Remembered(RemoteObject):
    """An object in memory that counts what is asked for."""

    def __init__(self, data, address):
        super().__init__(address)
        self.data = data
        self.asked = []

    def probe(self, nbytes):
        if self.data is None:
            return None
        return Probe(Stamp(len(self.data), '"1"'), self.data[max(0, len(self.data) - nbytes) :])

    def fetch(self, start, stop, stamp):
        self.asked.append((start, stop))
        return self.data[start:stop]


class Memory(Place):
    """Objects in memory."""

    def __init__(self, **objects):
        self.objects = {name: Remembered(data, name) for name, data in objects.items()}

    def object(self, name, address):
        return self.objects.get(name) or Remembered(None, address)

    def list(self, folder):
        start = f"{folder}/" if folder else ""
        return sorted({name[len(start) :].split("/")[0] for name in self.objects if name.startswith(start)})


DATA = bytes(range(256)) * (4 * PAGE_BYTES)

ranges = st.lists(
    st.tuples(st.integers(0, len(DATA)), st.integers(0, 2 * LARGE_BYTES)).map(
        lambda wanted: (wanted[0], min(wanted[1], len(DATA) - wanted[0]))
    ),
    max_size=6,
)  # fmt: skip


@given(rounds=st.lists(ranges, max_size=4))
def test_every_range_is_what_the_object_has(rounds):
    source = RemoteStorage("x://y", Memory(data=DATA)).open("data")
    for wanted in rounds:
        assert source.read_many(wanted) == [DATA[at : at + nbytes] for at, nbytes in wanted]


@given(wanted=ranges)
def test_nothing_is_fetched_twice(wanted):
    place = Memory(data=DATA)
    source = RemoteStorage("x://y", place).open("data")
    small = [each for each in wanted if each[1] < LARGE_BYTES]
    source.read_many(small)
    asked = len(place.objects["data"].asked)
    source.read_many(small)
    assert len(place.objects["data"].asked) == asked


@given(pages=st.sets(st.integers(0, 5000)))
def test_runs_cover_the_pages_and_little_more(pages):
    size = 4990 * PAGE_BYTES + 7
    pages = sorted(page for page in pages if page * PAGE_BYTES < size)
    runs = list(runs_of(pages, size))
    covered = {
        page for start, nbytes in runs for page in range(start // PAGE_BYTES, -(-(start + nbytes) // PAGE_BYTES))
    }
    assert set(pages) <= covered
    assert all(0 < nbytes <= REQUEST_BYTES and start + nbytes <= size for start, nbytes in runs)
    assert all(any(page + step in pages for step in range(1, GAP_PAGES + 1)) for page in covered - set(pages))


def test_large_ranges_are_fetched_in_pieces():
    pieces = list(pieces_of(5, 2 * REQUEST_BYTES + 1))
    assert pieces == [(5, REQUEST_BYTES), (5 + REQUEST_BYTES, REQUEST_BYTES), (5 + 2 * REQUEST_BYTES, 1)]


def test_names_are_objects_folders_or_nothing():
    storage = RemoteStorage("x://y", Memory(**{"run/a": b"1", "b": b"2"}))
    assert [storage.kind(name) for name in ("b", "run", "run/a", "none", "")] == [
        "file",
        "folder",
        "file",
        None,
        "folder",
    ]
    assert storage.list("") == ["b", "run"]
    assert storage.address("run/a") == "x://y/run/a"
    with pytest.raises(CheckpointError, match="there is no such object"):
        storage.open("none")


@pytest.mark.parametrize(
    ("folder", "name", "inside"),
    [
        ("", "a", True), ("", "a/b", True), ("run", "run/a", True), ("run", "other/a", False),
        ("run", "run", False),
        ("run", "run/../a", False), ("", "../a", False), ("", "a/../../b", False),
        ("run", "runs/a", False), ("run", "/a", False),
    ],
)  # fmt: skip
def test_a_name_never_leads_out_of_its_folder(folder, name, inside):
    assert RemoteStorage("x://y", Memory()).within(folder, name) is inside


def test_ranges_outside_the_object_are_refused_before_they_are_asked_for():
    place = Memory(data=b"1234")
    source = RemoteStorage("x://y", place).open("data")
    for wanted in ((0, 5), (-1, 2), (4, 1)):
        with pytest.raises(DamagedFileError, match="outside its 4 bytes"):
            source.read(*wanted)
    assert place.objects["data"].asked == []


def test_a_closed_object_is_not_asked():
    source = RemoteStorage("x://y", Memory(data=DATA)).open("data")
    source.close()
    with pytest.raises(CheckpointError, match="is closed"):
        source.read(0, 4)
