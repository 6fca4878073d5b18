"""The convex hull of the visible mask as the prediction: `A_hat = hull(V)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amodal_bench.core.types import Mask
from amodal_bench.core.versions import versions
from amodal_bench.datasets.base import Query
from amodal_bench.method.area import convex_hull


class ConvexHull:
    """Predicts the convex hull of V (Eq. 10's area taken as the answer)."""

    deterministic = True
    rides = True

    def describe(self) -> dict[str, Any]:
        return {"model": "hull", "versions": versions("opencv")}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:  # noqa: ARG002
        return [convex_hull(query.visible) for query in queries]
