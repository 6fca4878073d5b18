"""KINS: the exported aquarium read back, every trap of the format, and planted damages that `check` must find."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import composed
from params import mostly_slow
from PIL import Image
from trees import edit

from amodal_bench.cli.data.command import main as data_command
from amodal_bench.cli.toy import export as command
from amodal_bench.config.build import build
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.rle import decode, encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Dataset, Problem
from amodal_bench.datasets.kins import kins as loader
from amodal_bench.datasets.kins.kins import Kins
from amodal_bench.testing.export.kins import export, outlines
from amodal_bench.toy.scene import draw_scene

HEIGHT, WIDTH = 30, 40
IMAGES, SEED = 3, 3
RELEASES = ("2019", "2020")
TEST_FILES = {"2019": "instances_val.json", "2020": "update_test_2020.json"}


# Small trees of one's own


def tree(root: Path, annotations: Sequence[Any], release: str = "2020", **tables: Any) -> Kins:
    """A dataset of one grey picture (image 3, 000000.png) with these annotations."""
    folder = root / "testing/image_2"
    folder.mkdir(parents=True)
    picture(folder)
    data = {"images": [entry()], "annotations": annotations, "categories": [{"id": 4, "name": "car"}]} | tables
    (root / TEST_FILES[release]).write_text(json.dumps(data), encoding="utf-8")
    return Kins(str(root), release=release)


def picture(folder: Path, name: str = "000000.png", grey: int = 9, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey,) * 3).save(folder / name)


def entry(id: Any = 3, **changes: Any) -> dict[str, Any]:
    return {"id": id, "file_name": "000000.png", "height": HEIGHT, "width": WIDTH} | changes


def rectangle(left: int, top: int, right: int, bottom: int) -> list[int]:
    return [left, top, right, top, right, bottom, left, bottom]


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def annotation(id: Any = 7, **changes: Any) -> dict[str, Any]:
    """A 10 x 10 car whose left half is hidden, in the form of 2020; a change to None takes the key away."""
    fields = {
        "a_segm": [rectangle(2, 3, 12, 13)],
        "a_area": 100,
        "a_bbox": [2, 3, 10, 10],
        "i_segm": [rectangle(7, 3, 12, 13)],
        "i_area": 50,
        "i_bbox": [7, 3, 5, 10],
        "oco_id": 1,
        "ico_id": 2,
    }
    fields |= {"id": id, "image_id": 3, "category_id": 4} | changes
    return {key: value for key, value in fields.items() if value is not None}


def annotation_2019(id: Any = 7, **changes: Any) -> dict[str, Any]:
    """A car in the form of 2019, the same as in that of 2020."""
    fields = {
        "segmentation": [rectangle(2, 3, 12, 13)],
        "area": 100,
        "inmodal_seg": encode(box(7, 3, 12, 13)),
        "iscrowd": 0,
        "bbox": [2, 3, 10, 10],
        "inmodal_bbox": [7, 3, 5, 10],
    }
    fields |= {"id": id, "image_id": 3, "category_id": 4} | changes
    return {key: value for key, value in fields.items() if value is not None}


def row(dataset: Kins, id: str = "7") -> Any:
    return dataset.index.instances.set_index("id").loc[id]


# The exported aquarium


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test split in both releases, in one tree: the pictures are the same."""
    root = tmp_path_factory.mktemp("kins")
    for release in RELEASES:
        export(root, "test", IMAGES, SEED, release)
    return root


@pytest.fixture(scope="module")
def truth() -> dict[str, tuple[int, int]]:
    """Scene and place of each annotation id."""
    places = [(n, k) for n in range(IMAGES) for k in range(len(SCENES[n].instances))]
    return {str(id): place for id, place in enumerate(places, start=1)}


SCENES = [draw_scene(SEED, "test", index) for index in range(IMAGES)]


def assert_true(dataset: Dataset, id: str, place: tuple[int, int], others: bool = True) -> None:
    sample, scene = dataset.sample(id), SCENES[place[0]]
    np.testing.assert_array_equal(sample.image, scene.image)
    np.testing.assert_array_equal(sample.amodal, scene.instances[place[1]].amodal)
    np.testing.assert_array_equal(sample.visible, scene.instances[place[1]].visible)
    if others:
        rest = [instance.visible for k, instance in enumerate(scene.instances) if k != place[1]]
        np.testing.assert_array_equal(sample.others, np.any(rest, axis=0))


