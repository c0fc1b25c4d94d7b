"""Collects what a Keras file holds besides its tensors: configurations, and the attributes of its groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ckptread.names.keras.describe import KerasEvidence
from ckptread.tensors import Finding
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json
from ckptread.wording import quoted

MODEL_CONFIG, TRAINING_CONFIG = "model_config", "training_config"


def gather_keras_evidence(
    attributes: Mapping[str, Mapping[str, Any]],
    config: Any,
    metadata: Mapping[str, str],
    same_bytes: Callable[[str, str], bool],
) -> tuple[KerasEvidence, list[Finding]]:
    """Return the evidence for the tensors' names, and its problems.

    ``config`` is an archive's config.json; a model saved as .h5 has it among the root's attributes.
    """
    problems: list[Finding] = []
    root = attributes.get("", {})
    evidence = KerasEvidence(
        config=config if config is not None else _parse_attribute(root, MODEL_CONFIG, problems),
        training_config=_parse_attribute(root, TRAINING_CONFIG, problems),
        attributes=attributes,
        archive=config is not None,
        keras_version=metadata.get("keras_version"),
        date_saved=metadata.get("date_saved"),
        same_bytes=same_bytes,
    )
    return evidence, problems


def _parse_attribute(root: Mapping[str, Any], name: str, problems: list[Finding]) -> Any:
    """Return the value of an attribute in JSON; invalid JSON is a finding, and the weights are still read."""
    text = root.get(name)
    if not isinstance(text, str):
        return None
    try:
        return bounded_json(text.encode("utf-8", "surrogateescape"))
    except Malformed as error:
        problems.append(
            Finding(
                code="keras-attribute",
                severity="warning",
                message=f"the attribute {quoted(name)} cannot be read: {error.problem}",
            )
        )
        return None
