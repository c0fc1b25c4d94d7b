"""A folder that Keras wrote in place of an archive is read like the archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ckptread
from tests.conformance.cases import FIXTURES

FOLDER = FIXTURES / "keras3-folder" / "model"
SHARDS = FIXTURES / "keras3-shards"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "model"))


def test_a_folder_has_the_names_and_the_model_of_the_archive() -> None:
    with ckptread.open(FOLDER) as ours, ckptread.open(FIXTURES / "keras3" / "model.keras") as archive:
        assert ours.format == "keras-folder"
        described = [
            [(t.key, t.variable, t.layer, t.role, t.trainable) for t in r.tensors.values()] for r in (ours, archive)
        ]
        assert described[0] == described[1]
        assert ours.model is not None
        assert archive.model is not None
        assert ours.model.layers == archive.model.layers
        assert ours.model.keras_version == archive.model.keras_version


def test_weights_in_several_files_have_the_model_too(folder: Path) -> None:
    """As in the large presets of KerasHub."""
    (folder / "model.weights.h5").unlink()
    for file in SHARDS.glob("model*"):
        shutil.copy(file, folder)
    with ckptread.open(folder) as opened, ckptread.open(FOLDER) as single:
        assert [t.variable for t in opened.tensors.values()] == [t.variable for t in single.tensors.values()]
        assert opened.model is not None
        assert opened.model.class_name == "Functional"


def test_a_folder_without_metadata_is_read_with_a_note(folder: Path) -> None:
    (folder / "metadata.json").unlink()
    with ckptread.open(folder) as opened:
        assert [(p.code, p.severity) for p in opened.problems] == [("keras-member-missing", "note")]
        assert len(opened.tensors) == 42


def test_weights_are_read_where_the_config_is_damaged(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with ckptread.open(folder) as opened:
        assert [p.code for p in opened.problems] == ["keras-json"]
        assert len(opened.tensors) == 42


def test_a_folder_of_another_library_is_none(folder: Path) -> None:
    (folder / "model.weights.h5").rename(folder / "tf_model.h5")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with ckptread.open(folder) as opened:
        assert opened.format == "hdf5"


def test_the_preset_of_a_backbone_has_its_weights_and_its_vocabulary(folder: Path) -> None:
    """KerasHub's config names no layers, and the tokenizer's files are assets."""
    backbone = {"module": "keras_hub.src.models.bert", "class_name": "BertBackbone", "config": {"num_layers": 1},
                "registered_name": "keras_hub>BertBackbone"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(backbone))
    (folder / "tokenizer.json").write_text("{}")
    vocabulary = folder / "assets" / "tokenizer" / "vocabulary.txt"
    vocabulary.parent.mkdir(parents=True)
    vocabulary.write_text("[PAD]\n[UNK]\n")
    with ckptread.open(folder) as opened, ckptread.open(FOLDER) as single:
        assert opened.model is not None
        assert opened.model.custom_objects == ("keras_hub>BertBackbone",)
        assert opened.tensors.keys() == single.tensors.keys()
        assert {t.layer for t in opened.tensors.values()} == {t.layer for t in single.tensors.values()}
        assert list(opened.assets) == ["assets/tokenizer/vocabulary.txt"]