@pytest.mark.parametrize("release", RELEASES)
def test_round_trip(exported: Path, truth: dict[str, tuple[int, int]], release: str) -> None:
    dataset: Dataset = Kins(str(exported), "test", release)
    records = dataset.records()
    assert list(records.columns) == list(RECORD_COLUMNS) and list(records["id"]) == list(truth)
    for record in records.itertuples():
        place = truth[str(record.id)]
        assert_true(dataset, str(record.id), place)
        instance = SCENES[place[0]].instances[place[1]]
        assert record.image_id == str(place[0] + 1) and record.category == instance.kind
        assert record.amodal_pixels == instance.amodal.sum()
        assert record.occlusion_rate == pytest.approx(1 - instance.visible.sum() / instance.amodal.sum(), abs=1e-12)
        edges = instance.amodal[[0, -1]].any() or instance.amodal[:, [0, -1]].any()
        assert record.truncated == edges and not record.hidden and not record.crowd and not record.stuff
    assert (records["occlusion_rate"] > 0.1).any() and records["truncated"].any()
    assert dataset.check() == []


def test_the_exported_files_have_the_official_keys(exported: Path) -> None:
    keys = {}
    for release, name in TEST_FILES.items():
        data = json.loads((exported / name).read_text())
        assert set(data) == {"images", "annotations", "categories"}
        assert set(data["images"][0]) == {"id", "file_name", "width", "height"}
        assert data["images"][0]["file_name"] == "000000.png"
        keys[release] = set(data["annotations"][0])
    common = {"id", "image_id", "category_id"}
    assert keys["2019"] == common | {"segmentation", "area", "inmodal_seg", "bbox", "inmodal_bbox", "iscrowd"}
    parts = {"a_segm", "i_segm", "a_bbox", "i_bbox", "a_area", "i_area"}
    assert keys["2020"] == common | parts | {"oco_id", "ico_id"}


def test_occlusion_order_of_the_export(exported: Path, truth: dict[str, tuple[int, int]]) -> None:
    data = json.loads((exported / "update_test_2020.json").read_text())
    for record in data["annotations"]:
        scene, place = truth[str(record["id"])]
        instances = SCENES[scene].instances
        covered = [k for k in range(place) if (instances[k].amodal & instances[place].amodal).any()]
        same = [r for r in data["annotations"] if r["image_id"] == record["image_id"]]
        for k in covered:
            assert same[k]["oco_id"] == record["oco_id"] and 0 < same[k]["ico_id"] < record["ico_id"]
        alone = sum(other["oco_id"] == record["oco_id"] for other in same) == 1
        assert (record["ico_id"] == 0) == alone


def test_outlines_are_exact() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        mask = rng.random(rng.integers(1, 12, 2)) < rng.random()
        mask[0, 0] = True
        np.testing.assert_array_equal(decode(outlines(mask), *mask.shape), mask)


def test_a_wrong_split_of_an_export_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["kins", str(tmp_path), "--split=nope"]) == 2
    assert "kins has no split 'nope'" in capsys.readouterr().err


@pytest.mark.slow
def test_export_from_the_command_line(tmp_path: Path) -> None:
    assert command.main(["kins", str(tmp_path), "--images=1", "--split=val"]) == 0
    dataset = build(composed("dataset=kins", f"dataset.root={tmp_path}", "dataset.split=val").dataset, "dataset")
    assert isinstance(dataset, Kins) and dataset.file == tmp_path / "update_test_2020.json"
    np.testing.assert_array_equal(dataset.sample("1").amodal, draw_scene(0, "val", 0).instances[0].amodal)


# Traps of the format


def test_both_forms_of_records_in_one_file(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [annotation(1), annotation_2019(2)])
    first, second = dataset.sample("1"), dataset.sample("2")
    np.testing.assert_array_equal(first.visible, second.visible)
    np.testing.assert_array_equal(first.amodal, second.amodal)
    assert dataset.records()["occlusion_rate"].tolist() == [0.5, 0.5]
    assert dataset.check() == []


