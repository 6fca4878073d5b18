"""FishBowl: the documented facts on a rendered clip, and every trap and damage of the format on toy trees."""

from __future__ import annotations

import csv
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask
import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.config.build import build
from amodal_bench.core import progress
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, TRACK_COLUMNS, Dataset, Problem
from amodal_bench.datasets.fishbowl import fishbowl
from amodal_bench.datasets.fishbowl import index as fishbowl_index
from amodal_bench.datasets.fishbowl.fishbowl import FishBowl
from amodal_bench.datasets.fishbowl.frames import FRAMES_KEPT, VideoFrames
from amodal_bench.testing.export.fishbowl import CONTAINER_RATE, FIRST_ID, LAYOUTS, PAN, export
from amodal_bench.toy.scene import draw_scene

SAMPLES = Path(__file__).parents[2] / "shared/samples/fishbowl"
"""A clip rendered with the authors' generator; tests that need it skip where it is absent."""

VIDEOS, FRAMES = 3, 3
SUBSET = "test_files/test_subtest.csv"


@dataclass(frozen=True)
class Truth:
    """One fish in one frame."""

    image: Image
    visible: Mask
    amodal: Mask
    others: Mask


def drawn() -> dict[str, Truth]:
    """What the exported trees show, from the drawing itself."""
    found = {}
    for video in range(VIDEOS):
        scene = draw_scene(0, "test", video)
        width = scene.image.shape[1] - PAN * (FRAMES - 1)
        fish = {FIRST_ID + k: one for k, one in enumerate(scene.instances) if one.kind == "fish"}
        for frame in range(FRAMES):
            window = np.s_[:, PAN * frame : PAN * frame + width]
            for id, one in fish.items():
                others = np.zeros_like(one.visible)
                for other in fish.values():
                    others |= other.visible & (other is not one)
                masks = (one.visible[window], one.amodal[window], others[window])
                if masks[1].any():
                    found[f"{video:05d}-{id}-{frame:05d}"] = Truth(scene.image[window], *masks)
    return found


TRUTH = drawn()


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A toy tree of each layout; not to be changed."""
    folder = tmp_path_factory.mktemp("fishbowl")
    return {name: export(folder / name, images=VIDEOS, layout=name, frames=FRAMES) for name in LAYOUTS}


@pytest.fixture
def copied(trees: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A tree of a layout that the test may change."""
    return lambda layout: shutil.copytree(trees[layout], tmp_path / layout)


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    """Change the parsed content of an objects.json in place, or replace it by what `change` returns."""
    content = json.loads(file.read_text())
    result = change(content)
    file.write_text(json.dumps(content if result is None else result))


def first_fish(root: Path, video: str = "00001", scenes: str = ".") -> int:
    return int(json.loads((root / scenes / video / "objects.json").read_text())[0]["id"])


def fish_file(root: Path) -> Path:
    """The amodal masks of the first fish of video 1 in a tree of the generator's layout."""
    return root / f"00001_object{first_fish(root)}" / "objects.json"


def empty_like(mask: dict[str, Any]) -> Any:
    return encode(np.zeros(mask["size"], dtype=np.bool_))


def full_like(mask: dict[str, Any]) -> Any:
    return encode(np.ones(mask["size"], dtype=np.bool_))


def assert_true(dataset: FishBowl, id: str, exact_image: bool) -> None:
    """Masks as drawn; a picture out of a lossy video is only near to what was drawn."""
    sample, truth = dataset.sample(id), TRUTH[id]
    np.testing.assert_array_equal(sample.visible, truth.visible)
    np.testing.assert_array_equal(sample.amodal, truth.amodal)
    np.testing.assert_array_equal(sample.others, truth.others)
    if exact_image:
        np.testing.assert_array_equal(sample.image, truth.image)
    else:
        assert sample.image.shape == truth.image.shape
        assert np.abs(sample.image.astype(int) - truth.image).mean() < 12


# The rendered clip


@pytest.fixture(params=["generator", "postprocessed"])
def real(request: pytest.FixtureRequest) -> FishBowl:
    if not SAMPLES.is_dir():
        pytest.skip("the rendered clip is not at hand")
    return FishBowl(str(SAMPLES / f"{request.param}_layout"))


