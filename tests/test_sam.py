"""SAM, SAM 2, SAM-HQ and SAM 3 as segmenters, on tiny random weights. No test touches a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pictures
from segmenting import KINDS, REFERENCES, SHAPES, load, prompt_of, samples, weights

from amodal_bench.method.points import draw_points
from amodal_bench.segmenters.choice import CHOICES, chosen
from amodal_bench.segmenters.framing import IMAGENET, Framing
from amodal_bench.segmenters.promptable import PROMPTS, Promptable

SIDE = 64


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("family", KINDS)
def test_it_finds_what_the_library_finds(family: str, boxed: bool) -> None:
    """Up to Pillow's rounding to whole grey levels after resizing: 1 % of the pixels. Another mask differs more."""
    images, prompts = samples()
    found = load(family, prompt="points_box" if boxed else "points").segment(images, prompts)
    apart = []
    for image, prompt, mask in zip(images, prompts, found, strict=True):
        assert mask.shape == image.shape[:2] and mask.dtype == bool
        masks = REFERENCES[family](family, image, prompt, boxed)
        assert (mask != masks[0]).mean() <= 0.01
        apart.append(min((mask != other).mean() for other in masks[1:]))
    assert max(apart) > 0.05  # so the comparison tells masks apart


def test_pixels_are_the_librarys_up_to_a_grey_level() -> None:
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    processor, segmenter = SamImageProcessorPil.from_pretrained(weights("sam")), load("sam")
    for image in samples()[0]:
        shape = image.shape[0], image.shape[1]
        framing = Framing(shape, segmenter.inner(shape, SIDE), SIDE)
        theirs = processor(Pictures.fromarray(image), return_tensors="pt")
        assert tuple(theirs["reshaped_input_sizes"][0]) == framing.inner
        apart = (framing.pixels(image, "cpu") - theirs["pixel_values"][0]).abs().max()
        assert apart < 1.01 / 255 / min(IMAGENET[1])


@pytest.mark.parametrize(
    ("prompt", "by_points", "by_visible"),
    [("points", True, False), ("points_box", True, True), ("mask", False, True)],
)
@pytest.mark.parametrize("family", KINDS)
def test_the_prompt_is_what_it_says(family: str, prompt: str, by_points: bool, by_visible: bool) -> None:
    """Which of the points and V change the mask, when the other stays as it is."""
    images, prompts = samples()
    segmenter = load(family, prompt=prompt)
    before = segmenter.segment(images, prompts)
    elsewhere = [np.flip(told.visible) for told in prompts]
    moved = [replace(told, points=draw_points(seen, 9, 3)) for told, seen in zip(prompts, elsewhere, strict=True)]
    other = [replace(told, visible=seen) for told, seen in zip(prompts, elsewhere, strict=True)]
    for changed, expected in ((moved, by_points), (other, by_visible)):
        after = segmenter.segment(images, changed)
        assert expected == any((a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("family", KINDS)
def test_the_picture_matters(family: str) -> None:
    images, prompts = samples()
    segmenter = load(family)
    pairs = zip(
        segmenter.segment(images, prompts), segmenter.segment([255 - i for i in images], prompts), strict=True
    )
    assert any((a != b).any() for a, b in pairs)


def test_choices_on_crafted_outputs() -> None:
    import torch

    logits = torch.full((1, 3, 8, 8), -1.0)
    logits[0, 0, :3, :3] = 1  # best score
    logits[0, 1, :6, :4] = 1  # largest in the image
    logits[0, 2, 2:4, 2:4] = 1  # V
    logits[0, 2, :, 6:] = 1  # and much of the padding
    logits[0, 0, 6:] = 1
    scores = torch.tensor([[0.9, 0.5, 0.1]])
    visible, inside = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8, dtype=torch.bool)
    visible[0, 2:4, 2:4], inside[0, :6, :6] = 1, True
    assert [int(chosen(logits, scores, visible, inside, how)) for how in CHOICES] == [0, 1, 2]
    # A thin V covers its cells in part; the choice is still that which covers it.
    assert int(chosen(logits, scores, visible * 0.1, inside, "consistent")) == 2


@pytest.mark.parametrize("family", KINDS)
def test_each_choice_takes_another_mask(family: str) -> None:
    images, prompts = samples()
    found = {how: load(family, choose=how).segment(images, prompts) for how in CHOICES}
    for how in ("largest", "consistent"):
        assert any((a != b).any() for a, b in zip(found["score"], found[how], strict=True))


@pytest.mark.parametrize("kind", KINDS.values())
def test_framing_of_points_boxes_and_masks(kind: type[Promptable]) -> None:
    for shape in [*SHAPES, (1, 300), (700, 2)]:
        framing = Framing(shape, kind("nowhere").inner(shape, SIDE), SIDE)
        corners = np.array([[0, 0], [shape[1] - 1, shape[0] - 1]], np.int64)
        inside = framing.points(corners)
        assert (inside[0] == 0).all() and (inside[1] < framing.inner[::-1]).all()
        everything = np.ones(shape, bool)
        assert framing.box(everything).tolist() == [0, 0, framing.inner[1], framing.inner[0]]
        area = float(framing.cover(everything, 16, "cpu").mean())
        assert area == pytest.approx(framing.inner[0] * framing.inner[1] / SIDE**2)
    with pytest.raises(ValueError, match="empty"):
        framing.box(np.zeros(shape, bool))


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("family", KINDS)
def test_objects_of_one_pixel_at_every_border(family: str, prompt: str) -> None:
    images, _ = samples([(30, 70)] * 4)
    prompts = []
    for y, x in ((0, 0), (0, 69), (29, 0), (29, 69)):
        visible = np.zeros((30, 70), bool)
        visible[y, x] = True
        prompts.append(prompt_of(visible))
    masks = load(family, prompt=prompt, choose="consistent").segment(images, prompts)
    assert [mask.shape for mask in masks] == [(30, 70)] * 4


def test_a_lower_precision_is_that_of_the_encoder_alone() -> None:
    import torch

    images, prompts = samples()
    for family, kind in KINDS.items():
        segmenter = kind(str(weights(family)), precision="bfloat16", device="cpu", batch=2)
        assert [mask.shape for mask in segmenter.segment(images, prompts)] == SHAPES
        assert next(segmenter.model.vision_encoder.parameters()).dtype == torch.bfloat16
        assert next(segmenter.model.mask_decoder.parameters()).dtype == torch.float32


def test_the_finer_mask_of_sam_hq_can_be_taken_alone() -> None:
    images, prompts = samples()
    both = load("sam_hq").segment(images, prompts)
    alone = load("sam_hq", hq_token_only=True)
    found = alone.segment(images, prompts)
    assert any((a != b).any() for a, b in zip(both, found, strict=True))
    assert alone.describe()["hq_token_only"] is True
    largest = load("sam_hq", hq_token_only=True, choose="largest").segment(images, prompts)
    assert all(np.array_equal(a, b) for a, b in zip(found, largest, strict=True))  # there is one mask only


def test_early_features_sharpen_the_masks_of_sam_hq(monkeypatch: pytest.MonkeyPatch) -> None:
    images, prompts = samples()
    segmenter = load("sam_hq")
    before = segmenter.segment(images, prompts)
    embed = segmenter.embed
    monkeypatch.setattr(segmenter, "embed", lambda pixels: {**embed(pixels), "early": embed(pixels)["early"] * 0})
    assert any((a != b).any() for a, b in zip(before, segmenter.segment(images, prompts), strict=True))