def test_mixed_names_in_one_record(tmp_path: Path) -> None:
    mixed = annotation_2019(oco_id=1, ico_id=2, iscrowd=None)
    halves = annotation(8, i_segm=None, inmodal_seg=encode(box(7, 3, 12, 13)), a_area=None, area=100)
    dataset = tree(tmp_path, [mixed, halves])
    for id in ("7", "8"):
        np.testing.assert_array_equal(dataset.sample(id).visible, box(7, 3, 12, 13))
        np.testing.assert_array_equal(dataset.sample(id).amodal, box(2, 3, 12, 13))
    assert dataset.check() == []


def test_both_folders_hold_the_same_names(tmp_path: Path) -> None:
    tree(tmp_path, [annotation()])
    picture(tmp_path / "training/image_2", grey=200)
    (tmp_path / "update_train_2020.json").write_bytes((tmp_path / "update_test_2020.json").read_bytes() + b" ")
    assert (Kins(str(tmp_path), "test").sample("7").image == 9).all()
    assert (Kins(str(tmp_path), "val").sample("7").image == 9).all()
    assert (Kins(str(tmp_path), "train").sample("7").image == 200).all()


def test_visible_pixels_outside_are_a_number_not_a_fault(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [annotation(i_segm=[rectangle(7, 3, 15, 13)], i_area=80)])
    sample = dataset.sample("7")
    assert (sample.visible & ~sample.amodal).sum() == 30
    assert row(dataset)["visible_outside"] == 30 and row(dataset)["visible_pixels"] == 80
    assert row(dataset)["occlusion_rate"] == 0.5
    assert dataset.check() == []


@pytest.mark.slow
def test_pixels_outside_are_told_in_info_and_in_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = annotation(8, i_segm=[rectangle(7, 3, 14, 13)])
    told = "V reaches beyond A in 1 of 2 instances, by 20 pixels in all (they were drawn independently)"
    assert tree(tmp_path, [annotation(), outside]).remarks() == [told]
    for verb in ("info", "check"):
        data_command([verb, "kins", f"dataset.root={tmp_path}"])
        assert told in capsys.readouterr().out


def test_several_polygons_are_one_object(tmp_path: Path) -> None:
    parts = [rectangle(2, 3, 6, 13), rectangle(9, 3, 12, 13), rectangle(11, 3, 12, 13)]
    dataset = tree(tmp_path, [annotation(a_segm=parts, a_area=None, i_segm=parts[:1], i_area=None)])
    np.testing.assert_array_equal(dataset.sample("7").amodal, box(2, 3, 6, 13) | box(9, 3, 12, 13))
    assert row(dataset)["amodal_pixels"] == 70 and row(dataset)["occlusion_rate"] == pytest.approx(30 / 70)


@pytest.mark.parametrize("form", [annotation, annotation_2019])
def test_polygons_of_less_than_three_points_are_dropped(tmp_path: Path, form: Callable[..., Any]) -> None:
    key = "a_segm" if form is annotation else "segmentation"
    dataset = tree(tmp_path, [form(**{key: [[1, 2, 30, 20], [1], [], rectangle(2, 3, 12, 13), [1, 2, 3, 4, 5]]})])
    np.testing.assert_array_equal(dataset.sample("7").amodal, box(2, 3, 12, 13))
    assert dataset.check() == []


def runs(mask: Mask) -> dict[str, Any]:
    """An uncompressed RLE."""
    flat = np.concatenate(([0], mask.ravel(order="F"), [2]))
    lengths = np.diff(np.flatnonzero(np.diff(flat, prepend=2)))
    return {"size": list(mask.shape), "counts": [int(lengths[0]) - 1, *lengths[1:].tolist()]}


@pytest.mark.parametrize(
    "visible",
    [
        rectangle(7, 3, 12, 13),
        [rectangle(7, 3, 12, 13)],
        encode(box(7, 3, 12, 13)),
        runs(box(7, 3, 12, 13)),
        [encode(box(7, 3, 9, 13)), encode(box(9, 3, 12, 13))],
    ],
    ids=["flat", "nested", "compressed", "uncompressed", "list"],
)
@pytest.mark.parametrize("key", ["i_segm", "inmodal_seg"])
def test_every_encoding_of_the_visible_mask(tmp_path: Path, key: str, visible: Any) -> None:
    dataset = tree(tmp_path, [annotation(i_segm=None) | {key: visible}])
    np.testing.assert_array_equal(dataset.sample("7").visible, box(7, 3, 12, 13))
    assert row(dataset)["occlusion_rate"] == 0.5 and dataset.check() == []