def test_real_clip_has_the_documented_facts(real: FishBowl) -> None:
    instances = real.index.instances
    assert real.layout.name in real.layout.base.name
    assert instances["fish"].nunique() == 9 and instances["frame"].max() == 127
    hidden = instances[instances["fish"] == 5]["hidden"]
    assert (len(hidden), hidden.sum(), instances["hidden"].sum()) == (85, 50, 50)
    assert (instances["fish"] == 24).sum() == 3
    assert set(instances["category"]) == {"SmallFishA", "MediumFishA", "MediumFishB", "BigFishA", "BigFishB"}
    assert real.index.problems.empty


def test_real_samples_are_what_pycocotools_decodes(real: FishBowl) -> None:
    root = SAMPLES / "generator_layout"
    visible = {o["id"]: o for o in json.loads((root / "00000/objects.json").read_text())}
    alone = {id: json.loads((root / f"00000_object{id}/objects.json").read_text())[0] for id in visible}
    chosen = real.index.instances.iloc[::67]
    assert len(chosen) > 10
    for row in chosen.itertuples():
        sample = real.sample(str(row.id))
        amodal = pycocotools.mask.decode(alone[row.fish]["masks"][row.frame]).astype(bool)
        np.testing.assert_array_equal(sample.amodal, amodal)
        masks = {id: pycocotools.mask.decode(o["masks"][row.frame]).astype(bool) for id, o in visible.items()}
        np.testing.assert_array_equal(sample.visible, masks[row.fish])
        others = np.any([mask for id, mask in masks.items() if id != row.fish], axis=0)
        np.testing.assert_array_equal(sample.others, others)
        assert not (sample.visible & others).any() and not (sample.visible & ~amodal).any()
        assert row.occlusion_rate == pytest.approx((amodal & ~sample.visible).sum() / amodal.sum())
        assert row.amodal_pixels == amodal.sum()


@pytest.mark.slow
def test_real_clip_passes_the_check(real: FishBowl) -> None:
    assert list(FishBowl(str(real.layout.base), stride=16).check()) == []


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the rendered clip is not at hand")
def test_real_frames_are_those_of_a_sequential_read() -> None:
    file = SAMPLES / "generator_layout/00000/video.mp4"
    capture, sequence = cv2.VideoCapture(str(file)), []
    while (read := capture.read())[0]:
        sequence.append(read[1][..., ::-1])
    assert len(sequence) == 128 and capture.get(cv2.CAP_PROP_FPS) == CONTAINER_RATE
    frames = VideoFrames(lambda video: file)
    for frame in (0, 1, 40, 38, 33, 127, 5):  # on, back within what is kept, back beyond it
        np.testing.assert_array_equal(frames.read("00000", frame), sequence[frame])
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
        np.testing.assert_array_equal(capture.read()[1][..., ::-1], sequence[frame])


# Toy trees


@pytest.mark.parametrize("layout", LAYOUTS)
def test_round_trip(trees: dict[str, Path], layout: str) -> None:
    dataset = FishBowl(str(trees[layout]))
    assert dataset.layout.name == layout
    assert sorted(dataset.records()["id"]) == sorted(TRUTH)
    for id in TRUTH:
        assert_true(dataset, id, exact_image=layout == "savos")
    assert dataset.check() == []


def test_records_say_what_the_masks_show(trees: dict[str, Path]) -> None:
    dataset: Dataset = FishBowl(str(trees["generator"]))
    records = dataset.records()
    assert list(records.columns) == [*RECORD_COLUMNS, *TRACK_COLUMNS]
    assert records.dtypes.equals(records.astype({**RECORD_COLUMNS, **TRACK_COLUMNS}).dtypes)
    assert (records["occlusion_rate"] > 0.1).any()
    for record in records.itertuples():
        truth = TRUTH[str(record.id)]
        video, _, frame = str(record.id).split("-")
        assert (record.image_id, record.video_id) == (f"{video}/{frame}", video)
        assert record.amodal_pixels == truth.amodal.sum()
        hidden = (truth.amodal & ~truth.visible).sum()
        assert record.occlusion_rate == pytest.approx(hidden / record.amodal_pixels, abs=1e-12)
        border = np.pad(np.zeros(np.subtract(truth.amodal.shape, 2), bool), 1, constant_values=True)
        assert record.truncated == (truth.amodal & border).any()
        assert not (record.stuff or record.crowd or record.hidden)


def test_rows_are_in_the_order_of_the_frames(trees: dict[str, Path]) -> None:
    instances = FishBowl(str(trees["generator"])).index.instances
    assert instances.equals(instances.sort_values(["video_id", "frame", "position"], ignore_index=True))


