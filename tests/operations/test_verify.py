"""What verify finds: nothing in what is whole, and every fault that is put into a copy, by tensor, file and byte."""

import json
import os
import re
import shutil
import zipfile

import google_crc32c
import numpy as np
import pytest

import ckptread
from ckptread.operations.verify.findings import without_repeated
from ckptread.operations.verify.verify import verify
from ckptread.tensors import Finding
from tests.conformance.cases import CASES, SHARED_CASES, each
from tests.conftest import ARRAYS, FLOAT32, write
from tests.table_writer import entry, header, table

NOT_READ = {"numpy/objects.npz": "pickle"}
"""Fixtures with a tensor that is legal and never read: a note, where its checksum agrees."""


def found(path, severity="error"):
    with ckptread.open(os.fspath(path)) as reader:
        return [finding for finding in verify(reader).findings if finding.severity == severity]


def places(findings):
    return {(f.key, os.path.basename(f.file or ""), f.offset) for f in findings}


def flip(path, at, bit=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


@each(CASES)
def test_what_the_libraries_wrote_is_whole(case):
    with ckptread.open(case.path) as reader:
        verification = verify(reader)
    faults = [finding for finding in verification.findings if finding.severity != "note"]
    assert (faults, verification.sound) == ([], True)
    if case.name in NOT_READ:
        [note] = [finding for finding in verification.findings if finding.code == "tensor-unsupported"]
        assert (note.severity, NOT_READ[case.name] in note.message) == ("note", True)


@each(SHARED_CASES, slow=lambda _: True)
def test_real_checkpoints_are_damaged_only_where_the_reference_cannot_read_them(case):
    with ckptread.open(case.path) as reader:
        damaged = {f.key for f in verify(reader).findings if f.severity == "error"}
        listed = {info.key for info in reader.tensors.values() if info.problem is not None}
    unread = {key for key, tensor in case.tensors.items() if tensor["sha256"] is None}
    assert damaged - {None} <= unread | listed


def test_every_checksum_of_a_tensorflow_checkpoint_is_compared(checkpoint):
    with ckptread.open(checkpoint) as reader:
        verification = verify(reader)
    blocks = 2  # one of entries, and the index of blocks
    assert verification.checksums == len(ARRAYS) + blocks
    assert (verification.tensors, verification.unchecked, verification.findings) == (len(ARRAYS), (), ())


def test_a_flipped_bit_is_told_by_tensor_file_and_byte(checkpoint, tmp_path):
    with ckptread.open(checkpoint) as reader:
        offset = reader.tensors["dense/kernel"].extent.offset
    flip(tmp_path / "ckpt-7.data-00000-of-00001", offset + 3)
    assert places(found(checkpoint)) == {("dense/kernel", "ckpt-7.data-00000-of-00001", offset)}


def test_one_bad_entry_never_hides_the_others(tmp_path):
    arrays = {f"t{n}": np.full(300_000, n, "float32") for n in range(4)}
    prefix = write(tmp_path / "ck", arrays)
    for at in (5, 1_200_000 + 7, 3_600_000 + 1_199_999):
        flip(tmp_path / "ck.data-00000-of-00001", at)
    bad = {f.key for f in found(prefix) if f.key is not None}
    assert bad == {"t0", "t1", "t3"}


def test_a_tensor_of_many_pieces_is_checked_as_one(tmp_path):
    values = np.random.default_rng(0).standard_normal(3_000_001)
    prefix = write(tmp_path / "ck", {"big": values.astype("float32"), "small": ARRAYS["dense/bias"]})
    assert found(prefix) == []
    flip(tmp_path / "ck.data-00000-of-00001", 11_999_999)
    assert {f.key for f in found(prefix)} == {"big"}


def test_two_steps_mixed_are_called_that(tmp_path):
    rng = np.random.default_rng(1)
    for step in ("ck-1", "ck-2"):
        weights = {f"w{n}": rng.standard_normal(50).astype("float32") for n in range(5)}
        write(tmp_path / step, weights | {"b": np.zeros(9, "f4")})
    shutil.copy(tmp_path / "ck-1.data-00000-of-00001", tmp_path / "ck-2.data-00000-of-00001")
    findings = found(tmp_path / "ck-2")
    whole = [f for f in findings if f.key is None]
    assert len(whole) == 1
    assert "index and data are from two different steps" in whole[0].message
    assert {f.key for f in findings} == {None, *(f"w{n}" for n in range(5))}


def test_bytes_that_were_never_written_are_told_from_changed_ones(tmp_path):
    prefix = write(tmp_path / "ck", {"a": np.ones(100, "f4"), "b": np.ones(500, "f4"), "c": np.ones(200, "f4")})
    data = tmp_path / "ck.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:2400] + bytes(800))
    (finding,) = found(prefix)
    assert finding.key == "c"
    assert "all zero" in finding.message


def test_a_shard_cut_short_says_how_many_bytes_are_missing(checkpoint, tmp_path):
    data = tmp_path / "ckpt-7.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:-21])
    summary = [f for f in found(checkpoint) if f.key is None]
    assert [("21 bytes are missing" in f.message, f.offset) for f in summary] == [(True, len(whole) - 21)]


def test_a_missing_shard_is_named(checkpoint, tmp_path):
    (tmp_path / "ckpt-7.data-00000-of-00001").unlink()
    (summary,) = [f for f in found(checkpoint) if f.key is None]
    assert "shard 1 of 1" in summary.message
    assert os.path.basename(summary.file) == "ckpt-7.data-00000-of-00001"
    (tmp_path / "ckpt-7.data-00001-of-00002").write_bytes(b"")
    (summary,) = [f for f in found(checkpoint) if f.key is None]
    assert "of another save" in summary.advice


def test_a_git_lfs_pointer_in_place_of_the_data_is_named(checkpoint, tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4\n"
    (tmp_path / "ckpt-7.data-00000-of-00001").write_bytes(pointer[:40])
    (summary,) = [f for f in found(checkpoint) if f.key is None]
    assert "Git LFS" in summary.message
    assert "git lfs pull" in summary.advice


def test_bytes_behind_the_last_tensor_are_a_warning_and_between_them_a_note(tmp_path):
    prefix = write(tmp_path / "ck", {"a": np.ones(4, "f4"), "b": np.ones(4, "f4")})
    data = tmp_path / "ck.data-00000-of-00001"
    data.write_bytes(data.read_bytes() + b"more")
    (warning,) = found(prefix, "warning")
    assert ("4 bytes follow" in warning.message, warning.offset) == (True, 32)


def test_an_array_with_bytes_behind_it_is_a_warning(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5))
    with open(tmp_path / "a.npy", "ab") as file:
        file.write(b"xyz")
    (warning,) = found(tmp_path / "a.npy", "warning")
    assert "3 bytes follow" in warning.message


def test_a_name_that_had_to_be_escaped_is_a_warning(tmp_path):
    prefix = write(tmp_path / "ck", {"a\x1b[2J": np.ones(4, "f4"), "plain\\name": np.ones(4, "f4")})
    assert [f.key for f in found(prefix, "warning")] == ["a\x1b[2J"]


def test_every_member_of_an_archive_is_checked_weights_or_not(tmp_path):
    source = next(case.path for case in CASES if case.name == "keras3/model.keras")
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(tmp_path / "m.keras", "w") as copy:
        for member in archive.namelist():
            copy.writestr(member, archive.read(member), zipfile.ZIP_STORED)
        copy.writestr("assets/vocabulary.txt", b"one two three " * 40, zipfile.ZIP_DEFLATED)
        copy.writestr("assets/plain.txt", b"one two three " * 40)
    assert found(tmp_path / "m.keras") == []
    data = (tmp_path / "m.keras").read_bytes()
    plain = data.rindex(b"one two three")
    flip(tmp_path / "m.keras", plain)
    (finding,) = found(tmp_path / "m.keras")
    assert "assets/plain.txt" in finding.message
    start = data.index(b"assets/vocabulary.txt") + len("assets/vocabulary.txt")
    (tmp_path / "m.keras").write_bytes(data)
    flip(tmp_path / "m.keras", start + 6, 3)
    (finding,) = found(tmp_path / "m.keras")
    assert "assets/vocabulary.txt" in finding.message


def test_a_chunk_is_inflated_and_its_fletcher32_compared(tmp_path):
    import h5py

    path = tmp_path / "c.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("w", data=np.arange(4000.0).reshape(40, 100), chunks=(10, 100), fletcher32=True)
        file["plain"] = np.arange(10)
        chunk = data.id.get_chunk_info(2)
    with ckptread.open(path) as reader:
        verification = verify(reader)
    assert (verification.checksums, [t.key for t in verification.unchecked], verification.sound) == (4, ["plain"], True)
    flip(path, chunk.byte_offset + 17)
    assert places(found(path)) == {("w", "c.h5", chunk.byte_offset)}


@pytest.mark.parametrize("suffix", [".h5", ".safetensors", ".npy"])
def test_what_has_no_checksum_is_said(tmp_path, suffix):
    values = np.arange(6, dtype="float32")
    path = tmp_path / f"a{suffix}"
    if suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["a"] = values
    elif suffix == ".npy":
        np.save(path, values)
    else:
        from safetensors.numpy import save_file

        save_file({"a": values}, path)
    (note,) = found(path, "note")
    assert "no tensor has a checksum" in note.message
    assert "24 bytes" in note.message


def test_exit_codes_are_of_the_worst(run, checkpoint, tmp_path):
    assert run("verify", checkpoint).code == 0
    np.save(tmp_path / "a.npy", np.arange(5))
    assert run("verify", tmp_path / "a.npy").code == 0  # a note alone
    (tmp_path / "page.h5").write_text("<!DOCTYPE html><html>")
    ran = run("verify", checkpoint, tmp_path / "page.h5", tmp_path / "a.npy")
    assert ran.code == 2
    assert "a web page" in ran.out
    assert "a.npy: ok" in ran.out
    flip(tmp_path / "ckpt-7.data-00000-of-00001", 0)
    assert run("verify", checkpoint).code == 1
    quiet = run("verify", "-q", checkpoint)
    assert (quiet.code, quiet.out) == (1, "")


def test_json_has_every_finding_with_its_place(run, checkpoint, tmp_path):
    flip(tmp_path / "ckpt-7.data-00000-of-00001", 0)
    ran = run("verify", checkpoint, tmp_path / "absent", "--format", "json")
    document = json.loads(ran.out)
    assert (document["schema"], document["exit"], ran.code) == (1, 2, 2)
    one, absent = document["checkpoints"]
    assert (one["verdict"], one["tensors"], absent["verdict"], absent["format"]) == ("damaged", 4, "unreadable", None)
    (finding,) = one["findings"]
    assert finding["severity"] == "error"
    assert (finding["key"], finding["offset"]) == ("dense/bias", 0)
    assert finding["advice"]


def place(prefix, data, **offsets):
    """Write an index whose tensors, of four floats each, lie at these offsets of the data."""
    entries = [(b"", header())]
    for key, at in sorted(offsets.items()):
        entries.append((key.encode(), entry(FLOAT32, (4,), at, 16, google_crc32c.value(data[at : at + 16]))))
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)
    return prefix


