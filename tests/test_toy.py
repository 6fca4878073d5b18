"""The toy aquarium: deterministic, any size, as varied as promised, and exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amodal_bench.core.errors import ConfigError
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.toy import Toy
from amodal_bench.testing.export.cocoa import export as export_cocoa
from amodal_bench.tiny import samples as training
from amodal_bench.toy.scene import draw_scene
from amodal_bench.toy.sprite import Sprite


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy("test", 60, 0)


def test_same_arguments_draw_the_same_scene() -> None:
    first, second = draw_scene(3, "val", 5), draw_scene(3, "val", 5)
    assert np.array_equal(first.image, second.image)
    assert all(np.array_equal(a.amodal, b.amodal) for a, b in zip(first.instances, second.instances, strict=True))
    assert Toy("val", 2, 3).fingerprint() == Toy("val", 2, 3).fingerprint()


@pytest.mark.parametrize("other", [("val", 2, 4), ("test", 2, 3), ("val", 3, 3)])
def test_seed_split_and_size_change_the_fingerprint(other: tuple[str, int, int]) -> None:
    assert Toy(*other).fingerprint() != Toy("val", 2, 3).fingerprint()


def test_a_larger_dataset_begins_with_the_smaller_one() -> None:
    small, large = Toy("test", 3, 0), Toy("test", 5, 0)
    ids = list(small.records()["id"])
    assert ids == list(large.records()["id"])[: len(ids)]
    assert np.array_equal(small.sample(ids[-1]).amodal, large.sample(ids[-1]).amodal)


def test_visible_masks_are_disjoint_and_lie_inside_the_amodal_ones(toy: Toy) -> None:
    assert toy.check() == []
    for scene in toy.scenes:
        visible = np.stack([instance.visible for instance in scene.instances])
        assert visible.sum(axis=0).max() <= 1
        amodal = np.stack([instance.amodal for instance in scene.instances])
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


def test_default_test_split_has_at_least_500_instances() -> None:
    records = Toy("test", 160, 0).records()
    assert int((~records["stuff"]).sum()) >= 500


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