def test_scenery_hides_but_is_not_listed(tmp_path: Path) -> None:
    export(tmp_path, images=3, seed=1, layout="savos")
    dataset = FishBowl(str(tmp_path))
    samples = map(dataset.sample, dataset.records()["id"])
    assert any((s.amodal & ~s.visible & ~s.others).any() for s in samples)


def test_a_hidden_fish_is_an_instance(copied: Callable[[str], Path]) -> None:
    root = copied("generator")
    edit(root / "00001/objects.json", lambda o: o[0]["masks"].__setitem__(1, empty_like(o[0]["masks"][1])))
    dataset, id = FishBowl(str(root)), f"00001-{first_fish(root)}-00001"
    record = dataset.records().set_index("id").loc[id]
    assert record["hidden"] and record["occlusion_rate"] == 1
    assert dataset.records()["hidden"].sum() == 1
    assert not dataset.sample(id).visible.any() and dataset.sample(id).amodal.any()
    assert dataset.check() == []


def test_a_frame_without_amodal_pixels_is_no_instance(copied: Callable[[str], Path]) -> None:
    root = copied("generator")
    for file in (root / "00001/objects.json", fish_file(root)):
        edit(file, lambda o: o[0]["masks"].__setitem__(1, empty_like(o[0]["masks"][1])))
    dataset = FishBowl(str(root))
    assert set(TRUTH) - set(dataset.records()["id"]) == {f"00001-{first_fish(root)}-00001"}
    assert dataset.check() == []


def test_postprocessed_folders_go_by_position_and_not_by_id(copied: Callable[[str], Path]) -> None:
    root = copied("postprocessed")
    ids = [o["id"] for o in json.loads((root / "00000/objects.json").read_text())]
    assert ids != list(range(len(ids)))
    for position, id in enumerate(ids):
        assert json.loads((root / f"00000/object{position:03d}/objects.json").read_text())[0]["id"] == id


def test_backgrounds_and_recordings_are_not_needed(copied: Callable[[str], Path]) -> None:
    for layout in ("generator", "postprocessed"):
        root = copied(layout)
        for recording in root.rglob("recording.json"):
            recording.unlink()
        for background in list(root.rglob("*background")):
            shutil.rmtree(background)
        assert len(FishBowl(str(root)).records()) == len(TRUTH)


class Trap:
    """Unpickling it makes the file `opened`."""

    def __init__(self, opened: Path) -> None:
        self.opened = opened

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.opened),)


def test_the_pickle_is_not_opened(copied: Callable[[str], Path], tmp_path: Path) -> None:
    root, opened = copied("savos"), tmp_path / "opened"
    (root / "test_data/test_data.pkl").write_bytes(pickle.dumps(Trap(opened)))
    dataset = FishBowl(str(root), rows=str(root / SUBSET))
    assert dataset.check() == [] and len(dataset.records()) and not opened.exists()
    pickle.loads((root / "test_data/test_data.pkl").read_bytes())
    assert opened.exists()


