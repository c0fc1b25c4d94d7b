"""Compare the assets of two checkpoints: by name, and for the rest by their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ckptread.operations.assets import Asset, digest_assets, wanted_assets
from ckptread.reader import Reader
from ckptread.storage.progress import SILENT, Meter
from ckptread.wording import escape, plural

AssetStatus = Literal["same", "renamed", "changed", "added", "removed", "not-comparable"]


class AssetDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One asset of A, one of B, or a pair, and the result of comparing their bytes."""

    a: Asset | None
    b: Asset | None
    status: AssetStatus

    @property
    def name(self) -> str:
        """What to call it: by its name in A, if it is there."""
        asset = self.a or self.b
        return asset.name if asset else ""

    @property
    def differs(self) -> bool:
        """Whether this is a difference; another name is none."""
        return self.status not in {"same", "renamed"}

    @property
    def unreadable(self) -> bool:
        """Whether one of them could not be read."""
        return self.status == "not-comparable"

    @property
    def reason(self) -> str:
        """Why one of them could not be read, or ""."""
        return next((asset.problem for asset in (self.a, self.b) if asset is not None and asset.problem), "")


def compare_assets(
    a: Reader, b: Reader, exclude: Sequence[str] = (), role: str | None = None, meter: Meter = SILENT
) -> tuple[list[AssetDifference], list[str]]:
    """Return the result for each asset, and notes on those that were not compared.

    They are not compared if the format of the other side has no assets. A format with another layout may store such
    data elsewhere: then assets without a counterpart count only if both sides have some.
    """
    names = [wanted_assets(reader, (), exclude, role) for reader in (a, b)]
    if a.asset_layout is None or b.asset_layout is None:
        return [], list(_notes(a, b, names, "has no assets"))
    found = [digest_assets(reader, wanted, meter) for reader, wanted in zip((a, b), names, strict=True)]
    pairs, alone = _pair(*found)
    if a.asset_layout != b.asset_layout and not all(alone):
        return pairs, list(_notes(a, b, alone, "may store such data elsewhere"))
    left = [(asset, None) for asset in alone[0]], [(None, asset) for asset in alone[1]]
    return pairs + [_difference(*sides) for sides in (*left[0], *left[1])], []


def _notes(a: Reader, b: Reader, left: Sequence[Sequence[object]], why: str) -> Iterator[str]:
    for holder, other, assets in ((a, b, left[0]), (b, a, left[1])):
        if assets:
            counted = f"{plural(len(assets), 'asset', 'were', 'was')} not compared"
            yield f"note: {counted}: {escape(holder.path)} has them, the format of {escape(other.path)} {why}"


def _pair(a: Sequence[Asset], b: Sequence[Asset]) -> tuple[list[AssetDifference], tuple[list[Asset], list[Asset]]]:
    """Pair assets of one name, then those of the same bytes; return also those that are left of A and of B."""
    others = {asset.name: asset for asset in b}
    pairs = [_difference(asset, others.pop(asset.name)) for asset in a if asset.name in others]
    paired = {pair.name for pair in pairs}
    by_digest: dict[str, list[Asset]] = {}
    for asset in others.values():
        by_digest.setdefault(asset.sha256 or "", []).append(asset)
    alone = []
    for asset in a:
        if asset.name not in paired and asset.sha256 is not None and by_digest.get(asset.sha256):
            pairs.append(_difference(asset, others.pop(by_digest[asset.sha256].pop(0).name)))
        elif asset.name not in paired:
            alone.append(asset)
    return pairs, (alone, list(others.values()))


def _difference(a: Asset | None, b: Asset | None) -> AssetDifference:
    return AssetDifference(a=a, b=b, status=_status(a, b))


def _status(a: Asset | None, b: Asset | None) -> AssetStatus:
    if any(asset is not None and asset.problem for asset in (a, b)):
        return "not-comparable"
    if a is None or b is None:
        return "added" if a is None else "removed"
    if a.sha256 != b.sha256:
        return "changed"
    return "same" if a.name == b.name else "renamed"