@pytest.mark.parametrize("empty", [[], {}, [[]], [[8, 4, 9, 4]], [8, 4], encode(box(0, 0, 0, 0))])
def test_empty_visible_mask_is_a_hidden_object(tmp_path: Path, empty: Any) -> None:
    dataset = tree(tmp_path, [annotation(i_segm=empty, i_area=0), annotation(8)])
    record = row(dataset)
    assert record["hidden"] and record["occlusion_rate"] == 1 and record["amodal_pixels"] == 100
    assert not dataset.sample("7").visible.any() and dataset.sample("7").amodal.sum() == 100
    assert not row(dataset, "8")["hidden"] and dataset.check() == []


@pytest.mark.parametrize("value", ["absent", None])
def test_absent_visible_mask_means_unoccluded_and_is_reported(tmp_path: Path, value: Any) -> None:
    fields = annotation(i_segm=None, i_area=None) | ({} if value else {"i_segm": None})
    dataset = tree(tmp_path, [fields])
    sample = dataset.sample("7")
    np.testing.assert_array_equal(sample.visible, sample.amodal)
    assert row(dataset)["occlusion_rate"] == 0 and not row(dataset)["hidden"]
    what = "it has no visible mask (i_segm or inmodal_seg): V = A is assumed"
    assert dataset.check() == [Problem(str(dataset.file), "annotation 7", what)]


@pytest.mark.parametrize(("value", "crowd"), [(None, False), (0, False), (1, True), (True, True), ("1", True)])
def test_crowd_flag_may_be_missing(tmp_path: Path, value: Any, crowd: bool) -> None:
    assert tree(tmp_path, [annotation(iscrowd=value)]).records()["crowd"].tolist() == [crowd]


def test_boxes_are_not_read(tmp_path: Path) -> None:
    wrong = {"bbox": [0, 0, 1, 1], "inmodal_bbox": ["x"], "a_bbox": None, "i_bbox": [3, 7, 10, 5]}
    dataset = tree(tmp_path, [annotation() | wrong])
    assert dataset.sample("7").amodal.sum() == 100 and dataset.check() == []


def test_categories_are_those_of_the_file(tmp_path: Path) -> None:
    table = [{"id": 1, "name": "cyclist"}, {"id": "4", "name": " van "}]
    dataset = tree(
        tmp_path, [annotation(1, category_id=1), annotation(2), annotation(3, category_id=3)], categories=table
    )
    assert dataset.records()["category"].tolist() == ["cyclist", "van", "3"]
    assert [(p.record, p.what) for p in dataset.check()] == [("annotation 3", 'category_id 3 is not in "categories"')]
    assert dataset.sample("3").amodal.sum() == 100


def test_images_are_joined_by_id_not_by_place(tmp_path: Path) -> None:
    images = [entry(8, file_name="b.png"), entry("3"), entry(1, file_name="none.png")]
    dataset = tree(tmp_path, [annotation(7), annotation(9, image_id="8")], images=images)
    picture(dataset.folder, "b.png", grey=77)
    assert (dataset.sample("7").image == 9).all() and (dataset.sample("9").image == 77).all()
    assert not dataset.sample("7").others.any()
    # Image 1 has no annotation: no instance, and nothing to complain about.
    assert dataset.records()["image_id"].tolist() == ["3", "8"] and dataset.check() == []


def test_tables_in_any_order(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [annotation()])
    data = json.loads(dataset.file.read_text())
    dataset.file.write_text(json.dumps({key: data[key] for key in ("annotations", "categories", "images")}, indent=1))
    again = Kins(str(tmp_path))
    assert again.records().equals(dataset.records()) and again.check() == []
    np.testing.assert_array_equal(again.sample("7").visible, box(7, 3, 12, 13))


def test_every_picture_has_its_own_size(tmp_path: Path) -> None:
    images = [entry(), entry(4, file_name="b.png", height=20, width=50)]
    small = annotation(8, image_id=4, a_segm=[rectangle(40, 3, 60, 13)])
    dataset = tree(tmp_path, [annotation(), small], images=images)
    picture(dataset.folder, "b.png", size=(50, 20))
    assert dataset.sample("7").amodal.shape == (HEIGHT, WIDTH)
    # Polygons are clipped to the picture.
    assert dataset.sample("8").amodal.shape == (20, 50) and row(dataset, "8")["truncated"]