# Frames of videos


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose frame t is grey with the value 8 t."""
    file = tmp_path_factory.mktemp("clip") / "video.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    for value in range(0, 240, 8):
        writer.write(np.full((48, 64, 3), value, dtype=np.uint8))
    writer.release()
    return file


def test_frames_in_any_order(clip: Path) -> None:
    frames = VideoFrames(lambda video: clip)
    assert frames.numbers("x") == list(range(30))
    for frame in [0, 29, 28, 3, 3, *np.random.default_rng(0).permutation(30).tolist()]:
        assert round(frames.read("x", frame).mean() / 8) == frame


def test_few_frames_are_kept_and_none_is_shared(clip: Path) -> None:
    frames = VideoFrames(lambda video: clip)
    frames.read("x", 29)
    assert frames._clip is not None and len(frames._clip.kept) == FRAMES_KEPT
    for frame in range(29, 29 - FRAMES_KEPT, -1):
        frames.read("x", frame)[:] = 0
        assert frames._clip.next == 30  # not opened anew
        assert round(frames.read("x", frame).mean() / 8) == frame


def test_colours_are_in_order(trees: dict[str, Path]) -> None:
    sample = FishBowl(str(trees["generator"])).sample(next(iter(TRUTH)))
    truth = next(iter(TRUTH.values())).image.reshape(-1, 3).mean(axis=0)
    assert np.ptp(truth) > 20
    np.testing.assert_allclose(sample.image.reshape(-1, 3).mean(axis=0), truth, atol=4)


# Options


def test_stride(trees: dict[str, Path]) -> None:
    dataset = FishBowl(str(trees["generator"]), stride=2)
    assert sorted(dataset.records()["id"]) == sorted(id for id in TRUTH if int(id[-5:]) % 2 == 0)
    for id in dataset.records()["id"]:
        assert_true(dataset, id, exact_image=False)
    assert dataset.check() == []


def test_frames_of_another_folder(trees: dict[str, Path]) -> None:
    images = trees["savos"] / "test_data/test_frames"
    dataset = FishBowl(str(trees["generator"]), images=str(images))
    for id in TRUTH:
        assert_true(dataset, id, exact_image=True)
    assert dataset.check() == []


def counted(rows: list[dict[str, str]]) -> list[str]:
    return [f"{int(r['v_id']):05d}-{r['obj_id']}-{int(r['frame_id']):05d}" for r in rows if r["test"] == "1"]


def test_rows_select_instances_and_state_their_rates(copied: Callable[[str], Path]) -> None:
    root = copied("savos")
    with (root / SUBSET).open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["v_id"] == "0" and {row["test"] for row in rows} == {"0", "1"}
    rows[1]["OCC_R"] = "0.4321"
    write_rows(root, rows)
    dataset = FishBowl(str(root), rows=str(root / SUBSET))
    assert sorted(dataset.records()["id"]) == sorted(counted(rows))
    rates = dataset.records().set_index("id")["occlusion_rate"]
    for row in rows:
        if row["test"] == "1":
            assert rates[counted([row])[0]] == float(row["OCC_R"])
    for id in dataset.records()["id"]:  # `others` covers fish that the subset leaves out
        assert_true(dataset, id, exact_image=True)


def write_rows(root: Path, rows: list[dict[str, str]]) -> None:
    with (root / SUBSET).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_others_covers_fish_outside_the_subset(copied: Callable[[str], Path]) -> None:
    root = copied("savos")
    id = next(id for id, truth in TRUTH.items() if truth.others.any())
    video, fish, frame = id.split("-")
    write_rows(root, [{"v_id": video, "obj_id": fish, "frame_id": frame, "OCC_R": ""}])
    dataset = FishBowl(str(root), rows=str(root / SUBSET))
    assert list(dataset.records()["id"]) == [id]
    assert_true(dataset, id, exact_image=True)
    assert dataset.check() == []  # no rate is stated, so the measured one stands


@pytest.mark.slow
def test_configuration(trees: dict[str, Path]) -> None:
    settings = composed("dataset=fishbowl", f"dataset.root={trees['generator']}", "dataset.stride=2")
    dataset = build(settings.dataset, "dataset")
    assert isinstance(dataset, FishBowl) and len(dataset.records()) < len(TRUTH)


@pytest.mark.parametrize(("option", "value"), [("layout", "zip"), ("stride", 0)])
def test_impossible_options(trees: dict[str, Path], option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"dataset.{option}: .*{value}"):
        FishBowl(str(trees["generator"]), **{option: value})


def test_videos_of_ones_own_lie_in_the_splits_folder_or_in_the_root(trees: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(trees["generator"], tmp_path / "both/val")
    shutil.copytree(trees["postprocessed"], tmp_path / "both/train")
    shutil.rmtree(tmp_path / "both/val/00000")
    val, train = (FishBowl(str(tmp_path / "both"), split=split) for split in ("val", "train"))
    whole = FishBowl(str(trees["generator"]), split="train")
    assert train.records().equals(whole.records())
    assert set(val.records()["video_id"]) == set(whole.records()["video_id"]) - {"00000"}
    assert whole.fingerprint() != FishBowl(str(trees["generator"])).fingerprint()


def test_savos_released_one_split(trees: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"has no split 'train'; it has test$"):
        FishBowl(str(trees["savos"]), split="train")


# Index and fingerprint


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_index_is_built_once(copied: Callable[[str], Path], layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copied(layout)
    before = FishBowl(str(root))

    def fail(*_: Any) -> Any:
        raise AssertionError("the index is built again")

    with monkeypatch.context() as patch:
        patch.setattr(fishbowl, "build_index", fail)
        again = FishBowl(str(root))
        assert again.records().equals(before.records()) and again.fingerprint() == before.fingerprint()
        with pytest.raises(AssertionError, match="built again"):
            FishBowl(str(root), stride=2)
    scenes = "test_data/test" if layout == "savos" else "."
    edit(root / scenes / "00001/objects.json", lambda o: o[0].__setitem__("type_name", "Shark"))
    changed = FishBowl(str(root))
    assert "Shark" in set(changed.records()["category"])
    assert changed.fingerprint() != before.fingerprint()


def test_a_missing_file_changes_the_index(copied: Callable[[str], Path]) -> None:
    root = copied("generator")
    before = FishBowl(str(root))
    shutil.rmtree(fish_file(root).parent)
    assert len(FishBowl(str(root)).records()) < len(before.records())


def test_fingerprint_does_not_depend_on_the_place(copied: Callable[[str], Path], tmp_path: Path) -> None:
    root = copied("savos")
    moved = shutil.copytree(root, tmp_path / "elsewhere/fish")
    assert FishBowl(str(moved)).fingerprint() == FishBowl(str(root)).fingerprint()
    digests = {FishBowl(str(root), stride=n).fingerprint() for n in (1, 2)}
    digests |= {FishBowl(str(root), rows=str(root / SUBSET)).fingerprint()}
    assert len(digests) == 3
    file = moved / "test_data/test/00000/objects.json"
    file.write_text(file.read_text() + "\n")
    assert FishBowl(str(moved)).fingerprint() not in digests


def test_problems_name_files_where_they_are_now(copied: Callable[[str], Path], tmp_path: Path) -> None:
    root = copied("generator")
    shutil.rmtree(fish_file(root).parent)
    assert str(root) in FishBowl(str(root)).index.problems["file"].iloc[0]
    moved = root.rename(tmp_path / "moved")
    assert str(moved) in FishBowl(str(moved)).index.problems["file"].iloc[0]


def test_progress_is_shown_for_many_videos(
    trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    FishBowl(str(trees["generator"]))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "WAIT", 0.0)
    monkeypatch.setattr(fishbowl_index, "SHOW_PROGRESS", VIDEOS)
    FishBowl(str(trees["generator"]), stride=4)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    FishBowl(str(trees["generator"]), stride=3)
    assert "indexing fishbowl" in capsys.readouterr().err


@pytest.mark.parametrize("at_once", [1, 5])
def test_tables_are_joined_in_order(trees: dict[str, Path], at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FishBowl(str(trees["generator"]), stride=2)
    monkeypatch.setattr(fishbowl_index, "ROWS_AT_ONCE", at_once)
    joined = fishbowl_index.build_index(whole.layout, 2, None)
    assert joined.instances.equals(whole.index.instances) and joined.problems.equals(whole.index.problems)


def test_parsed_files_kept_are_bounded(trees: dict[str, Path]) -> None:
    dataset = FishBowl(str(trees["generator"]))
    kept: Any = dataset._objects
    assert kept.cache_info().maxsize == fishbowl.FILES_KEPT


# Broken inputs


@dataclass(frozen=True)
class Damage:
    """A change of a tree and what `check` has to say of it: end of the file's path, record, part of the text.

    `{fish}` in them stands for the id of the first fish of video 1.
    """

    harm: Callable[[Path], object]
    file: str
    record: str
    what: str
    layout: str = "generator"
    rows: bool = False


def on_masks(change: Callable[[Any], Any], alone: bool) -> Callable[[Path], None]:
    """Change the mask of frame 1 of video 1's first fish: A (`alone`) or V."""

    def harm(root: Path) -> None:
        file = fish_file(root) if alone else root / "00001/objects.json"
        edit(file, lambda o: o[0]["masks"].__setitem__(1, change(o[0]["masks"][1])))

    return harm


