"""SAM and SAM 2 as segmenters and as models, on tiny random weights. No test touches a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import composed
from PIL import Image as Pictures

from amodal_bench.backbones.catalogue import catalogue
from amodal_bench.backbones.weights import RANDOM_MARK, ROOT, Source
from amodal_bench.datasets.base import Query
from amodal_bench.errors import ConfigError, InputError
from amodal_bench.method.points import draw_points
from amodal_bench.method.view import View
from amodal_bench.models.segment_only import SegmentOnly
from amodal_bench.models_command.command import main as models
from amodal_bench.report.outcome import Outcome
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.framing import MEAN, STD, Framing
from amodal_bench.segmenters.promptable import CHOICES, PROMPTS, Promptable, chosen
from amodal_bench.segmenters.sam import Sam
from amodal_bench.segmenters.sam2 import Sam2
from amodal_bench.types import Image, Mask

KINDS: dict[str, type[Promptable]] = {"sam": Sam, "sam2": Sam2}
SHAPES = [(50, 90), (90, 41), (64, 64), (33, 200), (128, 100)]
SIDE = 64


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The weights of both families, saved by the command that users have for it."""
    root = tmp_path_factory.mktemp("segmenters")
    for family in KINDS:
        assert models(["tiny", family, str(root / family)]) == 0
    return {family: root / family for family in KINDS}


@pytest.fixture(scope="module")
def load(folders: dict[str, Path]) -> Callable[..., Promptable]:
    """A segmenter of a family; the network is shared, which settings do not change."""
    networks: dict[str, Any] = {}

    def make(family: str, **settings: Any) -> Promptable:
        made = KINDS[family](
            str(folders[family]), **{"precision": "float32", "device": "cpu", "batch": 3, **settings}
        )
        if family in networks:
            made.__dict__["model"] = networks[family]
        networks[family] = made.model
        return made

    return make