def test_stated_area_counts_else_the_measured(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [annotation(1, a_area=104), annotation(2, a_area=None)])
    assert dataset.records()["amodal_pixels"].tolist() == [104, 100]
    assert [(p.record, p.what) for p in dataset.check()] == [
        ("instance 1", "amodal_pixels says 104 but the mask has 100 pixels")
    ]


def test_instances_of_an_image_share_their_pixels(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [annotation(1), annotation(2, i_segm=[rectangle(2, 3, 7, 13)])])
    first, second = dataset.sample("1"), dataset.sample("2")
    assert first.image is second.image
    np.testing.assert_array_equal(first.others, second.visible)


def test_files_may_lie_elsewhere(tmp_path: Path) -> None:
    dataset = tree(tmp_path / "a", [annotation()])
    dataset.folder.rename(tmp_path / "pictures")
    dataset.file.rename(tmp_path / "mine.json")
    moved = Kins("nowhere", annotations=str(tmp_path / "mine.json"), images=str(tmp_path / "pictures"))
    assert (moved.sample("7").image == 9).all() and moved.check() == []


def test_a_number_for_the_release_will_do(tmp_path: Path) -> None:
    tree(tmp_path, [annotation_2019()], "2019")
    assert Kins(str(tmp_path), "val", 2019).file.name == "instances_val.json"


# Cache and fingerprint


def test_the_index_is_cached_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, [annotation(), annotation(8, category_id=5)])
    shutil.copytree(tmp_path / "testing", tmp_path / "copy/testing")
    shutil.copy(tmp_path / "update_test_2020.json", tmp_path / "copy")
    with monkeypatch.context() as patched:
        patched.setattr(loader, "build_index", lambda file: pytest.fail("read again"))
        again, copy = Kins(str(tmp_path)), Kins(str(tmp_path / "copy"))
        assert again.sample("7").amodal.sum() == copy.sample("7").amodal.sum() == 100
        # Problems found where the file lay first are told of where it lies now.
        assert [p.file for p in copy.check()] == [str(tmp_path / "copy/update_test_2020.json")]
    edit(tmp_path, lambda data: data["annotations"].append(annotation(9)))
    assert list(Kins(str(tmp_path)).records()["id"]) == ["7", "8", "9"]


def test_fingerprint_follows_bytes_and_split_not_the_place(tmp_path: Path) -> None:
    a = tree(tmp_path / "a", [annotation()])
    b = tree(tmp_path / "b", [annotation()])
    c = tree(tmp_path / "c", [annotation(i_area=51)])
    d = Kins("nowhere", "train", annotations=str(a.file), images=str(a.folder))
    assert a.fingerprint() == b.fingerprint()
    assert len({a.fingerprint(), c.fingerprint(), d.fingerprint()}) == 3


# Planted damages


@dataclass(frozen=True)
class Damage:
    """One change to an exported tree, and what `check` has to say of it.

    Attributes:
        apply: makes the change, given the tree's root.
        record, what: of the problem that has to be reported; `what` is a part of the text.
        file: ending of the file it has to be reported for.
        broken: ids whose sample must raise.
        changed: ids whose masks are not the aquarium's any more, or that are not there.
    """

    apply: Callable[[Path], None]
    record: str
    what: str
    file: str = "update_test_2020.json"
    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def second(**changes: Any) -> Callable[[Path], None]:
    """Change annotation 2; None takes a key away."""

    def change(data: Any) -> None:
        fields = data["annotations"][1] | changes
        data["annotations"][1] = {key: value for key, value in fields.items() if value is not None}

    return lambda root: edit(root / TEST_FILES["2020"], change)


def first_image(**changes: Any) -> Callable[[Path], None]:
    return lambda root: edit(root / TEST_FILES["2020"], lambda data: data["images"][0].update(changes))


def replaced(table: str, place: int, value: Any) -> Callable[[Path], None]:
    return lambda root: edit(root / TEST_FILES["2020"], lambda data: data[table].__setitem__(place, value))


def cut_picture(root: Path) -> None:
    file = root / "testing/image_2/000000.png"
    file.write_bytes(file.read_bytes()[:2000])


def other_size(root: Path) -> None:
    Image.new("RGB", (50, 20)).save(root / "testing/image_2/000000.png")


def train_is_test(root: Path) -> None:
    shutil.copy(root / "update_test_2020.json", root / "update_train_2020.json")


