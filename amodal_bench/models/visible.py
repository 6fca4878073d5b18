"""The visible mask as the prediction: `A_hat = V`, a strong baseline."""

from __future__ import annotations

from collections.abc import Sequence

from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query


class VisibleMask:
    """Predicts that nothing is hidden."""

    deterministic = True
    rides = True

    def describe(self) -> dict[str, str]:
        return {"model": "visible"}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:  # noqa: ARG002
        return [query.visible for query in queries]
