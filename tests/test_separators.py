"""Where no name of a file has a slash, dots separate the components of names, in every view and pattern."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import ckptread
from ckptread.errors import TensorNotFoundError
from ckptread.tensors import TensorInfo, separator


@pytest.fixture
def dotted(tmp_path: Path) -> Path:
    names = [f"encoder.layer.{at}.{name}" for at in (1, 3, 30) for name in ("query.weight", "query.bias", "out.weight")]
    save_file({name: np.ones(2, "f4") for name in (*names, "head.weight")}, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def names(path: Path, *patterns: str, **options: object) -> set[str]:
    return {info.name for info in ckptread.inspect(path, patterns, **options)}  # type: ignore[arg-type]


def test_a_path_has_everything_below_it(dotted: Path) -> None:
    below = {f"encoder.layer.3.{name}" for name in ("query.weight", "query.bias", "out.weight")}
    assert names(dotted, "encoder.layer.3") == names(dotted, "encoder/layer/3") == below
    assert names(dotted, exclude=["encoder"]) == {"head.weight"}


def test_stars_stay_within_a_component(dotted: Path) -> None:
    assert names(dotted, "*.weight") == {"head.weight"}
    assert len(names(dotted, "**.weight")) == len(names(dotted, "**/weight")) == 7
    assert names(dotted, "encoder.layer.[13].*.bias") == {f"encoder.layer.{at}.query.bias" for at in (1, 3)}


def test_advice_has_the_separator(dotted: Path) -> None:
    with pytest.raises(TensorNotFoundError, match=r"try '\*\*\.bias'"):
        names(dotted, "*.bias")
    with pytest.raises(TensorNotFoundError, match=r"encoder\.layer"):
        names(dotted, "encoder.layar")


def test_a_tree_and_its_depth_go_by_dots(dotted: Path, run) -> None:  # type: ignore[no-untyped-def]
    rows = json.loads(run("inspect", dotted, "--depth", "3", "--format", "json").out)["groups"]
    assert [row["path"] for row in rows] == ["encoder.layer.1", "encoder.layer.3", "encoder.layer.30", "head.weight"]
    tree = run("inspect", dotted, "--tree").out
    assert any("─ query." in line for line in tree.splitlines())
    assert "encoder.layer" not in tree


def test_one_slash_makes_dots_a_part_of_names() -> None:
    infos = [TensorInfo(key=key, shape=(), dtype="int8", nbytes=1) for key in ("a.b", "c")]
    assert separator(infos) == "."
    assert separator([*infos, TensorInfo(key="d/e", shape=(), dtype="int8", nbytes=1)]) == "/"
    assert separator(infos[1:]) == "/"