FIRST = tuple(str(n) for n in range(1, len(SCENES[0].instances) + 1))
PICTURE = "testing/image_2/000000.png"
WRONG_SIZE = encode(np.ones((10, 20), bool))
DAMAGES: dict[str, Damage] = {
    "no amodal mask": Damage(
        second(a_segm=None), "annotation 2", "a_segm or segmentation: no segmentation", broken=("2",)
    ),
    "amodal mask of two points": Damage(
        second(a_segm=[[1, 2, 3, 4]]), "annotation 2", "a_segm: polygon has no part with three points", broken=("2",)
    ),
    "a coordinate is NaN": Damage(
        second(a_segm=[[1, 2, float("nan"), 4, 5, 6]]), "annotation 2", "a_segm: polygon has a coord", broken=("2",)
    ),
    "amodal mask is text": Damage(second(a_segm="x"), "annotation 2", "a_segm: a segmentation is", broken=("2",)),
    "amodal mask lies outside": Damage(
        second(a_segm=[rectangle(900, 900, 950, 950)], a_area=None),
        "instance 2",
        "the amodal mask is empty",
        changed=("2",),
    ),
    "visible mask of another size": Damage(
        second(i_segm=WRONG_SIZE), "annotation 2", "i_segm: mask is 10x20 but the image is", broken=("2",)
    ),
    "visible mask cut short": Damage(
        second(i_segm={"size": list(SCENES[0].image.shape[:2]), "counts": "3"}),
        "annotation 2",
        "i_segm: malformed RLE",
        broken=("2",),
    ),
    "visible mask is a number": Damage(second(i_segm=5), "annotation 2", "i_segm: a segmentation is", broken=("2",)),
    "visible mask is lost": Damage(
        second(i_segm=None), "annotation 2", "it has no visible mask (i_segm or inmodal_seg)", changed=("2",)
    ),
    "visible mask is emptied": Damage(second(i_segm=[]), "instance 2", "but no pixel is visible", changed=("2",)),
    "wrong area": Damage(second(a_area=1), "instance 2", "amodal_pixels says 1 but the mask has"),
    "area is text": Damage(second(a_area="9"), "annotation 2", "a_area must be a number of pixels"),
    "area is absurd": Damage(second(a_area=10**400), "annotation 2", "a_area must be a number of pixels"),
    "unknown category": Damage(second(category_id=99), "annotation 2", 'category_id 99 is not in "categories"'),
    "no category": Damage(second(category_id=None), "annotation 2", 'category_id (none) is not in "categories"'),
    "no such image": Damage(
        second(image_id=99), "annotation 2", 'image_id 99 has no entry with a file_name in "images"', broken=("2",)
    ),
    "no image_id": Damage(
        second(image_id=None),
        "annotation 2",
        'image_id (none) has no entry with a file_name in "images"',
        broken=("2",),
    ),
    "the same id again": Damage(second(id=1), "annotation 1.2", "id 1 is listed twice", changed=("2",)),
    "no id": Damage(second(id=None), "annotation entry2", "entry 2 of annotations has no id", changed=("2",)),
    "annotation is null": Damage(
        replaced("annotations", 1, None), "entry 2 of annotations", "it is not a JSON object", changed=("2",)
    ),
    "image is a number": Damage(
        replaced("images", 0, 1), "entry 1 of images", "it is not a JSON object", broken=FIRST
    ),
    "image without id": Damage(first_image(id=None), "entry 1 of images", "it has no id", broken=FIRST),
    "image without name": Damage(first_image(file_name=None), "image 1", "it has no file_name", broken=FIRST),
    "image without size": Damage(first_image(height=None), "image 1", "it has no height and width"),
    "image of absurd size": Damage(first_image(width=10**9), "image 1", "it has no height and width"),
    "the same image id again": Damage(
        lambda root: edit(
            root / TEST_FILES["2020"], lambda data: data["images"].append({"id": 1, "file_name": "x.png"})
        ),
        f"entry {IMAGES + 1} of images",
        "image 1 is listed twice",
    ),
    "category without name": Damage(
        lambda root: edit(root / TEST_FILES["2020"], lambda data: data["categories"].append({"id": 8})),
        "entry 3 of categories",
        "it has no id or no name",
    ),
    "picture is missing": Damage(
        lambda root: (root / PICTURE).unlink(), "image 1", "no such file", PICTURE, broken=FIRST
    ),
    "picture is cut short": Damage(cut_picture, "image 1", "cannot be read as a picture", PICTURE, broken=FIRST),
    "picture of another size": Damage(
        other_size, "image 1", "picture is 20x50 but the annotations say", PICTURE, broken=FIRST
    ),
    "both splits are one file": Damage(
        train_is_test, "", "it has the same bytes as update_train_2020.json beside it"
    ),
}