def on_fish(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda root: edit(fish_file(root), change)


def on_scene(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda root: edit(root / "00001/objects.json", change)


def on_row(**changes: str) -> Callable[[Path], None]:
    """Change the first row of the subset that is of video 1; it counts then. "again" repeats it."""

    def harm(root: Path) -> None:
        with (root / SUBSET).open() as file:
            rows = list(csv.DictReader(file))
        wanted = next(row for row in rows if row["v_id"] == "1" and row["test"] == "1")
        rows.remove(wanted)
        rows.insert(0, wanted | changes)
        write_rows(root, rows)

    return harm


def repeat_row(root: Path) -> None:
    on_row()(root)
    lines = (root / SUBSET).read_text().splitlines(keepends=True)
    (root / SUBSET).write_text("".join([*lines[:2], lines[1], *lines[2:]]))


def cut(file: str) -> Callable[[Path], object]:
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[:-40])


def shorten(root: Path) -> None:
    """Video 1 without its last frame."""
    file, writer = root / "00001/video.mp4", None
    capture = cv2.VideoCapture(str(file))
    images = [capture.read()[1] for _ in range(FRAMES - 1)]
    capture.release()
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 25, images[0].shape[1::-1])
    for image in images:
        writer.write(image)
    writer.release()


def longer_list(root: Path) -> None:
    """Fewer masks than frames, in V and A alike."""
    for file in root.glob("00001*/objects.json"):
        edit(file, lambda objects: [o | {"masks": o["masks"][1:]} for o in objects])