def test_tensors_that_share_bytes_are_a_warning(tmp_path):
    prefix = place(tmp_path / "ck", bytes(range(40)), a=0, b=8, c=24)
    assert found(prefix) == []
    (warning,) = found(prefix, "warning")
    assert (warning.key, warning.offset) == ("b", 8)
    assert "overlap those of 'a'" in warning.message


def test_bytes_between_tensors_are_a_note(tmp_path):
    prefix = place(tmp_path / "ck", bytes(range(50)), a=0, b=26, c=34)
    (note,) = found(prefix, "note")
    assert ("10 bytes belong to no tensor" in note.message, note.offset) == (True, 16)


def test_many_tensors_with_one_fault_are_told_together(run, tmp_path):
    prefix = write(tmp_path / "ck", {f"t{n}": np.ones(4, "f4") for n in range(30)})
    (tmp_path / "ck.data-00000-of-00001").unlink()
    ran = run("verify", prefix)
    assert ran.code == 1
    assert "each of 30 tensors (t0, t1, t10, ...): its" in ran.out
    assert len(ran.out.splitlines()) < 8


def save_safetensors(path):
    from safetensors.numpy import save_file

    save_file({"w": np.arange(3000.0)}, path)


def save_hdf5(path):
    import h5py

    with h5py.File(path, "w") as file:
        file["w"] = np.arange(3000.0)


