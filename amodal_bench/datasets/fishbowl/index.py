"""FishBowl's index: one row per fish and frame, from the objects.json files alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.core.digests import require_unchanged
from amodal_bench.core.errors import InputError
from amodal_bench.core.files import is_regular
from amodal_bench.core.plain import whole
from amodal_bench.core.progress import follow
from amodal_bench.core.rle import Segmentation, is_list, is_object, pixels, united
from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.fishbowl.layouts import Layout
from amodal_bench.datasets.fishbowl.rows import RATE, Listed, Subset
from amodal_bench.datasets.reading.fields import LARGEST, side, text
from amodal_bench.datasets.reading.files import read_json
from amodal_bench.datasets.reading.index import Index, make_index
from amodal_bench.datasets.reading.measures import Measures, of_segmentations, overruled, settled

VERSION = 5
OWN = {"scene": "str", "object_id": "str", "frame": "int64", "fish": "int64", "position": "int64"}
"""The loader's columns: frame counts from 0, fish is the id and position the place in the video's objects.json."""

SHOW_PROGRESS = 20
"""Videos from which on indexing is worth a progress bar."""

ROWS_AT_ONCE = 20_000
"""Rows that become a table together: a million of them as Python objects would fill more than a gigabyte."""


@dataclass(frozen=True)
class Fish:
    """A fish of a video: its masks by frame, as RLEs; `amodal` as long as `visible`."""

    id: int
    position: int
    kind: str
    visible: list[Any]
    amodal: list[Any]


def build_index(layout: Layout, stride: int, subset: Subset | None) -> Index:
    """Read every video, or those of the subset.

    An instance is a fish in a frame in which it has amodal pixels, or whose amodal mask cannot be read. Rows are
    ordered by video and frame, so that reading them in turn decodes each video once.
    """
    problems = list(subset.problems) if subset else []
    videos = [video for video in layout.videos() if subset is None or int(video) in subset.videos]
    tables: list[pd.DataFrame] = []
    rows: list[dict[str, object]] = []
    for video in follow(videos, "indexing fishbowl", "video", show=len(videos) >= SHOW_PROGRESS):
        found = _rows(layout, video, stride, problems)
        rows += _listed(found, video, subset, problems) if subset else found
        if len(rows) >= ROWS_AT_ONCE:
            tables.append(make_index(rows, [], OWN).instances)
            rows = []
    if subset:
        problems += _absent(layout, videos, subset)
    last = make_index(rows, problems, OWN)
    return Index(pd.concat([*tables, last.instances], ignore_index=True), last.problems, last.digest)


def read_objects(file: Path) -> list[Any]:
    """The entries of an objects.json. Raises `InputError` if it cannot be read or is no list."""
    require_unchanged(file)
    objects = read_json(file, each_key_once=True)
    if not is_list(objects):
        raise InputError(file, "not an objects.json of FishBowl: it must be a list", "render the video again")
    return objects


def masks_of(entry: Any) -> list[Segmentation]:
    """The masks of an entry of objects.json, by frame; none where it has no such list."""
    masks = entry.get("masks") if is_object(entry) else None
    return masks if is_list(masks) else []


def _rows(layout: Layout, video: str, stride: int, problems: list[Problem]) -> list[dict[str, object]]:
    """The instances of a video by frame, then in the order of objects.json; adds to `problems`."""
    fish = list(_fish(layout, video, problems))
    frames = max((len(one.visible) for one in fish), default=0)
    rows = []
    for frame in range(0, frames, stride):
        for one in fish:
            if frame >= len(one.visible):
                continue
            measured = _measured(one.amodal[frame], one.visible[frame])
            if measured.amodal_pixels:  # NaN counts: it may well be an instance
                rows.append(_row(video, frame, one) | vars(measured))
            elif _shows(one.visible[frame]):
                what = f"frame {frame}: it has visible pixels but the amodal mask is empty"
                problems.append(Problem(str(layout.scene_file(video)), f"fish {one.id}", what))
    return rows


def _fish(layout: Layout, video: str, problems: list[Problem]) -> Iterator[Fish]:
    """The fish of a video that have all that an instance needs; the others are added to `problems`."""
    file = layout.scene_file(video)
    try:
        objects = read_objects(file)
    except InputError as error:
        problems.append(Problem(error.file, f"video {video}", error.problem))
        return
    taken: set[int] = set()
    for position, entry in enumerate(objects):
        id = whole(entry.get("id")) if is_object(entry) else None
        if id is None or not 0 <= id < LARGEST:  # a longer number fits no column
            problems.append(Problem(str(file), f"object {position}", 'it has no whole number "id"'))
            continue
        record = f"fish {id}"
        visible = masks_of(entry)
        if id in taken or not visible:
            what = "it is listed twice" if id in taken else 'it has no list "masks"'
            problems.append(Problem(str(file), record, what))
            continue
        taken.add(id)
        alone = layout.fish_file(video, id, position)
        try:
            amodal = _amodal(alone, id, len(visible))
        except InputError as error:
            problems.append(Problem(error.file, record, error.problem))
            continue
        yield Fish(id, position, text(entry.get("type_name")), visible, amodal)


def _amodal(file: Path, fish: int, frames: int) -> list[Segmentation]:
    """The masks of a fish rendered alone. Raises `InputError` unless it is this fish, with a mask per frame."""
    remedy = "render this fish alone again"
    if not is_regular(file):
        problem = "there is no single-fish rendering of it, so its amodal masks are unknown"
        raise InputError(file, problem, remedy)
    objects = read_objects(file)
    if len(objects) != 1:
        raise InputError(file, f"it lists {len(objects)} objects instead of the one fish {fish}", remedy)
    id = objects[0].get("id") if is_object(objects[0]) else None
    if id != fish:
        raise InputError(file, f"it holds fish {id} instead of fish {fish}", remedy)
    masks = masks_of(objects[0])
    if len(masks) != frames:
        raise InputError(file, f"it has {len(masks)} masks but the video's objects.json has {frames}", remedy)
    return masks


def _row(video: str, frame: int, fish: Fish) -> dict[str, object]:
    image_id = f"{video}/{frame:05d}"
    return {
        "id": f"{video}-{fish.id}-{frame:05d}",
        "image_id": image_id,
        "video_id": video,
        "category": fish.kind,
        "stuff": False,
        "crowd": False,
        "scene": image_id,
        "object_id": str(fish.id),
        "frame": frame,
        "fish": fish.id,
        "position": fish.position,
    }


def _measured(amodal: Segmentation, visible: Segmentation) -> Measures:
    """What the index says of a fish in a frame, which is as large as A's RLE says."""
    try:
        return of_segmentations(amodal, visible, _size(amodal))
    except ValueError:
        return Measures()