def number_from_one(root: Path) -> None:
    for file in sorted((root / "test_data/test_frames/00001").iterdir(), reverse=True):
        file.rename(file.with_name(f"{int(file.stem) + 1:05d}.png"))


def resize(root: Path) -> None:
    file = root / "test_data/test_frames/00001/00001.png"
    cv2.imwrite(str(file), np.zeros((20, 30, 3), dtype=np.uint8))


def swap(root: Path) -> None:
    first, second, spare = (root / "00001" / name for name in ("object000", "object001", "spare"))
    first.rename(spare)
    second.rename(first)
    spare.rename(second)


BOTH = "00001_object{fish}/objects.json"
SCENE = "00001/objects.json"
FRAME_1 = "instance 00001-{fish}-00001"
PNG = "test_frames/00001"

DAMAGES: dict[str, Damage] = {
    "list cut short": Damage(cut(SCENE), SCENE, "video 00001", "not valid JSON, or cut short (line 1"),
    "no list": Damage(lambda root: (root / SCENE).unlink(), SCENE, "video 00001", "no such file"),
    "another JSON": Damage(on_scene(lambda o: {"objects": o}), SCENE, "video 00001", "it must be a list"),
    "no id": Damage(on_scene(lambda o: o[0].pop("id") and None), SCENE, "object 0", 'no whole number "id"'),
    "id too long": Damage(
        on_scene(lambda o: o.append(o[0] | {"id": 10**30})), SCENE, "object {count}", 'no whole number "id"'
    ),
    "no object": Damage(on_scene(lambda o: o.append("fish")), SCENE, "object {count}", 'no whole number "id"'),
    "listed twice": Damage(on_scene(lambda o: o.append(o[0])), SCENE, "fish {fish}", "listed twice"),
    "no masks": Damage(on_scene(lambda o: o[0].update(masks=7)), SCENE, "fish {fish}", 'no list "masks"'),
    "not rendered alone": Damage(
        lambda root: shutil.rmtree(fish_file(root).parent), BOTH, "fish {fish}", "no single-fish rendering"
    ),
    "alone cut short": Damage(
        lambda root: fish_file(root).write_text("[{"), BOTH, "fish {fish}", "not valid JSON, or cut short"
    ),
    "two alone": Damage(on_fish(lambda o: o * 2), BOTH, "fish {fish}", "lists 2 objects instead of the one fish"),
    "none alone": Damage(on_fish(lambda o: []), BOTH, "fish {fish}", "lists 0 objects"),
    "another fish alone": Damage(
        on_fish(lambda o: o[0].update(id=99)), BOTH, "fish {fish}", "holds fish 99 instead of fish {fish}"
    ),
    "masks missing": Damage(
        on_fish(lambda o: o[0]["masks"].pop() and None), BOTH, "fish {fish}", "has 2 masks but the video's objects"
    ),
    "A cut short": Damage(
        on_masks(lambda m: m | {"counts": m["counts"][:-3]}, alone=True), BOTH, FRAME_1, "malformed RLE"
    ),
    "A is null": Damage(on_masks(lambda m: None, alone=True), BOTH, FRAME_1, "no segmentation"),
    "A has another size": Damage(
        on_masks(lambda m: encode(np.ones((10, 20), bool)), alone=True), BOTH, FRAME_1, "mask is 10x20 but the image"
    ),
    "V has another size": Damage(
        on_masks(lambda m: encode(np.ones((10, 20), bool)), alone=False), SCENE, FRAME_1, "mask is 10x20 but"
    ),
    "V has a bad character": Damage(
        on_masks(lambda m: m | {"counts": "~~"}, alone=False), SCENE, FRAME_1, "malformed RLE"
    ),
    "V beyond A": Damage(on_masks(full_like, alone=False), BOTH, FRAME_1, "visible pixels lie outside"),
    "V without A": Damage(
        on_masks(empty_like, alone=True), SCENE, "fish {fish}", "frame 1: it has visible pixels but the amodal mask"
    ),
    "no video": Damage(
        lambda root: (root / "00001/video.mp4").unlink(), "00001/video.mp4", "video 00001", "no such file"
    ),
    "video cut short": Damage(
        lambda root: (root / "00001/video.mp4").write_bytes((root / "00001/video.mp4").read_bytes()[:3000]),
        "00001/video.mp4",
        "video 00001",
        "cannot be read as a video, or is cut short",
    ),
    "frame missing": Damage(shorten, "00001/video.mp4", "frame 2", "it ends after 2 frames"),
    "more frames than masks": Damage(
        longer_list, "00001/video.mp4", "video 00001", "3 frames, first 0 and last 2, but there are 2 masks"
    ),
    "folders by another order": Damage(
        swap, "00001/object000/objects.json", "fish {fish}", "instead of fish {fish}", layout="postprocessed"
    ),
    "no picture": Damage(
        lambda root: (root / "test_data" / PNG / "00002.png").unlink(),
        f"{PNG}/00002.png",
        "",
        "no such file",
        layout="savos",
    ),
    "picture cut short": Damage(
        cut(f"test_data/{PNG}/00001.png"), f"{PNG}/00001.png", "", "cannot be read as a picture", layout="savos"
    ),
    "picture of another size": Damage(
        resize, "test/00001/objects.json", FRAME_1, "but the image is 20x30", layout="savos"
    ),
    "numbered from one": Damage(
        number_from_one, PNG, "video 00001", "3 frames, first 1 and last 3, but there are 3 masks", layout="savos"
    ),
    "no pictures": Damage(
        lambda root: shutil.rmtree(root / "test_data" / PNG), PNG, "video 00001", "does not exist", layout="savos"
    ),
    "row of no fish": Damage(on_row(obj_id="77"), SUBSET, "line 2", "fish 77 has no amodal mask", "savos", True),
    "row of no frame": Damage(on_row(frame_id="500"), SUBSET, "line 2", "in frame 500 of video", "savos", True),
    "row of no video": Damage(on_row(v_id="8"), SUBSET, "line 2", "video 8 with 1 listed", "savos", True),
    "row of no number": Damage(on_row(v_id="fish"), SUBSET, "line 2", "whole numbers", "savos", True),
    "row of no rate": Damage(
        on_row(OCC_R="7"), SUBSET, "line 2", "OCC_R is not a number between 0 and 1", "savos", True
    ),
    "row twice": Damage(repeat_row, SUBSET, "line 3", "lists the instance of line 2 again", "savos", True),
    "wrong rate": Damage(
        on_row(OCC_R="0.95"),
        "test_objects/00001_object{shown}/objects.json",
        "instance 00001-{shown}-",
        "occlusion rate says 0.95",
        "savos",
        True,
    ),
}


