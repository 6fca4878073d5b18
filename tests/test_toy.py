"""The toy aquarium: deterministic, any size, as varied as promised, and exact."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import draws_anew

import amodal_bench.toy
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.datasets import toy as module
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.toy import Split, Toy
from amodal_bench.testing.export.cocoa import export as export_cocoa
from amodal_bench.tiny import samples as training
from amodal_bench.toy.scene import Scene, draw_scene
from amodal_bench.toy.sprite import Sprite

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A dataset whose index and scenes are drawn once for the whole module."""
    dataset = Toy("test", 60, 0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AMODAL_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        dataset.records()
    return dataset


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the scenes that the dataset draws, as it draws them."""
    numbers: list[int] = []

    def draw(seed: int, split: str, number: int) -> Scene:
        numbers.append(number)
        return draw_scene(seed, split, number)

    monkeypatch.setattr(module, "draw_scene", draw)
    return numbers


def test_nothing_is_drawn_before_it_is_asked_for_and_the_index_only_once(drawn: list[int]) -> None:
    first = Toy("test", 3, 0)
    assert drawn == []
    records, fingerprint = first.records(), first.fingerprint()
    sample = first.sample(str(records["id"].iloc[-1]))
    assert drawn == [0, 1, 2]
    again = Toy("test", 3, 0)
    assert again.records().equals(records) and again.records().dtypes.equals(records.dtypes)
    assert again.fingerprint() == fingerprint and drawn == [0, 1, 2]
    twin = again.sample(sample.id)
    assert drawn == [0, 1, 2, 2]
    assert all(np.array_equal(getattr(twin, part), getattr(sample, part)) for part in ("image", "amodal", "others"))


def test_the_fingerprint_is_that_of_all_images(drawn: list[int]) -> None:
    """Runs of earlier versions are found again by it."""
    scenes = [draw_scene(4, "val", number) for number in range(3)]
    pixels = b"".join(scene.image.tobytes() for scene in scenes)
    expected = hashlib.sha256(f"toy@{module.VERSION}/val/3/4".encode() + pixels).hexdigest()
    assert Toy("val", 3, 4).fingerprint() == Toy("val", 3, 4).fingerprint() == expected
    assert drawn == [0, 1, 2]


@pytest.mark.parametrize("changed", ["the drawing's source", "a library"])
def test_other_drawing_code_or_libraries_draw_the_index_anew(
    drawn: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    Toy("test", 1, 0).records()
    if changed == "a library":
        monkeypatch.setattr(np, "__version__", "9")
    else:
        shutil.copytree(amodal_bench.toy.__path__[0], tmp_path / "toy")
        with (tmp_path / "toy" / "fish.py").open("a") as file:
            file.write("# changed\n")
        monkeypatch.setattr(amodal_bench.toy, "__path__", [str(tmp_path / "toy")])
    Toy("test", 1, 0).records()
    assert drawn == [0, 0]


def test_a_scene_that_is_drawn_otherwise_than_indexed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    id = str(Toy("test", 1, 0).records()["id"].iloc[0])
    monkeypatch.setattr(module, "draw_scene", lambda seed, split, number: draw_scene(seed + 1, split, number))
    other = Toy("test", 1, 0)
    with pytest.raises(InputError, match="scene test-00000: the scene is drawn otherwise than when it was indexed"):
        other.sample(id)
    assert len(other.check()) == 1


@pytest.mark.slow
def test_scenes_that_were_drawn_stay_behind_when_the_dataset_travels(toy: Toy, drawn: list[int]) -> None:
    copy = pickle.loads(pickle.dumps(toy))
    assert len(pickle.dumps(toy)) < 100_000 and copy.records().equals(toy.records()) and drawn == []


def test_same_arguments_draw_the_same_scene() -> None:
    first, second = draws_anew(3, "val", 5), draws_anew(3, "val", 5)
    assert np.array_equal(first.image, second.image)
    assert all(np.array_equal(a.amodal, b.amodal) for a, b in zip(first.instances, second.instances, strict=True))
    assert Toy("val", 2, 3).fingerprint() == Toy("val", 2, 3).fingerprint()


@pytest.mark.parametrize("other", [("val", 2, 4), ("test", 2, 3), ("val", 3, 3)])
def test_seed_split_and_size_change_the_fingerprint(other: tuple[Split, int, int]) -> None:
    assert Toy(*other).fingerprint() != Toy("val", 2, 3).fingerprint()


@pytest.mark.slow
def test_a_larger_dataset_begins_with_the_smaller_one() -> None:
    small, large = Toy("test", 3, 0), Toy("test", 5, 0)
    ids = list(small.records()["id"])
    assert ids == list(large.records()["id"])[: len(ids)]
    assert np.array_equal(small.sample(ids[-1]).amodal, large.sample(ids[-1]).amodal)


@pytest.mark.slow
def test_visible_masks_are_disjoint_and_lie_inside_the_amodal_ones(toy: Toy) -> None:
    assert toy.check() == []
    for _, ids in toy.records().groupby("image_id")["id"]:
        samples = [toy.sample(id) for id in ids]
        visible = np.stack([sample.visible for sample in samples])
        assert visible.sum(axis=0).max() <= 1
        amodal = np.stack([sample.amodal for sample in samples])
        # Where any object is, the front-most one is visible: nothing is hidden by something unlisted.
        assert np.array_equal(visible.any(axis=0), amodal.any(axis=0))


def test_occlusion_rates_spread_over_0_to_70_percent_with_unoccluded_ones(toy: Toy) -> None:
    records = toy.records()
    fish = records[~records["stuff"]]
    share, _ = np.histogram(fish["occlusion_rate"], [0, 1e-9, 0.2, 0.4, 0.6, 0.7])
    assert (share / len(fish) > 0.04).all()
    assert fish["occlusion_rate"].max() <= 0.7 + 1e-9
    assert 0.2 < share[0] / len(fish) < 0.6


def test_scenes_hold_several_instances(toy: Toy) -> None:
    per_image = toy.records().groupby("image_id").size()
    assert per_image.mean() > 2.5
    assert per_image.max() >= 5


def test_fish_have_several_colours(toy: Toy) -> None:
    """The method paints the background in an object's own colours: a flat object would vanish."""
    records = toy.records()
    for id in records[(records["category"] == "fish") & (records["occlusion_rate"] < 0.3)]["id"][:30]:
        sample = toy.sample(id)
        assert sample.image[sample.visible].astype(float).std(axis=0).max() > 20


@pytest.mark.slow
def test_default_test_split_has_at_least_500_instances() -> None:
    records = Toy("test", 160, 0).records()
    assert int((~records["stuff"]).sum()) >= 500


@pytest.mark.slow
def test_export_to_cocoa_is_read_back_mask_for_mask(tmp_path: Path) -> None:
    export_cocoa(tmp_path, "val", 8, 0)
    real, toy = Cocoa(str(tmp_path)), Toy("val", 8, 0)
    ours, theirs = toy.records(), real.records()
    assert len(ours) == len(theirs) > 16
    assert ours["stuff"].tolist() == theirs["stuff"].tolist()
    assert np.allclose(ours["occlusion_rate"], theirs["occlusion_rate"])
    assert real.check() == []
    for a, b in zip(ours["id"], theirs["id"], strict=True):
        mine, read = toy.sample(a), real.sample(b)
        for part in ("image", "visible", "amodal", "others"):
            assert np.array_equal(getattr(mine, part), getattr(read, part)), (a, part)


def test_no_images_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.images"):
        Toy("test", 0, 0)


@pytest.mark.slow
def test_training_scenes_never_contain_an_occlusion(monkeypatch: pytest.MonkeyPatch) -> None:
    """What "tuning-free" rests on: no painted object covers another one."""
    painted: list[np.typing.NDArray[np.bool_]] = []

    def paint(self: Sprite, image: np.typing.NDArray[np.float32]) -> None:
        painted.append(self.amodal(training.SIZE, training.SIZE))
        original(self, image)

    original = Sprite.paint
    monkeypatch.setattr(Sprite, "paint", paint)
    several = 0
    for seed in range(150):
        painted.clear()
        training.draw_scene(np.random.default_rng(seed))
        if painted:
            assert np.sum(painted, axis=0).max() <= 1
        several += len(painted) > 1
    assert several > 3


def test_training_masks_do_not_follow_the_objects() -> None:
    """The mask is drawn from its own random numbers: the same generator state gives it on any scene."""
    first = training.random_mask(np.random.default_rng(5))
    again = training.random_mask(np.random.default_rng(5))
    assert np.array_equal(first, again)
    shares = [training.random_mask(np.random.default_rng(s)).mean() for s in range(200)]
    assert 0.15 < float(np.mean(shares)) < 0.5


@pytest.mark.slow
def test_samples_show_the_image_outside_their_mask_and_erase_the_hole_in_it() -> None:
    rng = np.random.default_rng(0)
    samples = [training.draw_sample(rng) for _ in range(60)]
    for sample in samples:
        assert np.allclose(sample.masked[~sample.mask], sample.image[~sample.mask], atol=1e-6)
        assert not (sample.hole & ~sample.mask).any()
    grey = [s for s in samples if np.allclose(s.masked[s.mask], 0.5) and s.mask.any()]
    loose = [s for s in samples if (s.mask & ~s.hole).any()]
    assert len(grey) >= 3
    assert len(loose) > 30
    assert not any(np.array_equal(s.masked[s.hole], s.image[s.hole]) for s in grey)