def samples(shapes: list[tuple[int, int]] = SHAPES) -> tuple[list[Image], list[Prompt]]:
    """Pictures of coloured patches, and prompts whose object is one of them."""
    random = np.random.default_rng(1)
    images, prompts = [], []
    for seed, (height, width) in enumerate(shapes):
        patches = random.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
        images.append(patches.repeat(8, axis=0).repeat(8, axis=1)[:height, :width])
        visible = np.zeros((height, width), bool)
        visible[height // 4 : height // 2, width // 3 : width // 2] = True
        prompts.append(prompt_of(visible, seed))
    return images, prompts


def prompt_of(visible: Mask, seed: int = 0) -> Prompt:
    return Prompt(visible, np.ones(visible.shape, bool), draw_points(visible, 9, seed), seed)


def edges(visible: Mask) -> list[int]:
    """x and y of the first pixel and behind the last one."""
    ys, xs = np.nonzero(visible)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


def by_library(folder: Path, image: Image, prompt: Prompt, boxed: bool) -> list[Mask]:
    """The three masks, best score first, that transformers' own SAM processor and model find."""
    import torch
    from transformers import SamModel, SamProcessor
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    processor: Any = SamProcessor(SamImageProcessorPil.from_pretrained(folder))  # type: ignore[no-untyped-call]
    box = {"input_boxes": [[edges(prompt.visible)]]} if boxed else {}
    told = {"input_points": [[prompt.points.tolist()]], "input_labels": [[[1] * len(prompt.points)]], **box}
    inputs = processor(Pictures.fromarray(image), return_tensors="pt", **told)
    sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
    shown = {name: inputs[name].float() for name in ("pixel_values", "input_points", "input_boxes") if name in inputs}
    with torch.no_grad():
        out = SamModel.from_pretrained(folder)(**shown, input_labels=inputs["input_labels"], multimask_output=True)
    masks = processor.image_processor.post_process_masks(out.pred_masks, *sizes)[0][0].numpy()
    return [masks[int(i)] for i in out.iou_scores[0, 0].argsort(descending=True)]


def by_hand(folder: Path, image: Image, prompt: Prompt, boxed: bool) -> list[Mask]:
    """The same for SAM 2: Pillow squeezes the picture, the model gets pixels, the masks go straight to the image."""
    import torch
    from transformers import Sam2Model

    small = np.asarray(Pictures.fromarray(image).resize((SIDE, SIDE), Pictures.Resampling.BILINEAR))
    pixels = torch.tensor((small / 255 - np.array(MEAN)) / np.array(STD), dtype=torch.float32).permute(2, 0, 1)
    stretch = torch.tensor([SIDE / image.shape[1], SIDE / image.shape[0]])
    box = {"input_boxes": (torch.tensor(edges(prompt.visible)).view(2, 2) * stretch).view(1, 1, 4)} if boxed else {}
    told = {"input_points": (torch.tensor(prompt.points) * stretch)[None, None].float(), **box}
    with torch.no_grad():
        out = Sam2Model.from_pretrained(folder)(pixel_values=pixels[None], multimask_output=True, **told)
    size = image.shape[:2]
    masks = torch.nn.functional.interpolate(out.pred_masks[0], size, mode="bilinear", align_corners=False)[0] > 0
    return [masks[int(i)].numpy() for i in out.iou_scores[0, 0].argsort(descending=True)]


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("family", KINDS)
def test_it_finds_what_the_library_finds(
    load: Callable[..., Promptable], folders: dict[str, Path], family: str, boxed: bool
) -> None:
    """Up to Pillow's rounding to whole grey levels after resizing: 1 % of the pixels. Another mask differs more."""
    images, prompts = samples()
    found = load(family, prompt="points_box" if boxed else "points").segment(images, prompts)
    reference = by_library if family == "sam" else by_hand
    apart = []
    for image, prompt, mask in zip(images, prompts, found, strict=True):
        assert mask.shape == image.shape[:2] and mask.dtype == bool
        masks = reference(folders[family], image, prompt, boxed)
        assert (mask != masks[0]).mean() <= 0.01
        apart.append(min((mask != other).mean() for other in masks[1:]))
    assert max(apart) > 0.05  # so the comparison tells masks apart


def test_pixels_are_the_librarys_up_to_a_grey_level(
    load: Callable[..., Promptable], folders: dict[str, Path]
) -> None:
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    processor, segmenter = SamImageProcessorPil.from_pretrained(folders["sam"]), load("sam")
    for image in samples()[0]:
        shape = image.shape[0], image.shape[1]
        framing = Framing(shape, segmenter.inner(shape, SIDE), SIDE)
        theirs = processor(Pictures.fromarray(image), return_tensors="pt")
        assert tuple(theirs["reshaped_input_sizes"][0]) == framing.inner
        apart = (framing.pixels(image, "cpu") - theirs["pixel_values"][0]).abs().max()
        assert apart < 1.01 / 255 / min(STD)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("family", KINDS)
def test_a_mask_does_not_depend_on_its_company(load: Callable[..., Promptable], family: str, prompt: str) -> None:
    images, prompts = samples()
    segmenter = load(family, prompt=prompt)
    together = segmenter.segment(images, prompts)
    backwards = segmenter.segment(images[::-1], prompts[::-1])[::-1]
    alone = [segmenter.segment([image], [told])[0] for image, told in zip(images, prompts, strict=True)]
    for one, other, third in zip(together, backwards, alone, strict=True):
        assert np.array_equal(one, other) and np.array_equal(one, third)
    assert segmenter.segment([], []) == []


@pytest.mark.parametrize(
    ("prompt", "by_points", "by_visible"),
    [("points", True, False), ("points_box", True, True), ("mask", False, True)],
)
@pytest.mark.parametrize("family", KINDS)
def test_the_prompt_is_what_it_says(
    load: Callable[..., Promptable], family: str, prompt: str, by_points: bool, by_visible: bool
) -> None:
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
def test_the_picture_matters(load: Callable[..., Promptable], family: str) -> None:
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
def test_each_choice_takes_another_mask(load: Callable[..., Promptable], family: str) -> None:
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
def test_objects_of_one_pixel_at_every_border(load: Callable[..., Promptable], family: str, prompt: str) -> None:
    images, _ = samples([(30, 70)] * 4)
    prompts = []
    for y, x in ((0, 0), (0, 69), (29, 0), (29, 69)):
        visible = np.zeros((30, 70), bool)
        visible[y, x] = True
        prompts.append(prompt_of(visible))
    masks = load(family, prompt=prompt, choose="consistent").segment(images, prompts)
    assert [mask.shape for mask in masks] == [(30, 70)] * 4


def test_describe_tells_settings_and_random_weights_apart(folders: dict[str, Path], tmp_path: Path) -> None:
    facts = Sam(str(folders["sam"]), device="cpu").describe()
    assert facts["random_weights"] and facts["precision"] == "float32" and len(facts["weights"]) == 64
    assert facts["segmenter"] == "sam" and set(facts["versions"]) == {"torch", "transformers"}
    other = Sam(str(folders["sam"]), device="cpu", prompt="mask", choose="largest", batch=2).describe()
    assert {name for name in facts if facts[name] != other[name]} == {"prompt", "choose", "batch"}
    for file in folders["sam"].iterdir():
        if file.name != RANDOM_MARK:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    unmarked = Sam(str(tmp_path), device="cpu").describe()
    assert "random_weights" not in unmarked and unmarked["weights"] == facts["weights"]


def test_a_lower_precision_is_that_of_the_encoder_alone(folders: dict[str, Path]) -> None:
    import torch

    images, prompts = samples()
    for family, kind in KINDS.items():
        segmenter = kind(str(folders[family]), precision="bfloat16", device="cpu", batch=2)
        assert [mask.shape for mask in segmenter.segment(images, prompts)] == SHAPES
        assert next(segmenter.model.vision_encoder.parameters()).dtype == torch.bfloat16
        assert next(segmenter.model.mask_decoder.parameters()).dtype == torch.float32


# Weights


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("nowhere/at/all", "nowhere/at/all: there is no such weights folder; set segmenter.weights to a folder "),
        (
            "facebook/sam-vit-huge",
            "facebook/sam-vit-huge: its weights are not on this machine; segmenter.local_files_only=false downloads "
            "them (2.6 GB of disk, 1.3 GB of GPU memory, licence Apache-2.0)",
        ),
    ],
)
def test_absent_weights_are_one_line(
    spec: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        Sam(spec).describe()
    assert str(caught.value).startswith(expected) and "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    config = (folders["sam"] / "config.json").read_bytes()
    (tmp_path / "config.json").write_bytes(config)
    tensors = load_file(folders["sam"] / "model.safetensors")
    less = {name: value for name, value in tensors.items() if name != "mask_decoder.iou_token.weight"}
    for content, reason in ((less, "lacks 1 tensors, such as mask_decoder.iou_token.weight"), (None, "")):
        if content is None:
            (tmp_path / "model.safetensors").write_bytes(b"damaged")
        else:
            save_file(content, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(InputError) as caught:
            Sam(str(tmp_path), device="cpu").segment(*samples())
        assert str(caught.value).startswith(f"{tmp_path}: cannot be loaded as sam (") and reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_only_the_files_of_the_root_that_are_needed_are_downloaded() -> None:
    patterns = Source("facebook/sam-vit-huge").patterns((ROOT,))
    assert {"*.json", "model.safetensors"} <= set(patterns)
    assert not any("/" in pattern or pattern.endswith((".bin", ".pt", ".h5")) for pattern in patterns)


def test_the_catalogue_knows_what_the_configurations_name() -> None:
    for family in KINDS:
        assert composed(f"segmenter={family}").segmenter["weights"] in catalogue()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prompt": "box"}, "segmenter.prompt: 'box' is not one of points, points_box, mask"),
        ({"choose": "best"}, "segmenter.choose: 'best' is not one of score, largest, consistent"),
        ({"batch": 0}, "segmenter.batch: 0 is not a positive number"),
        ({"precision": "int8"}, "segmenter.precision: 'int8' is not one of auto, float32, bfloat16, float16"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Sam("nowhere", **settings)
    assert str(caught.value) == expected


# As models


def small(folder: Path) -> list[str]:
    return [f"segmenter.weights={folder}", "segmenter.device=cpu", "segmenter.batch=2"]


@pytest.mark.parametrize("family", KINDS)
def test_a_segmenter_alone_is_a_model(bench: Callable[..., Outcome], folders: dict[str, Path], family: str) -> None:
    outcome = bench(f"model={family}", *small(folders[family]), "dataset.images=1", "limit=2")
    main = outcome.main
    assert len(main.counted) == 2 and main.errors().empty
    facts = main.facts["model"]
    assert facts["segmenter"]["segmenter"] == family and facts["segmenter"]["random_weights"] and facts["points"] == 9
    assert (main.timing().set_index("stage")["seconds_per_instance"][["prepare", "segment"]] > 0).all()


def test_the_method_prompts_it_on_the_inpainted_view(bench: Callable[..., Outcome], folders: dict[str, Path]) -> None:
    outcome = bench("segmenter=sam2", *small(folders["sam2"]), "model.steps=2", "dataset.images=1", "limit=2")
    assert len(outcome.main.counted) == 2 and outcome.main.errors().empty
    assert outcome.main.facts["model"]["segmenter"]["segmenter"] == "sam2"


def test_another_segmenter_and_a_view_can_take_their_place(bench: Callable[..., Outcome]) -> None:
    plain = ["model=sam", "segmenter=grabcut", "dataset.images=1", "limit=2"]
    whole = bench(*plain).main
    viewed = bench(*plain, "model.view=${protocol.view}", "model.size=96").main
    for main in (whole, viewed):
        assert len(main.counted) == 2 and main.errors().empty
    assert "view" not in whole.facts["model"]
    assert viewed.facts["model"]["view"]["mode"] == "crop" and viewed.facts["model"]["size"] == 96


class LeftHalf:
    """A segmenter that finds the left half, and keeps what it is told."""

    def describe(self) -> dict[str, str]:
        return {"segmenter": "left half"}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        self.images, self.prompts = images, prompts
        return [np.arange(image.shape[1])[None].repeat(len(image), 0) < image.shape[1] // 2 for image in images]


def test_the_model_shows_the_image_and_returns_the_mask_as_they_are() -> None:
    images, prompts = samples()
    queries = [
        Query(str(n), image, told.visible) for n, (image, told) in enumerate(zip(images, prompts, strict=True))
    ]
    segmenter = LeftHalf()
    masks = SegmentOnly(segmenter).predict(queries, range(len(queries)))
    for query, image, told, mask in zip(queries, segmenter.images, segmenter.prompts, masks, strict=True):
        assert np.array_equal(image, query.image) and told.area.all()
        assert query.visible[told.points[:, 1], told.points[:, 0]].all() and len(told.points) == 9
        assert mask.shape == query.visible.shape and mask.mean() == pytest.approx(0.5, abs=0.02)
    squeezed = SegmentOnly(segmenter, View("frame", 0.0), size=48).predict(queries, range(len(queries)))
    assert {image.shape for image in segmenter.images} == {(48, 48, 3)}
    for mask, other in zip(masks, squeezed, strict=True):
        assert other.shape == mask.shape and (mask != other).mean() <= 0.03
    with pytest.raises(ConfigError, match="must be positive numbers"):
        SegmentOnly(segmenter, points=0)
