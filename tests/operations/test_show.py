"""What show says of one tensor: where and how it is stored, in numbers to paste; pictures, as text and in a file."""

import json
import sys

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES
from tests.in_memory import InMemory


def facts(out):
    """The facts of a page by their labels."""
    lines = (line.strip().split("  ", 1) for line in out.splitlines() if line.startswith("  "))
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


@pytest.fixture
def chunked(tmp_path):
    with h5py.File(tmp_path / "chunked.h5", "w") as file:
        data = file.create_dataset(
            "data", data=np.arange(600.0).reshape(20, 30), chunks=(7, 10), compression="gzip", compression_opts=6,
            shuffle=True, fletcher32=True,
        )  # fmt: skip
        data.attrs["units"], data.attrs["scale"], data.attrs["long"] = "K", np.arange(3.0), np.zeros((9, 9))
        file["plain"] = np.zeros(3)
        file.create_dataset("unwritten", (4,), "f4")
    return tmp_path / "chunked.h5"


def test_a_chunked_dataset_has_its_chunks_filters_ratio_and_attributes(run, chunked):
    found = facts(run("show", chunked, "data").out)
    with h5py.File(chunked) as file:
        stored, count = file["data"].id.get_storage_size(), file["data"].id.get_num_chunks()
    assert (found["layout"], found["chunk shape"], found["filters"]) == (
        "chunked", "(7, 10)", "shuffle, gzip 6, fletcher32",
    )  # fmt: skip
    assert found["stored"] == f"{count} chunks, {stored:,} bytes, {4800 / stored:.3g} : 1"
    assert "units = 'K'" in found["attributes"]
    document = json.loads(run("show", chunked, "data", "--format", "json").out)
    attributes = document["storage"]["attributes"]
    assert ("scale = [0.0, 1.0, 2.0]" in attributes, "long = float64 (9, 9)" in attributes) == (True, True)
    assert facts(run("show", chunked, "unwritten").out)["layout"] == "never written: all fill values"


def test_an_offset_can_be_pasted(run, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(30_000, dtype="<f4"))
    np.savez(tmp_path / "b.npz", pad=np.zeros(9_000), w=np.arange(30_000, dtype="<f4"))
    found = facts(run("show", tmp_path / "b.npz", "w").out)
    offset, length = int(found["offset"]), int(found["length"])
    with open(found["file"], "rb") as file:
        file.seek(offset)
        assert np.array_equal(np.frombuffer(file.read(length), "<f4"), np.arange(30_000))
    np.savez_compressed(tmp_path / "c.npz", w=np.zeros(3000))
    assert "deflated member" in run("show", tmp_path / "c.npz", "w").out


@pytest.mark.parametrize("folder", ["tf-partitioned/over-shards", "tf-partitioned/one-file", "tf-v1-sliced/model.ckpt"])
def test_a_partitioned_variable_has_its_slices(run, folder):
    file = FIXTURES / folder
    with ckptread.open(file) as reader:
        sliced = [key for key in reader.tensors if "slices" in reader.describe_storage(key).get("layout", "")]
        sizes = {key: reader.tensors[key].nbytes for key in sliced}
        stored = {key: reader.describe_storage(key) for key in sliced}
    assert sliced
    for key in sliced:
        assert "slices" in run("show", file, key).out
        if "v1" not in folder:
            nbytes = sum(int(text.split()[-2]) for label, text in stored[key].items() if label.startswith("["))
            assert nbytes == sizes[key]


def test_quantiles_and_sparsity_are_in_json(run, tmp_path):
    values = np.random.default_rng(0).standard_normal(1000).astype("f4")
    values[:250] = 0
    np.savez(tmp_path / "a.npz", w=values)
    document = json.loads(run("show", tmp_path / "a.npz", "w", "--format", "json").out)
    assert document["sparsity"] == 0.25
    for quantile in document["quantiles"]:
        assert quantile["value"] == pytest.approx(float(np.quantile(values.astype("f8"), quantile["share"])), rel=1e-12)
    assert "250 (25 %)" in run("show", tmp_path / "a.npz", "w").out