@pytest.mark.parametrize("name", mostly_slow(DAMAGES, 11))
def test_damage_is_reported_and_stays_where_it_is(name: str, copied: Callable[[str], Path]) -> None:
    damage = DAMAGES[name]
    root = copied(damage.layout)
    listing = root / ("test_data/test" if damage.layout == "savos" else ".") / SCENE
    objects = json.loads(listing.read_text())
    shown = next(id.split("-")[1] for id in TRUTH if id.startswith("00001-"))
    names = {"fish": objects[0]["id"], "count": len(objects), "shown": shown}
    damage.harm(root)
    dataset = FishBowl(str(root), rows=str(root / SUBSET) if damage.rows else None)
    expected = Problem(*(part.format(**names) for part in (damage.file, damage.record, damage.what)))
    found = dataset.check()
    assert any(
        p.file.endswith(expected.file) and p.record.startswith(expected.record) and expected.what in p.what
        for p in found
    ), found
    unharmed = [id for id in dataset.records()["id"] if id.startswith("00000-")]
    assert unharmed
    for id in unharmed:
        assert_true(dataset, id, exact_image=damage.layout == "savos")


@pytest.mark.parametrize("name", ["A cut short", "V has another size", "no video", "frame missing"])
def test_damage_raises_from_sample_with_file_and_record(name: str, copied: Callable[[str], Path]) -> None:
    damage, root = DAMAGES[name], copied("generator")
    damage.harm(root)
    fish = first_fish(root)
    dataset = FishBowl(str(root))
    assert len(dataset.records()) == len(TRUTH)  # bad masks and videos are instances all the same
    with pytest.raises(InputError) as caught:
        dataset.sample(f"00001-{fish}-{'00002' if name == 'frame missing' else '00001'}")
    assert caught.value.file.endswith(damage.file.format(fish=fish)) and "\n" not in str(caught.value)
    assert damage.what in str(caught.value) and ";" in str(caught.value)


