"""Four small architectures of keras.applications in every format; architectures.py does all of them."""

from __future__ import annotations

import pytest

from tests.names.keras import architectures

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "MobileNetV3Small", "ConvNeXtTiny"])
def test_an_architecture_agrees(name: str) -> None:
    pytest.importorskip("keras")
    result = architectures.check(name)
    cells = {kind: architectures.cell(kind, each, result["exempt"]) for kind, each in result["formats"].items()}
    assert all(cell in ("yes", "yes; 18 by position (LayerScale)") for cell in cells.values()), cells
