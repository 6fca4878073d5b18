"""The toy aquarium in FishBowl's three layouts, as `dataset=fishbowl` reads it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow

from amodal_bench.core.progress import follow
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Image
from amodal_bench.toy.scene import Instance, Scene, draw_scene

LAYOUTS = ("generator", "postprocessed", "savos")
TYPES = ("SmallFishA", "MediumFishA", "MediumFishB", "BigFishA", "BigFishB")
FIRST_ID = 5
PAN = 4
"""Pixels that the window moves to the right from frame to frame."""
LEAST_VISIBLE = 100
"""Fish with no more visible pixels than this in the whole video are not listed, as in FishBowl."""
CONTAINER_RATE = 25
"""Frames per second as FishBowl's files state them, though a step is 1/30 s."""


def export(
    folder: Path,
    split: str = "test",
    images: int = 160,
    seed: int = 0,
    layout: str = "generator",
    frames: int = 1,
) -> Path:
    """Draw a split and write each scene as a video in an official FishBowl tree.

    Fish are listed; plants are scenery, which hides but is not listed. With more than one frame, a window moves over
    the scene, so that fish leave the picture. The single-fish and background videos, which only show what the masks
    say, are left out; video.mp4 is lossy, the masks and the pictures of the layout "savos" are exact.

    Args:
        folder: the tree's root.
        split: any name; each has its own scenes.
        images: number of scenes, and so of videos.
        seed: of the drawing.
        layout: "generator", "postprocessed" or "savos".
        frames: of each video, up to 16.

    Returns:
        The tree's root. Video `n` is scene `n`, and the fish with the id `FIRST_ID + k` its instance `k`.
    """
    if layout not in LAYOUTS or not 1 <= frames <= 16:
        raise ValueError(f"no tree of layout {layout!r} with {frames} frames")
    listing: list[dict[str, Any]] = []
    for index in follow(range(images), "drawing videos", "video"):
        scene = draw_scene(seed, split, index)
        width = scene.image.shape[1] - PAN * (frames - 1)
        windows = [slice(PAN * t, PAN * t + width) for t in range(frames)]
        _write_video(folder, f"{index:05d}", scene, windows, layout)
        listing += _listing(index, scene, windows)
    if layout == "savos":
        _write_listing(folder / "test_files" / "test_subtest.csv", listing)
    return folder


def _listed(scene: Scene, windows: Sequence[slice]) -> Iterator[tuple[int, Instance]]:
    """The fish of a video with their ids, which are not their positions."""
    for number, instance in enumerate(scene.instances):
        shown = sum(int(instance.visible[:, window].sum()) for window in windows)
        if instance.kind == "fish" and shown > LEAST_VISIBLE:
            yield FIRST_ID + number, instance


def _write_video(folder: Path, video: str, scene: Scene, windows: Sequence[slice], layout: str) -> None:
    base = folder / "test_data" / "test" if layout == "savos" else folder
    images = [np.ascontiguousarray(scene.image[:, window]) for window in windows]
    visible, amodal = [], []
    for id, fish in _listed(scene, windows):
        visible.append(_entry(id, [encode(fish.visible[:, window]) for window in windows]))
        amodal.append(_entry(id, [encode(fish.amodal[:, window]) for window in windows]))
    _write_rendering(base / video, video, visible, len(images))
    for position, entry in enumerate(amodal):
        name = f"{video}_object{entry['id']}"
        place = {
            "generator": folder / name,
            "postprocessed": folder / video / f"object{position:03d}",
            "savos": folder / "test_data" / "test_objects" / name,
        }
        _write_rendering(place[layout], name, [entry], len(images), only=entry["id"])
    if layout == "savos":
        pictures = folder / "test_data" / "test_frames" / video
        pictures.mkdir(parents=True, exist_ok=True)
        for frame, image in enumerate(images):
            Pillow.fromarray(image).save(pictures / f"{frame:05d}.png")
        return
    _write_mp4(base / video / "video.mp4", images)
    background = folder / video / "background" if layout == "postprocessed" else folder / f"{video}_background"
    _write_rendering(background, f"{video}_background", [], len(images))


def _entry(id: int, masks: list[Any]) -> dict[str, Any]:
    """An object of objects.json; types go round, and speed and scale say nothing here."""
    type_id = id % len(TYPES)
    fixed = {"id": id, "type_id": type_id, "type_name": TYPES[type_id], "speed": 1.0, "scale": 1.0}
    return fixed | {"masks": masks}


def _write_rendering(folder: Path, name: str, objects: list[dict[str, Any]], frames: int, only: int = -1) -> None:
    """A folder as the generator makes one, less its video; `only` is the fish rendered alone, -1 for none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "objects.json").write_text(json.dumps(objects))
    recording = {
        "frameTimes": [1000 * t / 30 for t in range(frames)],
        "renderOnlyBackground": name.endswith("_background"),
        "renderOnlySingleFish": only,
        "modifyFishColors": False,
        "modifySmallFishSizes": False,
        "modifyLargeFishSizes": False,
        "parameters": {},
        "fishCounts": [0] * len(TYPES),
        "id": name,
    }
    (folder / "recording.json").write_text(json.dumps(recording, indent=4))


def _write_mp4(file: Path, images: Sequence[Image]) -> None:
    """MPEG-4 in place of h264, which OpenCV's wheels cannot write. Raises `OSError` if it cannot be written."""
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), CONTAINER_RATE, (width, height))
    if not writer.isOpened():
        raise OSError(f"{file}: OpenCV cannot write this video")
    for image in images:
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()


def _listing(video: int, scene: Scene, windows: Sequence[slice]) -> Iterator[dict[str, Any]]:
    """A fish's frames in which it is seen; `test` is 0 for the first and the last of more than two.

    The official file keeps other fish too (by area, distance from the border and occlusion); its columns are these.
    """
    for id, fish in _listed(scene, windows):
        seen = [frame for frame, window in enumerate(windows) if fish.visible[:, window].any()]
        for frame in seen:
            amodal, visible = (int(mask[:, windows[frame]].sum()) for mask in (fish.amodal, fish.visible))
            yield {
                "v_id": video,  # a number, where the folder's name has five digits
                "obj_id": id,
                "Type": TYPES[id % len(TYPES)],
                "frame_id": frame,
                "test": int(len(seen) <= 2 or frame not in (seen[0], seen[-1])),
                "OCC_R": 1 - visible / amodal,
            }


def _write_listing(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["v_id", "obj_id", "Type", "frame_id", "test", "OCC_R"])
        writer.writeheader()
        writer.writerows(rows)