def test_a_fish_without_amodal_masks_still_counts_as_another(copied: Callable[[str], Path]) -> None:
    root = copied("generator")
    fish = first_fish(root)
    shutil.rmtree(fish_file(root).parent)
    dataset = FishBowl(str(root))
    left = [id for id in TRUTH if id.startswith("00001-") and f"-{fish}-" not in id]
    assert left
    for id in left:
        assert_true(dataset, id, exact_image=False)


def test_a_fish_whose_id_is_half_a_character_is_a_problem(copied: Callable[[str], Path]) -> None:
    root = copied("generator")
    edit(fish_file(root), lambda objects: objects[0].update(id="a\udfff"))
    assert any("a\\udfff" in problem.what for problem in FishBowl(str(root)).check())


def test_a_fish_listed_twice_is_not_another_than_itself(copied: Callable[[str], Path]) -> None:
    root = copied("generator")
    DAMAGES["listed twice"].harm(root)
    assert_true(FishBowl(str(root)), f"00001-{first_fish(root)}-00001", exact_image=False)


def test_unknown_id(trees: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="no such instance"):
        FishBowl(str(trees["generator"])).sample("00000-1-00000")


def nothing(root: Path) -> None:
    """No damage: the constructor's options name something that is not there."""


def no_fish_alone(root: Path) -> None:
    for folder in root.glob("*_object*"):
        shutil.rmtree(folder)


def all_cut(root: Path) -> None:
    for file in root.glob("0000?/objects.json"):
        file.write_text("[{")


UNUSABLE = [
    pytest.param(
        "generator",
        lambda root: shutil.rmtree(root),
        {},
        ["generator", "does not exist", "dataset.root"],
        id="root",
    ),
    pytest.param(
        "generator", no_fish_alone, {}, ["none of FishBowl's layouts", "FISHBOWL_test_data.zip"], id="alone"
    ),
    pytest.param(
        "generator",
        no_fish_alone,
        {"layout": "generator"},
        ["no single-fish rendering", "this is the first"],
        id="all",
    ),
    pytest.param("generator", all_cut, {}, ["00000/objects.json", "video 00000", "cut short"], id="all cut"),
    pytest.param("generator", nothing, {"layout": "savos"}, ["no video of the layout 'savos'"], id="another layout"),
    pytest.param("generator", nothing, {"images": "gone"}, ["gone", "does not exist", "dataset.images"], id="images"),
    pytest.param(
        "savos",
        lambda root: shutil.rmtree(root / "test_data/test_frames"),
        {},
        ["test_frames", "does not exist", "FISHBOWL_test_data.zip"],
        id="frames",
    ),
    pytest.param("savos", nothing, {"rows": "gone.csv"}, ["gone.csv", "no such file"], id="rows"),
    pytest.param(
        "savos",
        lambda root: (root / SUBSET).write_text("v_id,obj_id\n1,2\n"),
        {"rows": SUBSET},
        [SUBSET, "no column frame_id, OCC_R", "test_files.zip"],
        id="columns",
    ),
    pytest.param(
        "savos", lambda root: (root / SUBSET).write_bytes(b""), {"rows": SUBSET}, [SUBSET, "as a CSV"], id="empty"
    ),
    pytest.param(
        "savos", lambda root: (root / SUBSET).write_bytes(b"\xff\xfa\xfe"), {"rows": SUBSET}, ["as a CSV"], id="bytes"
    ),
]


@pytest.mark.parametrize(("layout", "harm", "options", "parts"), UNUSABLE)
def test_what_cannot_be_opened(
    copied: Callable[[str], Path],
    layout: str,
    harm: Callable[[Path], object],
    options: dict[str, Any],
    parts: list[str],
) -> None:
    root = copied(layout)
    harm(root)
    places = {key: str(root / value) for key, value in options.items() if key in ("rows", "images")}
    with pytest.raises(InputError) as caught:
        FishBowl(str(root), **options | places)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
