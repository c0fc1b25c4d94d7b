"""safetensors: the reference package writes them and is the truth; one literal file per broken rule."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
from safetensors.numpy import save, save_file

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError, UnsupportedError
from ckptread.formats.safetensors.reader import DTYPES, open_safetensors, open_safetensors_shards
from ckptread.storage.addresses import find_storage
from tests.conformance.cases import HOSTILE, needs_hostile


def whole(header: str | bytes | dict, data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header) if isinstance(header, dict) else header
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def opened(tmp_path: Path, data: bytes):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    return open_safetensors(*find_storage(str(path)))


def tensor(dtype: object = "F32", shape: object = (1,), begin: int = 0, end: int = 4, **more: object) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


@pytest.mark.parametrize("seed", range(20))
def test_everything_reads_as_the_reference_wrote_it(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dtypes = ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?", "c8", ml_dtypes.bfloat16]
    arrays = {}
    for number in range(8):
        dtype = np.dtype(dtypes[rng.integers(len(dtypes))])
        shape = tuple(rng.integers(0, 6, rng.integers(0, 5)).tolist())
        data = rng.bytes(int(np.prod(shape)) * dtype.itemsize)
        if dtype.kind == "b":
            data = bytes(byte & 1 for byte in data)
        arrays[f"ü{number}"] = np.frombuffer(data, dtype).reshape(shape)
    path = str(tmp_path / "x.safetensors")
    save_file(arrays, path, metadata={"format": "np"})
    with open_safetensors(*find_storage(path)) as reader:
        assert (set(reader.tensors), reader.problems, reader.metadata) == (set(arrays), [], {"format": "np"})
        for key, expected in arrays.items():
            read = np.asarray(reader[key])
            assert (read.dtype, read.shape, read.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
            assert b"".join(block.tobytes() for block in reader[key].blocks(16)) == expected.tobytes()
            assert reader[key][..., ::-2].tobytes() == expected[..., ::-2].tobytes() if expected.ndim else True
            extent = reader.tensors[key].extent
            assert Path(path).read_bytes()[extent.offset : extent.offset + extent.nbytes] == expected.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_of_the_format_is_known_to_the_reference_too(tmp_path: Path, dtype: str) -> None:
    bits = DTYPES[dtype][1]
    data = whole({"a": tensor(dtype, [8], 0, bits)}, bytes(bits))
    assert safetensors.deserialize(data)[0][1]["dtype"] == dtype
    with opened(tmp_path, data) as reader:
        if bits % 8:
            with pytest.raises(UnsupportedError, match="share bytes"):
                reader.read("a")
        else:
            assert reader.read("a").nbytes == bits


BROKEN = {
    "no length": (b"\1\0\0", "3 bytes"),
    "header beyond the limit": (whole("{}", length=100_000_001), "claims 100,000,001"),
    "header beyond the end": (whole("{}", length=10), "8 bytes more"),
    "no header": (whole(""), "does not begin with"),
    "begins with a space": (whole(" {}"), "does not begin with"),
    "an array": (whole("[]"), "does not begin with"),
    "padded by a line": (whole("{}\n"), "does not end with"),
    "not UTF-8": (whole(b'{"\xff": 1}'), "not UTF-8"),
    "no JSON": (whole("{a}"), "not JSON"),
    "two values": (whole("{} {}"), "not JSON"),
    "NaN": (whole('{"__metadata__": NaN}'), "NaN"),
    "duplicate name": (whole('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
                             '"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "'a' occurs twice"),
    "duplicate field": (whole('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'), "occurs twice"),
    "too deep": (whole('{"a":' * 300 + "0" + "}" * 300), "nested more than 200"),
    "long number": (whole('{"a":' + "9" * 5000 + "}"), "too long"),
    "half a character": (whole('{"\\ud800": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "no text"),
    "entry is a list": (whole({"a": []}), "gives no dtype"),
    "no dtype": (whole({"a": {"shape": [], "data_offsets": [0, 0]}}), "gives no dtype"),
    "dtype is a number": (whole({"a": tensor(3)}, bytes(4)), "gives no dtype"),
    "no shape": (whole({"a": {"dtype": "U8", "data_offsets": [0, 0]}}), "shape of 'a'"),
    "shape of text": (whole({"a": tensor(shape=["1"])}, bytes(4)), "shape of 'a'"),
    "shape of booleans": (whole({"a": tensor(shape=[True])}, bytes(4)), "shape of 'a'"),
    "shape of fractions": (whole({"a": tensor(shape=[1.0])}, bytes(4)), "shape of 'a'"),
    "negative shape": (whole({"a": tensor(shape=[-1, -1])}, bytes(4)), "shape of 'a'"),
    "shape beyond 64 bits": (whole({"a": tensor(shape=[1 << 64, 0], end=0)}), "shape of 'a'"),
    "no offsets": (whole({"a": {"dtype": "U8", "shape": [0]}}), "offsets of 'a'"),
    "three offsets": (whole({"a": tensor() | {"data_offsets": [0, 4, 4]}}, bytes(4)), "offsets of 'a'"),
    "negative offset": (whole({"a": tensor(begin=-4, end=0)}, bytes(4)), "offsets of 'a'"),
    "end before begin": (whole({"a": tensor(begin=4, end=0)}, bytes(4)), "offsets of 'a'"),
    "shape mismatch": (whole({"a": tensor(shape=[2])}, bytes(4)), "F32 of shape [2]"),
    "product that overflows": (whole({"a": tensor(shape=[1 << 32, 1 << 32])}, bytes(4)), "F32 of shape"),
    "half a byte": (whole({"a": tensor("F4", [3], 0, 1)}, bytes(1)), "F4 of shape [3]"),
    "overlap": (whole({"a": tensor(), "b": tensor(begin=2, end=6)}, bytes(6)), "overlap"),
    "same bytes": (whole({"a": tensor(), "b": tensor()}, bytes(4)), "overlap"),
    "hole at the beginning": (whole({"a": tensor(begin=4, end=8)}, bytes(8)), "hole of 4"),
    "hole": (whole({"a": tensor(), "b": tensor(begin=8, end=12)}, bytes(12)), "hole of 4"),
    "bytes behind": (whole({"a": tensor()}, bytes(5)), "1 byte follows"),
    "metadata is a list": (whole({"__metadata__": []}), "__metadata__"),
    "metadata holds numbers": (whole({"__metadata__": {"a": 1}}), "__metadata__"),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named(tmp_path: Path, rule: str) -> None:
    data, words = BROKEN[rule]
    with pytest.raises(DamagedFileError) as caught:
        opened(tmp_path, data)
    assert words in str(caught.value)


LEGAL = {
    "nothing": whole("{}"),
    "nothing, padded": whole("{}      "),
    "no metadata": whole({"__metadata__": None}),
    "a scalar": whole({"a": tensor(shape=[])}, bytes(4)),
    "empty tensors": whole(
        {"a": tensor(shape=[0, 7], end=0), "b": tensor(), "c": tensor(shape=[0], begin=4)}, bytes(4)
    ),
    "in any order": whole({"b": tensor(begin=4, end=8), "a": tensor()}, bytes(8)),
    "more fields": whole({"a": tensor(more=[1, {}])}, bytes(4)),
    "an empty name": whole({"": tensor()}, bytes(4)),
}


@pytest.mark.parametrize("case", LEGAL)
def test_what_the_format_allows_is_read(tmp_path: Path, case: str) -> None:
    expected = dict(safetensors.deserialize(LEGAL[case]))
    with opened(tmp_path, LEGAL[case]) as reader:
        assert reader.problems == []
        assert {k: list(t.shape) for k, t in reader.tensors.items()} == {k: t["shape"] for k, t in expected.items()}
        for key in reader:
            assert reader.read(key).tobytes() == expected[key]["data"]


def test_a_dtype_that_is_not_known_hides_no_other_tensor(tmp_path: Path) -> None:
    with opened(tmp_path, whole({"a": tensor("F5"), "b": tensor(begin=4, end=8)}, bytes(8))) as reader:
        with pytest.raises(UnsupportedError, match="'F5' is not one that the format names"):
            reader.read("a")
        assert reader.read("b").tolist() == [0]


@pytest.mark.parametrize("shape", [[1] * 65 + [1], [0, 1 << 63]])
def test_a_shape_that_no_array_has_is_refused_alone(tmp_path: Path, shape: list[int]) -> None:
    entry = tensor(shape=shape, end=0 if 0 in shape else 4)
    data = whole({"a": entry}, bytes(entry["data_offsets"][1]))
    with opened(tmp_path, data) as reader, pytest.raises(UnsupportedError):
        reader.read("a")


def test_a_file_that_is_cut_short_keeps_what_is_whole_and_says_how_much_is_missing(tmp_path: Path) -> None:
    data = save({"a": np.arange(4, dtype="f4"), "b": np.arange(4, dtype="f4")})
    with opened(tmp_path, data[:-5]) as reader:
        assert "5 bytes are missing" in reader.problems[0].message
        assert reader.read("a").tolist() == [0, 1, 2, 3]
        with pytest.raises(UnsupportedError, match="5 of its 16 bytes are missing"):
            reader.read("b")


@pytest.mark.slow
def test_random_damage_gives_an_error_or_the_same_bytes(tmp_path: Path) -> None:
    rng = random.Random(5)
    data = save({"a": np.arange(4, dtype="f4"), "b": np.eye(3, dtype="i2")}, {"k": "v"})
    end = 8 + int.from_bytes(data[:8], "little")
    for _ in range(2000):
        broken = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            broken[rng.randrange(end)] = rng.choice([rng.randrange(256), *b'0123456789[]{},:"'])
        try:
            with opened(tmp_path, bytes(broken)) as reader:
                for key in reader:
                    reader.read(key)
        except CheckpointError:
            continue


# Sharded.


def sharded(folder: Path, weight_map: object | None = None, **more: object) -> str:
    save_file({"a": np.arange(3, dtype="f4")}, folder / "m-1.safetensors", {"format": "pt", "only": "here"})
    save_file({"b": np.arange(4, dtype="i2"), "c": np.array(7.0)}, folder / "m-2.safetensors", {"format": "pt"})
    weight_map = {"c": "m-2.safetensors", "a": "m-1.safetensors", "b": "m-2.safetensors"} | (weight_map or {})
    index = folder / "m.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 28}, "weight_map": weight_map, **more}))
    return str(index)


def test_a_sharded_checkpoint_is_one(tmp_path: Path) -> None:
    with open_safetensors_shards(*find_storage(sharded(tmp_path))) as reader:
        assert (list(reader.tensors), reader.problems) == (["c", "a", "b"], [])
        assert reader.metadata == {"format": "pt", "total_size": "28"}
        assert (reader.read("a").tolist(), reader.read("b", slice(1, 3)).tolist()) == ([0, 1, 2], [1, 2])
        assert reader.tensors["b"].extent.file == str(tmp_path / "m-2.safetensors")
        assert {region.key for region in reader.regions()} == {None, "a", "b", "c"}


def test_a_total_that_the_tensors_do_not_come_to_is_a_warning(tmp_path: Path) -> None:
    index = sharded(tmp_path, metadata={"total_size": 27})
    with open_safetensors_shards(*find_storage(index)) as reader:
        (found,) = reader.problems
    assert (found.severity, found.file) == ("warning", index)
    assert found.message == "the index records a total_size of 27, its tensors take 28 bytes"


def test_a_missing_shard_is_named_and_takes_only_its_own_tensors(tmp_path: Path) -> None:
    index = sharded(tmp_path)
    (tmp_path / "m-2.safetensors").unlink()
    with open_safetensors_shards(*find_storage(index)) as reader:
        assert list(reader.tensors) == ["c", "a", "b"]
        assert reader.read("a").tolist() == [0, 1, 2]
        with pytest.raises(UnsupportedError, match=r"its file 'm-2.safetensors': it is missing"):
            reader.read("b")
        assert "'m-2.safetensors', with 2 of the tensors: it is missing" in reader.problems[0].message


def test_a_damaged_shard_takes_only_its_own_tensors(tmp_path: Path) -> None:
    index = sharded(tmp_path)
    (tmp_path / "m-1.safetensors").write_bytes(b"\1")
    with open_safetensors_shards(*find_storage(index)) as reader:
        with pytest.raises(UnsupportedError, match="it has 1 bytes"):
            reader.read("a")
        assert reader.read("c") == 7


def test_an_index_of_another_checkpoint_is_noticed(tmp_path: Path) -> None:
    index = sharded(tmp_path, {"b": "m-1.safetensors", "d": "m-1.safetensors"})
    with open_safetensors_shards(*find_storage(index)) as reader:
        text = "\n".join(p.message for p in reader.problems)
        assert "'b': its file 'm-1.safetensors' does not hold it" in text
        assert "1 tensor of 'm-2.safetensors' is not in the index: 'b'" in text
        with pytest.raises(UnsupportedError, match="does not hold it"):
            reader.read("d")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "C:x", "a\0b"])
def test_an_index_that_points_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeFileError, match="not a file next to it"):
        open_safetensors_shards(*find_storage(sharded(tmp_path, {"d": name})))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', '{"weight_map": {"a": "x", "a": "y"}}',
     '{"weight_map": ' + "[" * 1000],
)  # fmt: skip
def test_an_index_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(DamagedFileError):
        open_safetensors_shards(*find_storage(str(path)))


def test_too_many_shards_are_refused_unopened(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match="in 604 files"):
        open_safetensors_shards(
            *find_storage(sharded(tmp_path, {f"t{i}": f"m-{i}.safetensors" for i in range(3, 605)}))
        )


def _samples() -> list[dict]:
    manifest = HOSTILE / "manifest.json"
    found = json.loads(manifest.read_text())["samples"] if manifest.exists() else []
    return [sample for sample in found if sample["id"].startswith("st/")]


@needs_hostile
@pytest.mark.parametrize("sample", _samples(), ids=lambda sample: sample["id"])
def test_hostile_samples_give_what_they_must(sample: dict) -> None:
    path = str(HOSTILE / sample["file"])
    if sample["must"] == "error":
        with pytest.raises(CheckpointError):
            open_safetensors(*find_storage(path))
        return
    with open_safetensors(*find_storage(path)) as reader:
        assert reader.problems == []
        for key in reader:
            reader.read(key)