def test_a_steep_histogram_has_a_logarithmic_scale(run, tmp_path):
    np.savez(tmp_path / "a.npz", steep=np.r_[np.zeros(100_000), 1.0], flat=np.arange(160.0))
    steep, flat = (run("show", tmp_path / "a.npz", name).out for name in ("steep", "flat"))
    assert ("log scale" in steep, "log scale" in flat) == (True, False)
    assert any("█" in line for line in steep.splitlines() if line.endswith("  1"))


def test_first_values_and_slices_have_their_lines(run, tmp_path):
    np.savez(tmp_path / "a.npz", w=np.arange(40.0).reshape(20, 2) * 1.2345678)
    for option in ([], ["--slice", "0:4"]):
        out = run("show", tmp_path / "a.npz", "w", *option).out
        assert out.splitlines()[-4:] == [
            "  [[0.        1.2345678]",
            "   [2.4691356 3.7037034]",
            "   [4.9382712 6.172839 ]",
            "   [7.4074068 8.6419746]]",
        ]


def test_a_kernel_of_three_channels_is_a_grid_in_colour(tmp_path):
    from PIL import Image

    values = np.random.default_rng(0).uniform(size=(2, 2, 3, 4)).astype("f4")
    values[0, 0, 0, 0], values[1, 1, 2, 3] = 0, 1
    saved = ckptread.save_image(InMemory(kernel=values), "kernel", tmp_path / "k.png")
    page = np.asarray(Image.open(tmp_path / "k.png"))
    factor = page.shape[0] // 7  # two tiles of two pixels, and three lines
    assert (saved.tiles, page.shape) == (4, (saved.height, saved.width, 3))
    small = page[::factor, ::factor]
    assert np.array_equal(small[1:3, 4:6], np.round(255 * values[:, :, :, 1]).astype("u1"))


def test_a_matrix_is_a_heat_map_red_above_zero_and_blue_below(tmp_path):
    from PIL import Image

    values = np.float32([[1, -1, 0], [0.5, np.nan, -0.5]])
    ckptread.save_image(InMemory(kernel=values), "kernel", tmp_path / "k.png")
    page = np.asarray(Image.open(tmp_path / "k.png"))
    down, right = page.shape[0] // 2, page.shape[1] // 3
    assert page[::down, ::right].tolist() == [
        [[255, 0, 0], [0, 0, 255], [255, 255, 255]], [[255, 128, 128], [255, 220, 0], [128, 128, 255]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "shape", [(7,), (1, 9), (9, 1), (3, 3, 8, 4), (3, 3, 6, 1), (4, 3, 5), (1, 1, 8, 4), (5000, 3)]
)
def test_any_tensor_of_numbers_has_a_picture(tmp_path, shape):
    saved = ckptread.save_image(InMemory(w=np.ones(shape, "f4")), "w", tmp_path / "k.png")
    assert 0 < saved.width <= 4096
    assert 0 < saved.height <= 4096


def test_no_picture_is_written_over_a_file_or_of_text(run, tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)), text=np.array(["a", "b"]))
    (tmp_path / "k.png").write_bytes(b"mine")
    for name, target, why in (
        ("w", "k.png", "--force"),
        ("text", "new.png", "no real numbers"),
        ("w", "k.xyz", ".png"),
    ):
        ran = run("show", tmp_path / "a.npz", name, "--image", tmp_path / target)
        assert (ran.code, why in ran.err) == (2, True)
    assert (tmp_path / "k.png").read_bytes() == b"mine"
    assert not (tmp_path / "new.png").exists()
    assert run("show", tmp_path / "a.npz", "w", "--image", tmp_path / "k.png", "--force").code == 0
    assert (tmp_path / "k.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_pillow_is_named_with_its_extra(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)))
    ran = run("show", tmp_path / "a.npz", "w", "--image", tmp_path / "k.png")
    assert (ran.code, "pip install 'ckptread[image]'" in ran.err, len(ran.err.splitlines())) == (2, True, 1)
