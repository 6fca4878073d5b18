"""SAM, SAM 2, SAM-HQ and SAM 3 as segmenters, on tiny random weights. No test touches a network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from params import mostly_slow
from PIL import Image as Pictures
from segmenting import KINDS, REFERENCES, SHAPES, load, prompt_of, samples, weights

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.types import Mask
from amodal_bench.segmenters.choice import CHOICES, chosen
from amodal_bench.segmenters.framing import IMAGENET, Framing
from amodal_bench.segmenters.promptable import PROMPTS, Promptable, PromptKind
from amodal_bench.views.points import draw_points

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64


@pytest.mark.slow
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


@pytest.mark.slow
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
@pytest.mark.parametrize("family", mostly_slow(KINDS))
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


@pytest.mark.parametrize("family", mostly_slow(KINDS))
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


@pytest.mark.parametrize("family", mostly_slow(KINDS))
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
        for side in (16, 20):  # cells of whole pixels, and others
            covered = framing.cover(everything, side, "cpu") > 0
            assert bool((framing.reached(side, "cpu") == covered).all())
    with pytest.raises(PredictionError, match="empty"):
        framing.box(np.zeros(shape, bool))


@pytest.mark.slow
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("family", KINDS)
def test_objects_of_one_pixel_at_every_border(family: str, prompt: str) -> None:
    images, _ = samples([(30, 70)] * 4)
    prompts = []
    for y, x in ((0, 0), (0, 69), (29, 0), (29, 69)):
        visible = np.zeros((30, 70), bool)
        visible[y, x] = True
        prompts.append(prompt_of(visible))
    masks = load(family, prompt=prompt).segment(images, prompts)
    assert [mask.shape for mask in masks] == [(30, 70)] * 4
    if prompt != "mask":
        for image, told, mask in zip(images, prompts, masks, strict=True):
            assert (mask != REFERENCES[family](family, image, told, prompt == "points_box")[0]).mean() <= 0.01


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("family", mostly_slow(KINDS))
def test_pictures_of_hardly_any_width_or_height(family: str, prompt: str) -> None:
    shapes = [(1, 300), (700, 2), (1, 1)]
    images = [np.full((*shape, 3), 90, np.uint8) for shape in shapes]
    prompts = [prompt_of(np.ones(shape, bool)) for shape in shapes]
    masks = load(family, prompt=prompt, choose="consistent").segment(images, prompts)
    assert [mask.shape for mask in masks] == shapes


def test_a_picture_may_be_a_mirrored_view_that_nobody_writes_to() -> None:
    images, prompts = samples()
    mirrored = [image[:, ::-1] for image in images]
    for image in mirrored:
        image.setflags(write=False)
    copies = [image.copy() for image in mirrored]
    segmenter = load("sam")
    for one, other in zip(segmenter.segment(mirrored, prompts), segmenter.segment(copies, prompts), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", KINDS)
def test_a_lower_precision_is_that_of_the_encoder_alone_and_hardly_shows(family: str, precision: str) -> None:
    import torch

    images, prompts = samples()
    segmenter = KINDS[family](str(weights(family)), precision=precision, device="cpu", batch=3)
    for mask, whole in zip(segmenter.segment(images, prompts), load(family).segment(images, prompts), strict=True):
        assert (mask != whole).mean() < 0.01 < whole.mean()  # numbers that are none would make an empty mask
    assert {values.dtype for values in segmenter.model.vision_encoder.parameters()} == {getattr(torch, precision)}
    assert {values.dtype for values in segmenter.model.mask_decoder.parameters()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("family", KINDS)
def test_all_tensors_are_on_the_device(family: str, prompt: PromptKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """On torch's device without memory, which as a GPU does refuses to mix with the CPU's tensors."""
    images, prompts = samples()
    segmenter = KINDS[family](str(weights(family)), device="meta", batch=3, prompt=prompt, choose="consistent")
    found = []

    def enlarged(logits: Tensor, framing: Framing) -> Mask:
        found.append(segmenter.enlarge(logits[None, None], framing).device.type)
        return np.zeros(framing.shape, bool)  # there are no numbers

    monkeypatch.setattr(segmenter, "_mask", enlarged)
    segmenter.segment(images, prompts)
    assert found == ["meta"] * len(images)


@pytest.mark.slow
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