def save_keras(path):
    save_hdf5(path.with_suffix(".h5"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(path.with_suffix(".h5"), "model.weights.h5")


TRUNCATED = {
    "zip": ("a.npz", lambda path: np.savez(path, w=np.arange(3000.0)), r"bytes of its last member"),
    "npy": ("a.npy", lambda path: np.save(path, np.arange(3000.0)), r"100 of its 24,000 bytes are missing"),
    "safetensors": ("a.safetensors", save_safetensors, r"100 bytes are missing at its end"),
    "hdf5": ("a.h5", save_hdf5, r"truncated: 100 of its [\d,]+ bytes are missing"),
    "keras": ("a.keras", save_keras, r"bytes of its last member"),
}


@pytest.mark.parametrize("kind", TRUNCATED)
def test_a_truncated_download_says_what_is_missing(run, tmp_path, kind):
    name, save, said = TRUNCATED[kind]
    path = tmp_path / name
    save(path)
    data = path.read_bytes()
    cut = len(data) - 100
    if kind in {"zip", "keras"}:  # the directory too
        cut = data.index(b"PK\1\2") - 100
    path.write_bytes(data[:cut])
    ran = run("verify", path)
    assert ran.code in (1, 2)
    assert re.search(said, ran.out), ran.out
    if kind in {"zip", "keras"}:
        assert ", and 100 bytes of its last member" in ran.out


def test_weights_by_the_name_of_an_archive_are_a_note_that_names_the_fix(tmp_path):
    save_hdf5(tmp_path / "w.keras")
    notes = found(tmp_path / "w.keras", "note")
    assert any(".weights.h5" in note.advice for note in notes)


def test_what_lies_in_a_damaged_member_is_doubtful_all_of_it(tmp_path):
    save_keras(tmp_path / "m.keras")
    data = bytearray((tmp_path / "m.keras").read_bytes())
    data[data.index(np.arange(3000.0).tobytes()[:800]) + 9] ^= 1
    (tmp_path / "m.keras").write_bytes(data)
    with ckptread.open(tmp_path / "m.keras") as reader:
        assert verify(reader).doubtful == {"w"}


@pytest.mark.parametrize(("depth", "warned"), [(100, False), (600, True)])
def test_groups_nested_very_deep_are_a_warning(tmp_path, depth, warned):
    import h5py

    with h5py.File(tmp_path / "d.h5", "w", libver="latest") as file:
        group = file
        for _ in range(depth):
            group = group.create_group("g")
        group["w"] = np.arange(3)
    assert bool(found(tmp_path / "d.h5", "warning")) is warned


@pytest.mark.parametrize(("null", "warned"), [(False, False), (True, True)])
def test_references_to_nothing_are_a_warning(tmp_path, null, warned):
    import h5py

    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["w"] = np.arange(3)
        references = file.create_dataset("r", (2,), h5py.ref_dtype)
        references[0] = file["w"].ref
        if not null:
            references[1] = file["w"].ref
    assert [f.key for f in found(tmp_path / "r.h5", "warning")] == (["r"] if warned else [])


def test_what_numpy_has_no_type_for_is_a_warning_that_it_was_not_checked(tmp_path):
    import h5py

    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["w"] = np.arange(3)
        kind = h5py.h5t.IEEE_F64LE.copy()
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"t", h5py.h5t.UNIX_D32LE, space)
        h5py.h5d.create(file.id, b"plain", kind, space)
    (warning,) = found(tmp_path / "t.h5", "warning")
    assert (warning.key, warning.advice) == ("t", "it was not checked")


def test_more_members_than_any_model_has_are_a_warning(tmp_path):
    for count in (100, 600):
        save_keras(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras", "a") as archive:
            for number in range(count):
                archive.writestr(f"assets/{number}", "")
        assert any("members" in f.message for f in found(tmp_path / "m.keras", "warning")) is (count > 500)


def tree_nodes(data):
    """Where the nodes of the groups' trees stand in an HDF5 file."""
    return [at for at in range(0, len(data), 8) if data[at : at + 5] == b"TREE\0"]


def test_a_node_that_is_its_own_neighbour_is_found(tmp_path):
    import h5py

    with h5py.File(tmp_path / "t.h5", "w") as file:
        for number in range(600):
            file[f"deep/er/w{number}"] = number
        file["plain"] = np.arange(3)
        for number in range(0, 600, 7):
            del file[f"deep/er/w{number}"]
    assert found(tmp_path / "t.h5") == []
    data = (tmp_path / "t.h5").read_bytes()
    nodes = tree_nodes(data)
    assert len(nodes) > 5
    for at in (nodes[0], nodes[2], nodes[-1]):
        for place in (8, 16):  # the left one, the right one
            changed = bytearray(data)
            changed[at + place : at + place + 8] = at.to_bytes(8, "little")
            (tmp_path / "t.h5").write_bytes(changed)
            assert at in {f.offset for f in found(tmp_path / "t.h5")}


def test_a_link_that_leads_nowhere_or_out_of_the_file_is_a_warning(run, tmp_path):
    import h5py

    with h5py.File(tmp_path / "l.h5", "w") as file:
        file["a"] = np.arange(3.0)
        file["gone"] = h5py.SoftLink("/nowhere")
        file["out"] = h5py.ExternalLink("other.h5", "/a")
    assert [(f.severity, f.key) for f in found(tmp_path / "l.h5", "warning")] == [
        ("warning", "gone"),
        ("warning", "out"),
    ]
    ran = run("verify", tmp_path / "l.h5")
    assert (ran.code, "l.h5: suspect" in ran.out, "no tensor has a checksum" in ran.out) == (1, True, True)


def test_the_note_on_checksums_counts_what_has_values_and_no_finding(run, tmp_path):
    """Of 'sound' and 'plain' one has none; 'empty' has no values, and of 'wrong' the checksum was just called wrong."""
    import h5py

    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["plain"], file["empty"] = np.arange(3.0), np.zeros(0)
        for name in ("sound", "wrong"):
            file.create_dataset(name, data=np.arange(8.0), chunks=(8,), fletcher32=True)
        at = file["wrong"].id.get_chunk_info(0).byte_offset
    flip(tmp_path / "c.h5", at)
    out = run("verify", tmp_path / "c.h5").out
    assert "note: 1 of 3 tensors has no checksum in this file: a changed value among its 24 bytes" in out


def test_a_fault_is_told_once_and_in_the_right_number(run, tmp_path):
    np.savez(tmp_path / "one.npz", w=np.ones(3))
    assert "(npz: 1 tensor, " in run("verify", tmp_path / "one.npz").out
    assert "1 checksum compared" in run("verify", tmp_path / "one.npz").out
    content = bytearray((tmp_path / "one.npz").read_bytes())
    content[14] ^= 0xFF  # of the CRC-32 in the member's own header
    (tmp_path / "one.npz").write_bytes(content)
    out = run("verify", tmp_path / "one.npz").out
    assert out.count("its own header states another size or CRC-32") == 1
    assert "the other tensors" not in out


def test_a_tensors_finding_is_left_out_only_where_another_has_its_code_and_a_place():
    def finding(code, key, offset=None, file="f"):
        return Finding(code=code, severity="error", message="any words", key=key, file=file, offset=offset)

    placed = finding("zip-member", "a", 7)
    others = [
        finding("checksum", "a"),
        finding("zip-member", "b"),
        finding("zip-member", None),
        finding("zip-member", "a", file="g"),
    ]
    assert without_repeated([placed, finding("zip-member", "a"), finding("zip-member", "a", file=None)]) == [placed]
    assert without_repeated([placed, *others]) == [placed, *others]


def test_json_and_csv_have_the_code(run, checkpoint, tmp_path):
    data = tmp_path / "ckpt-7.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    document = json.loads(run("verify", checkpoint, "--format", "json").out)
    codes = {finding["code"] for each in document["checkpoints"] for finding in each["findings"]}
    assert "tf-shard-truncated" in codes
    assert run("verify", checkpoint, "--format", "csv").out.splitlines()[1].endswith(",tf-shard-truncated")