def _shows(visible: Segmentation) -> bool:
    """Whether a visible mask has a pixel; one that cannot be read has none."""
    try:
        return pixels(united(visible, *_size(visible))) > 0
    except ValueError:
        return False


def _size(segmentation: Segmentation) -> tuple[int, int]:
    """The height and width that an RLE states. Raises `ValueError` where it states none."""
    first = segmentation[0] if is_list(segmentation) and segmentation else segmentation
    size = first.get("size") if is_object(first) else None
    if not is_list(size) or len(size) != 2 or not all(map(side, size)):
        raise ValueError("malformed RLE: it has no size [height, width]")
    return side(size[0]), side(size[1])


def _listed(rows: list[dict[str, Any]], video: str, subset: Subset, problems: list[Problem]) -> list[dict[str, Any]]:
    """The rows that the subset lists, with the rates it states; adds listed ones that are not there to `problems`."""
    wanted = dict(subset.videos[int(video)])
    chosen = []
    for row in rows:
        listed = wanted.pop((row["fish"], row["frame"]), None)
        if listed is not None:
            rate = _settled(listed, row)
            for what in overruled(RATE, listed.occlusion_rate, rate):
                problems.append(Problem(str(subset.file), f"line {listed.line}", what))
            chosen.append(row | {"occlusion_rate": rate})
    for (fish, frame), listed in wanted.items():
        what = f"fish {fish} has no amodal mask in frame {frame} of video {video}"
        problems.append(Problem(str(subset.file), f"line {listed.line}", what))
    return chosen


def _settled(listed: Listed, row: dict[str, Any]) -> float:
    return settled(listed.occlusion_rate, row["hidden"], lambda: float(row["occlusion_rate"]))


def _absent(layout: Layout, present: list[str], subset: Subset) -> Iterator[Problem]:
    """The videos that the subset lists and the tree lacks."""
    for video in sorted(subset.videos.keys() - map(int, present)):
        rows = subset.videos[video]
        first = min(listed.line for listed in rows.values())
        what = f"video {video} with {len(rows)} listed instances is not in {layout.scenes}"
        yield Problem(str(subset.file), f"line {first}", what)
