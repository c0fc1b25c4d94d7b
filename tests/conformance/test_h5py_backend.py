"""Our own code and h5py list the same and read the same, of every HDF5 file; but where h5py is wrong."""

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES

FILES = [path for path in sorted(FIXTURES.rglob("*")) if path.name.endswith((".h5", ".keras", ".weights.json"))
         and "hostile" not in path.parts]  # fmt: skip


def differences(path):
    """Return where the two differ."""
    with ckptread.open(path) as ours, ckptread.open(path, backend="h5py") as theirs:
        assert theirs.backend == "h5py"
        found = [] if list(ours.tensors) == list(theirs.tensors) else [(list(ours.tensors), list(theirs.tensors))]
        if attributes(ours) != attributes(theirs):
            found.append((attributes(ours), attributes(theirs)))
        for key, info in ours.tensors.items():
            other = theirs.tensors[key]
            if described(info) != described(other):
                found.append((info, other))
            elif info.problem is None and not same(ours.read(key), theirs.read(key)):
                found.append((key, ours.read(key), theirs.read(key)))
    return found


def attributes(reader):
    """Return the attributes of the groups that have some."""
    evidence = getattr(reader, "evidence", None) or reader.weights.evidence
    found = evidence.attributes
    return {group: {name: repr(value) for name, value in values.items()} for group, values in found.items() if values}


def described(info):
    return (info.shape, info.dtype, info.nbytes, info.alias_of, info.unsupported, info.problem is None, info.variable,
            info.role)  # fmt: skip


def same(one, other):
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return repr(one.tolist()) == repr(other.tolist()) if one.dtype.hasobject else one.tobytes() == other.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: "-".join(path.parts[-2:]))
def test_both_backends_agree_on_a_fixture(path):
    assert differences(path) == []


VALUES = {
    "bool": np.array([True, False, True, True]),
    "i1": np.arange(-2, 2, dtype="i1"),
    ">i4": np.arange(4, dtype=">i4"),
    "u8": np.array([0, 1, 2**63, 2**64 - 1], "u8"),
    "f2": np.array([0, 1, np.nan, np.inf], "f2"),
    ">f8": np.array([0.5, -1, 2, 3], ">f8"),
    "c8": np.array([1j, 2, 3, 4], "c8"),
    "S5": np.array([b"ab", b"", b"abcde", b"x"]),
    "record": np.array([(1, 2.5)] * 4, [("a", "<i4"), ("b", ">f8")]),
    "array": np.arange(24, dtype="f4").reshape(4, 2, 3),
}
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (3,)},
    "deflated": {"chunks": (3,), "compression": "gzip", "shuffle": True},
    "checked": {"chunks": (3,), "fletcher32": True},
    "lzf": {"chunks": (3,), "compression": "lzf"},
    "grows": {"chunks": (3,), "maxshape": (None,)},
    "single": {"chunks": (4,)},
    "fixed": {"chunks": (1,), "maxshape": (9,)},
}
LISTS = h5py.vlen_dtype("<i4")


def write_all(file):
    """Write each type in each layout, compact and scalar ones, and what needs a heap."""
    for kind, values in VALUES.items():
        dtype = np.dtype(("f4", (2, 3))) if kind == "array" else values.dtype
        for layout, options in LAYOUTS.items():
            file.create_dataset(f"{layout}/{kind}", (4,), dtype, **options)[...] = values
            file.create_dataset(f"{layout}/{kind}-unwritten", (4,), dtype, **options)
        scalar(file, f"compact/{kind}", values[0], dtype)
    texts = ["a", "", "\u00e4\u00f6", "b" * 99]
    for layout in LAYOUTS.keys() - {"checked"}:  # the library writes no checksums of what is on a heap
        options = LAYOUTS[layout]
        file.create_dataset(f"{layout}/text", data=texts, dtype=h5py.string_dtype(), **options)
        lists = file.create_dataset(f"{layout}/lists", (4,), LISTS, **options)
        for at in range(4):
            lists[at] = np.arange(at)
    scalar(file, "compact/one", np.array([7], "i4"), LISTS)
    scalar(file, "compact/two", np.array([7, 8], "i4"), LISTS)
    file.create_dataset("library/scaled", data=np.arange(40), chunks=(7,), scaleoffset=0)
    file.create_dataset("library/rounded", data=np.linspace(0, 1, 40), chunks=(7,), scaleoffset=3)
    file["empty"], file["none"] = np.zeros((0, 3)), h5py.Empty("f4")
    file["link"], file["alias"] = h5py.SoftLink("/chunked/f2"), file["chunked/f2"]
    file.attrs.update({"text": "t", "list": ["a", "b"], "number": 5, "real": 0.5, "numbers": np.arange(3)})


def scalar(file, name, value, dtype):
    """Write a scalar within its own description."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    kind, space = h5py.h5t.py_create(np.dtype(dtype), logical=True), h5py.h5s.create(h5py.h5s.SCALAR)
    lists = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    lists.set_create_intermediate_group(True)
    found = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, plist, lists))
    found[()] = value


@pytest.mark.slow
@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.slow
def test_both_backends_agree_on_every_layout_type_and_filter(tmp_path, libver, tracked):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver, track_order=tracked, userblock_size=512) as file:
        write_all(file)
    assert differences(tmp_path / "a.h5") == []


def test_lists_of_big_endian_numbers_are_as_they_were_written_where_h5py_swaps_them(tmp_path):
    """h5py calls the elements of lists native numbers, whatever the file's byte order."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        lists = file.create_dataset("w", (1,), h5py.vlen_dtype(">i4"))
        lists[0] = np.array([1, 2], ">i4")
    with ckptread.open(tmp_path / "a.h5") as ours:
        assert ours.read("w")[0].tolist() == [1, 2]
