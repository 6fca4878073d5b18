"""Which pictures of an instance a sheet shows: of a run, of several runs, or of what is annotated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Sample
from amodal_bench.report.colours import GAINED, KEPT, REGIONS, WRONG, Region, annotated, compared
from amodal_bench.report.panels import Frame, Panel, frame_around
from amodal_bench.report.scored import RANDOM_WEIGHTS
from amodal_bench.report.sheet import Row
from amodal_bench.views.window import Window

PICTURE, VISIBLE, AMODAL, HIDDEN, TRUTH = "image", "V", "A", "hidden", "ground truth"

OWN_VIEW = "the model's view"
"""The head of pictures by a model that does not say which part of the image they show."""

THEIRS = "the model's"
"""What stands below the head of a model's picture, or of a run, that is called as a column of the sheet's own."""


@dataclass(frozen=True)
class Shown:
    """A prediction as a row of a sheet shows it.

    Attributes:
        mask: the prediction, (H, W) bool; None where there is none.
        iou: its IoU with A, in [0, 1].
        random: whether random weights made it.
        why: what is said instead of a prediction.
    """

    mask: Mask | None
    iou: float
    random: bool = False
    why: str = "failed"


def choose(instances: pd.DataFrame, count: int) -> list[str]:
    """Ids of `count` predicted instances, evenly spread over the range of the occlusion rate."""
    known = instances[instances["iou"].notna()].sort_values(["occlusion_rate", "id"])
    if known.empty or count < 1:
        return []
    places = np.unique(np.linspace(0, len(known) - 1, count).round().astype(int))
    return [str(id) for id in known["id"].iloc[places]]


def legend_of_predictions() -> dict[Region, str]:
    """What a sheet with predictions says of its regions; V and ground truth are drawn in the first two."""
    truth = {KEPT: f"; in {VISIBLE} and {TRUTH} all that is visible", GAINED: f"; in {TRUTH} all that is hidden"}
    return {region: region.meaning + truth.get(region, "") for region in REGIONS}


def legend_of_annotations(stray: bool) -> dict[Region, str]:
    """What a sheet of annotated pixels says of its regions; `stray` where V has pixels outside of A."""
    return {region: region.annotated for region in (KEPT, GAINED, *([WRONG] if stray else []))}


def run_row(
    sample: Sample, shown: Shown, between: Mapping[str, Image], window: Window | None = None, category: str = ""
) -> Row:
    """Image, V, the model's own pictures, its prediction and ground truth of one instance.

    Args:
        sample: the instance.
        shown: its prediction.
        between: the model's own pictures by their titles, each (S, S, 3) uint8.
        window: which part of the image these show; None where the model does not say.
        category: of the instance; empty where it has none.
    """
    head = f"prediction\n{RANDOM_WEIGHTS}" if shown.random else "prediction"
    return _row(sample, between, {head: shown}, window, category)


def runs_row(sample: Sample, predicted: Mapping[str, Shown], category: str = "") -> Row:
    """Image, V, several predictions by the heads of their columns, and ground truth of one instance."""
    heads = {f"{head}\n{RANDOM_WEIGHTS}" if shown.random else head: shown for head, shown in predicted.items()}
    return _row(sample, {}, heads, None, category)


def annotation_row(sample: Sample, category: str = "") -> Row:
    r"""Image, V, A and the hidden part A \ V of one instance; what of V lies outside of A is wrong."""
    regions = annotated(sample.amodal, sample.visible)
    hidden = {region: mask for region, mask in regions.items() if region != KEPT}
    panels = {
        PICTURE: Panel(sample.image),
        VISIBLE: Panel(sample.image, {KEPT: sample.visible}),
        AMODAL: Panel(sample.image, regions),
        HIDDEN: Panel(sample.image, hidden),
    }
    return Row(label_of(sample, category), frame_around([sample.amodal, sample.visible]), panels)


def categories_of(table: pd.DataFrame) -> dict[str, str]:
    """The categories of a table's instances by `id`; empty where one has none."""
    names = zip(table["id"].astype(str), table["category"], strict=True)
    return {id: name if isinstance(name, str) else "" for id, name in names}


def label_of(sample: Sample, category: str = "") -> str:
    r"""What stands above a row: id, category, and the occlusion rate |A \ V| / |A| of the pixels."""
    named = f", {category}" if category else ""
    return f"{sample.id}{named}, occlusion {100 * hidden_share(sample):.1f} %"


def hidden_share(sample: Sample) -> float:
    r"""The occlusion rate |A \ V| / |A| of a sample's pixels, in [0, 1]; 0 where A is empty."""
    return int((sample.amodal & ~sample.visible).sum()) / max(int(sample.amodal.sum()), 1)


def _row(
    sample: Sample,
    between: Mapping[str, Image],
    predicted: Mapping[str, Shown],
    window: Window | None,
    category: str,
) -> Row:
    # What random weights predict is anywhere: it would make all else small.
    meant = [one.mask for one in predicted.values() if one.mask is not None and not one.random]
    frame = frame_around([sample.amodal, sample.visible, *meant])
    panels = {PICTURE: Panel(sample.image), VISIBLE: Panel(sample.image, {KEPT: sample.visible})}
    heads = {PICTURE, VISIBLE, TRUTH}
    predicted = {_apart(head, heads): one for head, one in predicted.items()}
    for title, picture in between.items():
        # Without its window a picture is shown whole, and says so.
        place = frame if window is None else Frame(window.x, window.y, window.width, window.height)
        panels[_apart(title, heads)] = Panel(picture, text=OWN_VIEW if window is None else "", place=place)
    for head, one in predicted.items():
        panels[head] = _prediction(sample, one)
    panels[TRUTH] = Panel(sample.image, annotated(sample.amodal, sample.visible))
    return Row(label_of(sample, category), frame, panels)


def _apart(head: str, heads: set[str]) -> str:
    """A column's head that a model's author or a run gives, told apart from the heads so far, and added to them."""
    while head in heads:
        head = f"{head}\n{THEIRS}"
    heads.add(head)
    return head


def _prediction(sample: Sample, shown: Shown) -> Panel:
    if shown.mask is None:
        return Panel(None, text=shown.why)
    regions = compared(shown.mask, sample.amodal, sample.visible)
    return Panel(sample.image, regions, f"IoU {100 * shown.iou:.1f} %")