@pytest.mark.parametrize("damage", mostly_slow(DAMAGES.values(), 9), ids=list(DAMAGES))
def test_damage_is_reported_and_harms_nothing_else(
    exported: Path, truth: dict[str, tuple[int, int]], tmp_path: Path, damage: Damage
) -> None:
    shutil.copytree(exported, tmp_path / "kins")
    damage.apply(tmp_path / "kins")
    dataset = Kins(str(tmp_path / "kins"))
    found = [p for p in dataset.check() if p.record == damage.record and damage.what in p.what]
    assert found and all(p.file.endswith(damage.file) for p in found)
    for id in damage.broken:
        with pytest.raises(InputError) as caught:
            dataset.sample(id)
        assert "\n" not in str(caught.value) and damage.file in str(caught.value)
    for id, place in truth.items():
        if id not in (*damage.broken, *damage.changed):
            same_scene = any(truth[other][0] == place[0] for other in (*damage.broken, *damage.changed))
            assert_true(dataset, id, place, others=not same_scene)


def test_an_undamaged_tree_has_no_problems(exported: Path) -> None:
    """What `test_damage...` finds is the damage's, not the tree's."""
    for release in RELEASES:
        assert Kins(str(exported), release=release).check() == []


def test_a_broken_record_covers_nothing_and_keeps_its_neighbours_true(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [annotation(), annotation(8, a_segm=None), annotation(9, image_id=5)])
    assert not dataset.sample("7").others.any()
    records = dataset.records().set_index("id")
    assert np.isnan(records["occlusion_rate"]["8"]) and records["amodal_pixels"]["8"] == 100


# Trees that cannot be opened


def remove(path: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        target = root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return act


def write(content: bytes) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        (root / "update_test_2020.json").write_bytes(content)

    return act


UNUSABLE = {
    "no root": (remove("."), "", ("the folder of KINS does not exist", "set dataset.root")),
    "no annotations": (
        remove("update_test_2020.json"),
        "update_test_2020.json",
        (
            "split 'test', release 2020, are missing",
            "instances_val.json is there: set dataset.release to 2019",
            "github.com",
        ),
    ),
    "no pictures": (
        remove("testing"),
        "testing/image_2",
        ("does not exist", "data_object_image_2.zip", "dataset.images"),
    ),
    "cut short": (write(b'{"images": [\n{"id": 3, "fi'), "update_test_2020.json", ("line 2, column 11", "download")),
    "empty": (write(b""), "update_test_2020.json", ("not valid JSON",)),
    "a picture": (write(b"\x89PNG\xff"), "update_test_2020.json", ("not UTF-8",)),
    "another file": (
        write(b'{"images": [], "info": {}}'),
        "update_test_2020.json",
        ('not a KINS file: it needs the list "annotations"', "authors' annotation file"),
    ),
    "a list": (write(b"[]"), "update_test_2020.json", ("not a KINS file",)),
}


@pytest.mark.parametrize(("apply", "file", "texts"), UNUSABLE.values(), ids=list(UNUSABLE))
def test_a_tree_that_cannot_be_opened(
    tmp_path: Path, apply: Callable[[Path], None], file: str, texts: tuple[str, ...]
) -> None:
    root = tmp_path / "kins"
    tree(root, [annotation()])
    (root / "instances_val.json").write_text("{}")
    apply(root)
    with pytest.raises(InputError) as caught:
        Kins(str(root))
    assert caught.value.file == str(root / file) and "\n" not in str(caught.value)
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "valid"}, "no split 'valid'; it has train, test, val"),
        ({"release": 2021}, "no release 2021; it has"),
    ],
)
def test_unknown_option(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Kins(str(tmp_path), **options)


def test_a_file_without_annotations_is_empty_not_broken(tmp_path: Path) -> None:
    dataset = tree(tmp_path, [])
    assert list(dataset.records().columns) == list(RECORD_COLUMNS) and dataset.check() == []
