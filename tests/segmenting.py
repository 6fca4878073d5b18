"""What the tests of promptable segmenters share: tiny weights of every family, pictures, prompts and references."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pictures

from amodal_bench.cli.models.command import main as models
from amodal_bench.core.types import Image, Mask
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.framing import IMAGENET, SYMMETRIC
from amodal_bench.segmenters.promptable import Promptable
from amodal_bench.segmenters.sam import Sam
from amodal_bench.segmenters.sam2 import Sam2
from amodal_bench.segmenters.sam3 import Sam3
from amodal_bench.segmenters.sam_hq import SamHQ
from amodal_bench.views.points import draw_points

if TYPE_CHECKING:
    from torch import Tensor

KINDS: dict[str, type[Promptable]] = {"sam": Sam, "sam2": Sam2, "sam_hq": SamHQ, "sam3": Sam3}
SHAPES = [(50, 90), (90, 41), (64, 64), (33, 200), (128, 100)]

_HOME = TemporaryDirectory(prefix="amodal-bench-segmenters-")


@cache
def weights(family: str) -> Path:
    """A family's tiny weights, made once for all tests by the command that users have for it."""
    folder = Path(_HOME.name) / family
    with contextlib.redirect_stdout(io.StringIO()):
        assert models(["tiny", family, str(folder)]) == 0
    return folder


@cache
def network(family: str) -> Any:
    return KINDS[family](str(weights(family)), precision="float32", device="cpu").model


def load(family: str, **settings: Any) -> Promptable:
    """A segmenter of a family; the network is shared, which settings do not change."""
    made = KINDS[family](str(weights(family)), **{"precision": "float32", "device": "cpu", "batch": 3, **settings})
    made.__dict__["model"] = network(family)
    return made


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
    """The box of V: x and y of the first pixel and behind the last one."""
    ys, xs = np.nonzero(visible)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


def by_processor(family: str, image: Image, prompt: Prompt, boxed: bool) -> list[Mask]:
    """The three masks, best score first, that transformers' own processor and model of SAM or SAM-HQ find."""
    import torch
    import transformers
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    name = {"sam": "Sam", "sam_hq": "SamHQ"}[family]
    pixels = SamImageProcessorPil.from_pretrained(weights(family))
    processor: Any = getattr(transformers, f"{name}Processor")(pixels)
    box = {"input_boxes": [[edges(prompt.visible)]]} if boxed else {}
    told = {"input_points": [[prompt.points.tolist()]], "input_labels": [[[1] * len(prompt.points)]], **box}
    inputs = processor(Pictures.fromarray(image), return_tensors="pt", **told)
    sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
    shown = {name: inputs[name].float() for name in ("pixel_values", "input_points", "input_boxes") if name in inputs}
    model = getattr(transformers, f"{name}Model").from_pretrained(weights(family))
    with torch.no_grad():
        out = model(**shown, input_labels=inputs["input_labels"], multimask_output=True)
    masks = processor.image_processor.post_process_masks(out.pred_masks, *sizes)[0][0].numpy()
    return [masks[int(i)] for i in out.iou_scores[0, 0].argsort(descending=True)]


def by_hand(family: str, image: Image, prompt: Prompt, boxed: bool) -> list[Mask]:
    """Masks of SAM 2 and 3, best first, without their processors, which need torchvision.

    Pillow squeezes the picture, the model gets pixels and the masks go straight to the image.
    """
    import torch
    from transformers import Sam2Model

    side, (mean, std) = {"sam2": (64, IMAGENET), "sam3": (56, SYMMETRIC)}[family]
    small = np.asarray(Pictures.fromarray(image).resize((side, side), Pictures.Resampling.BILINEAR))
    pixels = torch.tensor((small / 255 - np.array(mean)) / np.array(std), dtype=torch.float32).permute(2, 0, 1)[None]
    stretch = torch.tensor([side / image.shape[1], side / image.shape[0]])
    box = {"input_boxes": (torch.tensor(edges(prompt.visible)).view(2, 2) * stretch).view(1, 1, 4)} if boxed else {}
    told = {"input_points": (torch.tensor(prompt.points) * stretch)[None, None].float(), **box}
    with torch.no_grad():
        if family == "sam2":
            out = Sam2Model.from_pretrained(weights(family))(pixel_values=pixels, multimask_output=True, **told)
        else:
            out = network(family)(image_embeddings=of_whole_model(pixels), multimask_output=True, **told)
    size = image.shape[:2]
    masks = torch.nn.functional.interpolate(out.pred_masks[0], size, mode="bilinear", align_corners=False)[0] > 0
    return [masks[int(i)].numpy() for i in out.iou_scores[0, 0].argsort(descending=True)]


def of_whole_model(pixels: Tensor) -> list[Tensor]:
    """What SAM 3's whole model, the one that is published, prepares for its tracker of a first frame."""
    from transformers import Sam3VideoModel

    whole: Any = Sam3VideoModel.from_pretrained(weights("sam3"))
    seen = whole.detector_model.get_vision_features(pixels)
    *fine, coarse = whole.get_vision_features_for_tracker(seen)[0]
    levels = [*fine, coarse + whole.tracker_model.no_memory_embedding]  # as it does where there is no earlier frame
    sizes = whole.tracker_model.backbone_feature_sizes
    return [level.permute(1, 2, 0).unflatten(2, tuple(size)) for level, size in zip(levels, sizes, strict=True)]


REFERENCES: dict[str, Callable[[str, Image, Prompt, bool], list[Mask]]] = {
    "sam": by_processor,
    "sam_hq": by_processor,
    "sam2": by_hand,
    "sam3": by_hand,
}
