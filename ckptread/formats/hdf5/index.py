"""All that an HDF5 file lists, without its values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ckptread.formats.hdf5.dataset_layout import UNREADABLE, DatasetLayout
from ckptread.limits import MAX_KEY_BYTES
from ckptread.storage.source import Source
from ckptread.tensors import Finding, Severity, TensorInfo
from ckptread.wording import quoted

Attribute = str | int | float | list[str]
Attributes = dict[str, dict[str, Attribute]]
"""By group, then by name."""


class Hdf5Index(msgspec.Struct):
    """What is known about a file without reading its values."""

    source: Source
    path: str
    tensors: dict[str, TensorInfo] = msgspec.field(default_factory=dict)
    layouts: dict[str, DatasetLayout] = msgspec.field(default_factory=dict)
    addresses: dict[str, int] = msgspec.field(default_factory=dict)
    """Where each dataset is described in the file, by key: how the worker is asked for its values."""
    attributes: Attributes = msgspec.field(default_factory=dict)
    problems: list[Finding] = msgspec.field(default_factory=list)

    def add_attributes(self, group: str, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes of a group."""
        self.attributes.setdefault(group, {}).update(attributes)

    def add_problem(self, code: str, severity: Severity, message: str, key: str | None, advice: str = "") -> None:
        """Add something to report about the object at ``key``, or about the file."""
        self.problems.append(
            Finding(code=code, severity=severity, message=message, key=key, file=self.path, advice=advice)
        )

    def add_dataset(self, info: TensorInfo, address: int | None, layout: DatasetLayout = UNREADABLE) -> None:
        """Add a dataset; of two with one name, the first."""
        key = info.key
        if key in self.tensors:
            self.add_problem(
                "hdf5-duplicate-name", "error", f"two datasets are called {quoted(key)}; the first one is taken", key
            )
            return
        if len(key) > MAX_KEY_BYTES:
            info = msgspec.structs.replace(info, extent=None, problem=f"its path takes {len(key):,} characters")
        self.tensors[key], self.layouts[key] = info, layout
        if address is not None:
            self.addresses[key] = address
