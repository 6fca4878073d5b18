"""Masks that another method has left on disk, scored as any model is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.types import Mask
from amodal_bench.core.versions import versions
from amodal_bench.datasets.base import Query
from amodal_bench.models.prediction_files import open_source


class Predictions:
    """Looks a query's mask up by its id. An instance without a prediction is an error, not an empty mask.

    Args:
        path: a file of COCO results or a folder of PNGs, see `prediction_files`.
        union_visible: whether V is added to each mask; the masks are scored as they are by default.

    Raises:
        ConfigError: no path is given.
        InputError: there is nothing at the path.
    """

    deterministic = True

    def __init__(self, path: str | None = None, union_visible: bool = False) -> None:
        if path is None:
            raise ConfigError("model.path: name the file (COCO results) or the folder (PNGs) of the predictions")
        self.source, self.union_visible = str(path), union_visible
        self._masks = open_source(Path(self.source))

    def describe(self) -> dict[str, Any]:
        return {
            "model": "predictions",
            "digest": self._masks.digest(),
            "union_visible": self.union_visible,
            "versions": versions(*self._masks.LIBRARIES),
        }

    def answers(self) -> Collection[str]:
        return self._masks.ids()

    def images(self) -> Mapping[str, str]:
        return self._masks.images()

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:  # noqa: ARG002
        return [self._predicted(query) for query in queries]

    def _predicted(self, query: Query) -> Mask:
        if query.id not in self._masks.ids():
            raise PredictionError(f"no prediction in {self.source}")
        mask = self._masks.mask(query.id, *query.visible.shape)
        return mask | query.visible if self.union_visible else mask
