"""SAIL-VOS: both forms of the annotation file and the raw folders, every trap, and seeded damages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pycocotools.mask
import pytest
from conftest import composed
from params import mostly_slow
from PIL import Image
from trees import cut, edit, remove

from amodal_bench.config.build import build
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.masks import touches_border
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, TRACK_COLUMNS
from amodal_bench.datasets.sailvos import json_file, raw_folders
from amodal_bench.datasets.sailvos.frames import frame_ranks
from amodal_bench.datasets.sailvos.sailvos import SailVos
from amodal_bench.testing.datasets import violations
from amodal_bench.testing.export.sailvos import FRAMES, export
from amodal_bench.toy.scene import Instance, Scene, draw_scene

IMAGES = FRAMES + 1  # two videos
OPENED = {"official": "json", "vatrack": "json", "folders": "folders"}
VIDEO = "toy_val_0"


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(0, "val", index) for index in range(IMAGES)]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("official"), images=IMAGES).parent


@pytest.fixture(scope="module")
def vatrack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("vatrack"), images=IMAGES, variant="vatrack").parent


@pytest.fixture
def tree(official: Path, tmp_path: Path) -> Path:
    """A copy of the official tree that a test may change."""
    return Path(shutil.copytree(official, tmp_path / "tree"))


@pytest.fixture
def converted(vatrack: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vatrack, tmp_path / "converted"))


def of_record(change: Callable[[dict[str, Any]], object], position: int = 1) -> Callable[[Path], None]:
    """A change of one annotation; that with id 2 where nothing else is said."""
    return lambda root: edit(root, lambda data: change(data["annotations"][position]))


def truths(scenes: list[Scene], source: str = "json") -> dict[str, tuple[Scene, Instance]]:
    """What each id of an undamaged tree shows."""
    shown: dict[str, tuple[Scene, Instance]] = {}
    for index, scene in enumerate(scenes):
        video, place = divmod(index, FRAMES)
        objects = sum(len(before.instances) for before in scenes[index - place : index])
        for number, instance in enumerate(scene.instances, start=objects + 1):
            raw = f"toy_val_{video}/{3 + 6 * place:06d}/{number}_{instance.kind}"
            shown[raw if source == "folders" else str(len(shown) + 1)] = (scene, instance)
    return shown


def assert_shows(dataset: SailVos, id: str, truth: tuple[Scene, Instance]) -> None:
    scene, instance = truth
    sample = dataset.sample(id)
    np.testing.assert_array_equal(sample.image, scene.image)
    np.testing.assert_array_equal(sample.visible, instance.visible)
    np.testing.assert_array_equal(sample.amodal, instance.amodal)
    assert sample.visible.dtype == sample.amodal.dtype == sample.others.dtype == bool


def others(scene: Scene, instance: Instance) -> Mask:
    united: Mask = np.logical_or.reduce([other.visible for other in scene.instances if other is not instance])
    return united


def position(scenes: list[Scene], wanted: Scene) -> int:
    return next(index for index, scene in enumerate(scenes) if scene is wanted)


# The round trip


@pytest.mark.parametrize("form", OPENED)
def test_round_trip(form: str, official: Path, vatrack: Path, scenes: list[Scene]) -> None:
    dataset = SailVos(str(vatrack if form == "vatrack" else official), source=OPENED[form])
    records = dataset.records()
    assert list(records.columns) == [*RECORD_COLUMNS, *TRACK_COLUMNS]
    assert records.dtypes.equals(records.astype({**RECORD_COLUMNS, **TRACK_COLUMNS}).dtypes)
    row: Any
    for row, (id, truth) in zip(records.itertuples(), truths(scenes, OPENED[form]).items(), strict=True):
        scene, instance = truth
        assert row.id == id
        assert_shows(dataset, id, truth)
        np.testing.assert_array_equal(dataset.sample(id).others, others(scene, instance))
        area, seen = int(instance.amodal.sum()), int(instance.visible.sum())
        assert row.category == instance.kind and row.video_id == f"toy_val_{position(scenes, scene) // FRAMES}"
        assert not (row.stuff or row.crowd or row.hidden)
        if form == "folders":
            assert np.isnan(row.amodal_pixels) and np.isnan(row.occlusion_rate) and not row.truncated
        else:
            assert row.amodal_pixels == area and row.occlusion_rate == pytest.approx(1 - seen / area, abs=1e-12)
            assert row.truncated == touches_border(instance.amodal)
    assert dataset.check() == []


@pytest.mark.parametrize("source", ["json", "folders"])
def test_contract(official: Path, source: str) -> None:
    assert violations(SailVos(str(official), source=source)) == []


def test_the_yaml_opens_it(official: Path) -> None:
    dataset = build(composed("dataset=sailvos", f"dataset.root={official}").dataset, "dataset")
    assert isinstance(dataset, SailVos) and len(dataset.records()) > IMAGES


def test_train_is_train_json(tmp_path: Path) -> None:
    assert export(tmp_path, "train", images=1).name == "train.json"
    dataset = SailVos(str(tmp_path), split="train")
    shown = draw_scene(0, "train", 0)
    assert_shows(dataset, "1", (shown, shown.instances[0]))


def test_files_may_lie_elsewhere(tree: Path, scenes: list[Scene], tmp_path: Path) -> None:
    (tree / "valid.json").rename(tmp_path / "other.json")
    dataset = SailVos("no/such/root", annotations=str(tmp_path / "other.json"), images=str(tree))
    assert_shows(dataset, "1", (scenes[0], scenes[0].instances[0]))
    folders = SailVos("no/such/root", source="folders", images=str(tree))
    assert len(folders.records()) == len(dataset.records())


# Traps of the annotation files


def without(key: str) -> Callable[[Any], object]:
    return lambda data: [record.pop(key) for record in data["annotations"]]


def test_two_masks_in_segmentation_are_not_united(converted: Path, scenes: list[Scene]) -> None:
    for key in ("amodal_mask", "visible_mask"):
        edit(converted, without(key))
        dataset = SailVos(str(converted))
        for id, truth in truths(scenes).items():
            assert_shows(dataset, id, truth)


def test_amodal_mask_counts_where_segmentation_is_the_visible_one(converted: Path, scenes: list[Scene]) -> None:
    def change(data: Any) -> None:
        for record in data["annotations"]:
            record.update(segmentation=record["visible_mask"], area=record["area_visible"])

    edit(converted, change)
    dataset = SailVos(str(converted))
    assert dataset.check() == []
    for id, truth in truths(scenes).items():
        assert_shows(dataset, id, truth)


def test_video_ids_are_not_trusted(tree: Path) -> None:
    edit(tree, lambda data: [image.update(video_id=1) for image in data["images"]])
    assert set(SailVos(str(tree)).records()["video_id"]) == {"toy_val_0", "toy_val_1"}


def test_unknown_category_is_its_number(tree: Path, scenes: list[Scene]) -> None:
    of_record(lambda record: record.update(category_id=901))(tree)
    dataset = SailVos(str(tree))
    assert dataset.records()["category"].iloc[1] == "901"
    assert [(p.file, p.record) for p in dataset.check()] == [(str(tree / "valid.json"), "category_id 901")]
    assert_shows(dataset, "2", truths(scenes)["2"])


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_pictures_that_were_converted(tree: Path, scenes: list[Scene], ending: str) -> None:
    for path in tree.glob("*/images/*.bmp"):
        Image.open(path).save(path.with_suffix(ending), quality=95)
        path.unlink()
    assert all(name.endswith(".bmp") for name in SailVos(str(tree)).index.instances["picture"])
    for source in ("json", "folders"):
        dataset = SailVos(str(tree), source=source)
        for id, (scene, _) in truths(scenes, source).items():
            difference = np.abs(dataset.sample(id).image.astype(int) - scene.image)
            assert difference.max() == 0 if ending == ".png" else difference.mean() < 8


@pytest.mark.parametrize("form", ["polygon", "runs", "list of one"])
def test_other_encodings(tree: Path, scenes: list[Scene], form: str) -> None:
    truth = scenes[0].instances[0].amodal

    def change(record: dict[str, Any]) -> None:
        if form == "polygon":
            record["segmentation"] = [0, 0, 40, 0, 40, 30, 0, 30]
        elif form == "runs":
            changes = np.flatnonzero(np.diff(truth.ravel(order="F"), prepend=False, append=~truth[-1, -1]))
            record["segmentation"]["counts"] = np.diff(changes, prepend=0).tolist()
        else:
            record["segmentation"] = [record["segmentation"]]

    of_record(change, 0)(tree)
    amodal = SailVos(str(tree)).sample("1").amodal
    if form == "polygon":
        truth = np.zeros_like(truth)
        truth[:30, :40] = True
    np.testing.assert_array_equal(amodal, truth)


def test_order_of_the_arrays_does_not_matter(tree: Path, official: Path) -> None:
    data = json.loads((tree / "valid.json").read_text())
    (tree / "valid.json").write_text(json.dumps(dict(reversed(data.items()))))
    assert next(iter(json.loads((tree / "valid.json").read_text()))) == "annotations"
    dataset = SailVos(str(tree))
    pd.testing.assert_frame_equal(dataset.records(), SailVos(str(official)).records())
    assert dataset.check() == []


def test_ids_are_joined_as_text(tree: Path, official: Path) -> None:
    edit(tree, lambda data: [image.update(id=str(image["id"])) for image in data["images"]])
    pd.testing.assert_frame_equal(SailVos(str(tree)).records(), SailVos(str(official)).records())


def test_numbers_that_are_not_stated_are_measured(tree: Path, official: Path) -> None:
    def change(data: Any) -> None:
        for record in data["annotations"]:
            for key in ("area", "area_visible", "occlude_rate", "iscrowd", "invisible_mask"):
                del record[key]

    edit(tree, change)
    dataset = SailVos(str(tree))
    pd.testing.assert_frame_equal(dataset.records(), SailVos(str(official)).records())
    assert dataset.check() == []


@pytest.mark.parametrize("stated", [True, False])
def test_hidden_object(tree: Path, stated: bool) -> None:
    def change(record: dict[str, Any]) -> None:
        record["visible_mask"] = encode(np.zeros(record["segmentation"]["size"], bool))
        record["invisible_mask"] = record["segmentation"]
        record |= {"area_visible": 0, "occlude_rate": 1.0}
        for key in () if stated else ("area_visible", "occlude_rate"):
            del record[key]

    of_record(change)(tree)
    dataset = SailVos(str(tree))
    assert dataset.records()["hidden"].tolist().index(True) == 1 and dataset.records()["hidden"].sum() == 1
    assert not dataset.sample("2").visible.any() and dataset.check() == []


def test_crowd(tree: Path) -> None:
    of_record(lambda record: record.update(iscrowd=1))(tree)
    assert SailVos(str(tree)).records()["crowd"].tolist().index(True) == 1


# Stride


def test_frames_are_ordered_by_number() -> None:
    assert frame_ranks(["10", "9", "000003", "x", "10"]) == {"000003": 0, "9": 1, "10": 2, "x": 3}


@pytest.mark.parametrize("source", ["json", "folders"])
def test_stride(tree: Path, source: str) -> None:
    first, every = SailVos(str(tree), source=source, stride=2), SailVos(str(tree), source=source)
    frames = first.index.instances["picture"].unique().tolist()
    assert frames == [f"{VIDEO}/images/000003.bmp", f"{VIDEO}/images/000015.bmp", "toy_val_1/images/000003.bmp"]
    assert first.stride == 2 and first.fingerprint() != every.fingerprint() and first.check() == []
    id = first.records()["id"].iloc[-1]
    np.testing.assert_array_equal(first.sample(id).others, every.sample(id).others)
    with pytest.raises(InputError, match="no such instance"):
        first.sample(next(id for id in every.records()["id"] if id not in set(first.records()["id"])))


def test_stride_counts_frames_without_annotations(tree: Path) -> None:
    edit(tree, lambda data: data.update(annotations=[r for r in data["annotations"] if r["image_id"] != 2]))
    assert SailVos(str(tree), stride=2).records()["image_id"].unique().tolist() == ["1", "3", "5"]


# Traps of the raw folders


def rewrite_maps(root: Path, change: Callable[[Any], Any], compressed: bool = False) -> None:
    for path in root.glob("*/visible/*.npy"):
        changed = change(np.load(path))
        path.unlink()
        if compressed:
            np.savez_compressed(path.with_suffix(".npz"), visible_ids=changed)
        else:
            np.save(path, changed)


def nothing_is(value: int, dtype: str) -> Callable[[Any], Any]:
    """Store another number where no object is, in another type."""
    return lambda numbers: np.where(numbers == 0, value, numbers.astype(np.int64)).astype(dtype)


FORMS: dict[str, Callable[[Path], None]] = {
    "int32, -1": lambda root: rewrite_maps(root, nothing_is(-1, "int32")),
    "uint16, 65535": lambda root: rewrite_maps(root, nothing_is(65535, "uint16")),
    "big-endian": lambda root: rewrite_maps(root, nothing_is(0, ">i4")),
    "Fortran order": lambda root: rewrite_maps(root, np.asfortranarray),
    "npz": lambda root: rewrite_maps(root, lambda numbers: numbers, compressed=True),
    "three channels": lambda root: convert_masks(root, "RGB"),
    "alpha": lambda root: convert_masks(root, "RGBA"),
    "palette": lambda root: convert_masks(root, "P"),
    "one bit": lambda root: convert_masks(root, "1"),
    "meshes and depth": lambda root: clutter(root),
}


def convert_masks(root: Path, mode: str) -> None:
    for path in root.glob("*/*_*/*.png"):
        Image.open(path).convert(mode).save(path)


def clutter(root: Path) -> None:
    """What else lies in the official folders, and what users leave there."""
    for part in ("depth", "camera", "1_plant/000003_mesh/draw0"):
        (root / VIDEO / part).mkdir(parents=True)
        (root / VIDEO / part / "000003.npy").write_bytes(b"no mask")
    np.save(root / VIDEO / "visible_objects.npy", np.arange(3))
    (root / VIDEO / "1_plant" / "Thumbs.db").write_bytes(b"no mask")
    (root / "results").mkdir()


@pytest.mark.parametrize("form", FORMS)
def test_raw_forms(tree: Path, scenes: list[Scene], form: str) -> None:
    FORMS[form](tree)
    dataset = SailVos(str(tree), source="folders", images=str(tree))
    for id, truth in truths(scenes, "folders").items():
        assert_shows(dataset, id, truth)
    assert dataset.check() == []


def test_raw_files_pair_by_stem(tree: Path, scenes: list[Scene]) -> None:
    """More pictures than maps, and more maps than masks: a position in the folder says nothing."""
    for extra in ("000001", "000005"):
        Image.new("RGB", (9, 9)).save(tree / VIDEO / "images" / f"{extra}.bmp")
    np.save(tree / VIDEO / "visible" / "000004.npy", np.zeros((9, 9), np.int16))
    dataset = SailVos(str(tree), source="folders")
    for id, truth in truths(scenes, "folders").items():
        assert_shows(dataset, id, truth)


@pytest.mark.parametrize(
    ("folder", "category"),
    [("1_Person", "Person"), ("1_traffic_light", "traffic_light"), ("1_Car_2", "Car"), ("1_55", "")],
)
def test_raw_class(tree: Path, folder: str, category: str) -> None:
    (tree / VIDEO / "1_plant").rename(tree / VIDEO / folder)
    row = SailVos(str(tree), source="folders").records().iloc[0]
    assert (row["id"], row["category"]) == (f"{VIDEO}/000003/{folder}", category)


def test_raw_folders_take_the_videos_of_the_split(tree: Path) -> None:
    export(tree, "train", images=1)
    for split in ("train", "val"):
        videos = SailVos(str(tree), split, source="folders").records()["video_id"]
        assert set(videos.str[: len(f"toy_{split}")]) == {f"toy_{split}"}
    every = SailVos(str(tree), source="folders", images=str(tree)).records()["video_id"]
    assert set(every) == {"toy_train_0", "toy_val_0", "toy_val_1"}


def hide_first(root: Path) -> None:
    """Object 1 is in its frame, but no pixel of it is visible."""
    path = root / VIDEO / "visible" / "000003.npy"
    numbers = np.load(path)
    np.save(path, np.where(numbers == 1, 0, numbers))


def test_raw_hidden_object_is_an_empty_mask(tree: Path) -> None:
    hide_first(tree)
    dataset = SailVos(str(tree), source="folders")
    sample = dataset.sample(f"{VIDEO}/000003/1_plant")
    assert not sample.visible.any() and sample.amodal.any() and dataset.check() == []


@pytest.mark.slow
def test_raw_hidden_object_does_not_stop_a_run(tree: Path, bench: Callable[..., Any]) -> None:
    """Nothing is known of it before the run, so it is not left out; it cannot be prompted, which is its error."""
    hide_first(tree)
    outcome = bench("dataset=sailvos", f"dataset.root={tree}", "dataset.source=folders", "model=hull")
    assert [scored.name for scored in outcome.scored] == ["visible", "hull"]
    for scored in outcome.scored:
        assert scored.errors()["id"].tolist() == [FIRST]
        ious = scored.instances().set_index("id")["iou"]
        assert ious.drop(FIRST, errors="ignore").min() > 0


# Damages


class Damage(NamedTuple):
    """A change to an exported tree, and what `check` has to say of it.

    Attributes:
        apply: changes the tree.
        file: end of the file's path.
        record: of the problem.
        what: part of the problem.
        lost: ids that cannot be read any more; "frame" stands for all instances of the first one.
    """

    apply: Callable[[Path], object]
    file: str
    record: str
    what: str
    lost: Iterable[str] | str = ()


def shrunk(path: str) -> Callable[[Path], object]:
    return lambda root: Image.open(root / path).resize((30, 20)).save(root / path)


def stored(values: Callable[[Any], Any], path: str = f"{VIDEO}/visible/000003.npy") -> Callable[[Path], object]:
    return lambda root: np.save(root / path, values(np.load(root / path)))


def first_images(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    return lambda root: edit(root, lambda data: change(data["images"][0]))


def set_(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update(values)


def swap_masks(record: dict[str, Any]) -> None:
    record["segmentation"] = encode(np.zeros(record["segmentation"]["size"], bool))


def insert(array: str, value: Any) -> Callable[[Path], object]:
    return lambda root: edit(root, lambda data: data[array].insert(0, value))


def repeat(array: str) -> Callable[[Path], object]:
    return lambda root: edit(root, lambda data: data[array].append(data[array][0]))


JSON, PICTURE = "valid.json", f"{VIDEO}/images/000003.bmp"
JSON_DAMAGES: dict[str, Damage] = {
    "cut RLE": Damage(
        of_record(lambda r: r["segmentation"].update(counts=r["segmentation"]["counts"][:-4])),
        JSON,
        "instance 2",
        "malformed RLE",
        ["2"],
    ),
    "mask of another size": Damage(
        of_record(lambda r: r["visible_mask"].update(size=[5, 6])),
        JSON,
        "instance 2",
        "visible_mask: mask is 5x6 but the image is",
        ["2"],
    ),
    "mask of another kind": Damage(
        of_record(set_(segmentation="x")), JSON, "instance 2", "a segmentation is a polygon or an RLE", ["2"]
    ),
    "no amodal mask": Damage(
        of_record(lambda r: r.pop("segmentation")), JSON, "instance 2", "no segmentation", ["2"]
    ),
    "no visible mask": Damage(
        of_record(lambda r: (r.pop("visible_mask"), r.pop("invisible_mask", None))),
        JSON,
        "instance 2",
        "it has no visible_mask",
        ["2"],
    ),
    "wrong area": Damage(of_record(set_(area=7)), JSON, "instance 2", "amodal_pixels says 7 but the mask has"),
    "wrong visible area": Damage(
        of_record(set_(area_visible=7)), JSON, "instance 2", "area_visible says 7 but the visible mask has"
    ),
    "wrong rate": Damage(
        of_record(set_(occlude_rate=0.99)), JSON, "instance 2", "occlude_rate says 0.99 but the masks give"
    ),
    "impossible rate": Damage(
        of_record(set_(occlude_rate=7)), JSON, "annotation 2", "occlude_rate must be a number between 0 and 1"
    ),
    "wrong invisible mask": Damage(
        of_record(lambda r: r.update(invisible_mask=r["visible_mask"])), JSON, "instance 2", "invisible_mask differs"
    ),
    "broken invisible mask": Damage(
        of_record(lambda r: r["invisible_mask"].update(counts="\x7f")),
        JSON,
        "instance 2",
        "invisible_mask: malformed RLE",
    ),
    "empty amodal mask": Damage(of_record(swap_masks), JSON, "instance 2", "the amodal mask is empty"),
    "visible outside amodal": Damage(
        of_record(lambda r: r.update(visible_mask=encode(np.ones(r["segmentation"]["size"], bool)))),
        JSON,
        "instance 2",
        "visible pixels lie outside the amodal mask",
    ),
    "no category": Damage(of_record(lambda r: r.pop("category_id")), JSON, "category_id (none)", "1 annotations"),
    "no id": Damage(of_record(lambda r: r.pop("id")), JSON, "annotation entry2", "entry 2 of annotations has no id"),
    "id twice": Damage(repeat("annotations"), JSON, "annotation 1.2", "id 1 is listed twice"),
    "no object": Damage(insert("annotations", 5), JSON, "entry 1 of annotations", "it is not a JSON object"),
    "image that is no object": Damage(insert("images", None), JSON, "entry 1 of images", "it is not a JSON object"),
    "image without id": Damage(insert("images", {}), JSON, "entry 1 of images", "it has no id"),
    "image twice": Damage(repeat("images"), JSON, "entry 6 of images", "image 1 is listed twice"),
    "image without size": Damage(
        first_images(lambda i: i.pop("width")), JSON, "image 1", "it has no height and width"
    ),
    "image without name": Damage(
        first_images(lambda i: i.pop("file_name")), JSON, "image 1", "it has no file_name", "frame"
    ),
    "image of another id": Damage(
        first_images(set_(id=77)), JSON, "image 1", 'image_id 1 has no entry with a file_name in "images"', "frame"
    ),
    "no picture": Damage(remove(PICTURE), PICTURE, "image 1", "no such file", "frame"),
    "cut picture": Damage(cut(PICTURE), PICTURE, "image 1", "cannot be read as a picture", "frame"),
    "picture of another size": Damage(shrunk(PICTURE), PICTURE, "image 1", "picture is 20x30 but", "frame"),
}

MAP, FIRST = f"{VIDEO}/visible/000003.npy", f"{VIDEO}/000003/1_plant"
MASK = f"{VIDEO}/1_plant/000003.png"
RAW_DAMAGES: dict[str, Damage] = {
    "no map": Damage(remove(MAP), MAP, f"instance {FIRST}", "no such file", "frame"),
    "cut map": Damage(cut(MAP), MAP, f"instance {FIRST}", "cannot be read as an array", "frame"),
    "empty map": Damage(
        lambda root: (root / MAP).write_bytes(b""), MAP, f"instance {FIRST}", "cannot be read as an array", "frame"
    ),
    "map that is text": Damage(
        lambda root: (root / MAP).write_text("1 2 3"), MAP, f"instance {FIRST}", "cannot be read", "frame"
    ),
    "map of floats": Damage(
        stored(lambda m: m.astype(np.float32)), MAP, f"instance {FIRST}", "are float32, not whole numbers", "frame"
    ),
    "map of Python objects": Damage(
        stored(lambda m: m.astype(object)), MAP, f"instance {FIRST}", "Python objects in dtype", "frame"
    ),
    "map of another size": Damage(
        stored(lambda m: m[1:]), MAP, f"instance {FIRST}", "but that of the picture is", "frame"
    ),
    "map with channels": Damage(
        stored(lambda m: m[..., None]), MAP, f"instance {FIRST}", "but that of the picture is", "frame"
    ),
    "archive without the key": Damage(
        lambda root: np.savez((root / MAP).open("wb"), other=np.zeros(3)),
        MAP,
        f"instance {FIRST}",
        "it has no array 'visible_ids'",
        "frame",
    ),
    "cut mask": Damage(cut(MASK), MASK, f"instance {FIRST}", "cannot be read as a picture", [FIRST]),
    "mask of another size": Damage(
        shrunk(MASK), MASK, f"instance {FIRST}", "its shape is (20, 30) but that of the picture is", [FIRST]
    ),
    "empty mask": Damage(
        lambda root: Image.new("L", Image.open(root / MASK).size).save(root / MASK),
        MASK,
        f"instance {FIRST}",
        "the amodal mask is empty",
    ),
    "visible outside amodal": Damage(
        stored(lambda m: np.where(m == 0, 1, m)), MASK, f"instance {FIRST}", "visible pixels lie outside"
    ),
    "no picture": Damage(remove(PICTURE), PICTURE, f"image {VIDEO}/000003", "no such file", "frame"),
    "cut picture": Damage(cut(PICTURE), PICTURE, f"image {VIDEO}/000003", "cannot be read as a picture", "frame"),
    "no folder": Damage(
        lambda root: shutil.rmtree(root / "toy_val_1"), "toy_val_1", "", "the folder of this video is missing", "gone"
    ),
    "two folders of an object": Damage(
        lambda root: shutil.copytree(root / VIDEO / "1_plant", root / VIDEO / "1_fish"),
        VIDEO,
        "object 1",
        "1_fish and 1_plant have the same number",
    ),
}
DAMAGES = [("json", name) for name in JSON_DAMAGES] + [("folders", name) for name in RAW_DAMAGES]
CHANGED = {"empty amodal mask", "visible outside amodal", "no id", "empty mask"}
"""Damages that leave an instance readable, but not what was drawn."""


@pytest.mark.parametrize(("source", "name"), mostly_slow(DAMAGES, 8))
def test_damage(tree: Path, scenes: list[Scene], source: str, name: str) -> None:
    damage = (JSON_DAMAGES if source == "json" else RAW_DAMAGES)[name]
    expected = truths(scenes, source)
    damage.apply(tree)
    dataset = SailVos(str(tree), source=source)
    found = [p for p in dataset.check() if damage.what in p.what]
    assert (str(tree / damage.file), damage.record) in [(p.file, p.record) for p in found]
    first_frame = {id for id, (scene, _) in expected.items() if scene is scenes[0]}
    gone = {id for id, (scene, _) in expected.items() if scene is scenes[-1]} if damage.lost == "gone" else set()
    lost = first_frame if damage.lost == "frame" else set() if damage.lost == "gone" else set(damage.lost)
    assert gone == expected.keys() - set(dataset.records()["id"]) - ({"2"} if name == "no id" else set())
    for id in lost:
        with pytest.raises(InputError, match=r".+: (image|instance) .+; .+"):
            dataset.sample(id)
    kept = expected.keys() - lost - gone
    for id in kept - ({"2", FIRST} if name in CHANGED else set()):
        assert_shows(dataset, id, expected[id])


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file": (remove(JSON), "the annotations of split 'val' are missing"),
    "cut": (cut(JSON), "not valid JSON, or cut short"),
    "empty": (lambda root: (root / JSON).write_text(""), "not valid JSON, or cut short"),
    "a list": (lambda root: (root / JSON).write_text("[]"), 'it needs the lists "images" and "annotations"'),
    "COCO results": (lambda root: edit(root, lambda data: data.pop("images")), 'it needs the list "images"'),
    "not text": (lambda root: (root / JSON).write_bytes(b'{"images": "\xff"}'), "not a text file"),
}


@pytest.mark.parametrize("source", ["json", "folders"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_annotation_file(tree: Path, source: str, name: str) -> None:
    apply, problem = UNUSABLE[name]
    apply(tree)
    with pytest.raises(InputError) as caught:
        SailVos(str(tree), source=source)
    assert caught.value.file == str(tree / JSON) and problem in caught.value.problem and caught.value.remedy


def test_unusable_folders(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"none: the folder of SAIL-VOS does not exist; `amodal-bench data fetch sailvos`"
    ):
        SailVos(str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"none: the folder of the videos does not exist; get .*sailvos"):
        SailVos(str(tree), images=str(tmp_path / "none"))
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match="bare: it has no folder of a video"):
        SailVos(str(tree), source="folders", images=str(tmp_path / "bare"))
    for video in tree.glob("toy_*"):
        shutil.rmtree(video)
    with pytest.raises(InputError, match="it has none of the split's 2 videos"):
        SailVos(str(tree), source="folders")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "no split 'test'"),
        ({"source": "xml"}, "'xml' is not"),
        ({"stride": 0}, "stride: 0 must be >= 1"),
    ],
)
def test_wrong_options(official: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SailVos(str(official), **options)


def test_a_map_never_runs_code(tree: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tree / "was here",))

    np.save(tree / MAP, np.array([[Attack()]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError):
        SailVos(str(tree), source="folders").sample(FIRST)
    assert not (tree / "was here").exists()


# Cache and fingerprint


def fails(*_: Any) -> Any:
    raise AssertionError("the source was read again")


def test_the_index_is_read_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [SailVos(str(tree), source=source) for source in ("json", "folders")]
    with monkeypatch.context() as patch:
        patch.setattr(json_file, "read_annotations", fails)
        patch.setattr(raw_folders, "make_index", fails)
        for before in first:
            source = before._identity.split("\n")[1]
            after = SailVos(str(tree), source=source)
            pd.testing.assert_frame_equal(before.records(), after.records())
        assert len(SailVos(str(tree), stride=2).records()) < len(first[0].records())
    of_record(set_(category_id=64), 0)(tree)
    of_record(set_(category_id=17), 1)(tree)
    assert SailVos(str(tree)).records()["category"].tolist()[:2] == ["plant", "fish"]
    (tree / VIDEO / "1_plant").rename(tree / VIDEO / "1_weed")
    assert SailVos(str(tree), source="folders").records()["category"].iloc[0] == "weed"


@pytest.mark.parametrize("source", ["json", "folders"])
def test_fingerprint(tree: Path, tmp_path: Path, source: str) -> None:
    before = SailVos(str(tree), source=source)
    moved = shutil.copytree(tree, tmp_path / "moved")
    (moved / "visible.txt").write_text("not of the dataset")
    assert SailVos(str(moved), source=source).fingerprint() == before.fingerprint()
    assert SailVos(str(tree)).fingerprint() != SailVos(str(tree), source="folders").fingerprint()
    if source == "json":
        (tree / JSON).write_bytes((tree / JSON).read_bytes() + b"\n")
    else:
        shutil.copy(tree / MASK, tree / VIDEO / "1_plant" / "000009.png")
    assert SailVos(str(tree), source=source).fingerprint() != before.fingerprint()


def test_problems_name_the_file_that_was_opened(tree: Path, tmp_path: Path) -> None:
    """The cache knows an index by its content, which may lie in several places."""
    insert("annotations", 5)(tree)
    shutil.copytree(tree / VIDEO / "1_plant", tree / VIDEO / "1_fish")
    for source in ("json", "folders"):
        SailVos(str(tree), source=source)
    moved = shutil.copytree(tree, tmp_path / "moved")
    shutil.rmtree(tree)
    for source in ("json", "folders"):
        problems = SailVos(str(moved), source=source).check()
        assert problems and all(p.file.startswith(str(moved)) for p in problems)


def test_rle_of_the_export_is_what_pycocotools_reads(official: Path, scenes: list[Scene]) -> None:
    record = json.loads((official / JSON).read_text())["annotations"][0]
    mask = pycocotools.mask.decode(record["segmentation"]).astype(bool)
    np.testing.assert_array_equal(mask, scenes[0].instances[0].amodal)
