"""What the SAM families share: a picture is encoded once, each prompt on it decoded to masks, and one is chosen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from amodal_bench.core.batches import Batches, Tensors
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.stages import StageCost, Stages
from amodal_bench.core.tensors import require_finite
from amodal_bench.core.types import Image, Mask
from amodal_bench.core.versions import versions
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.choice import CHOICES, Choice, chosen
from amodal_bench.segmenters.framing import IMAGENET, Framing, Scaling
from amodal_bench.segmenters.sharing import distinct
from amodal_bench.weights.loaded import Loaded, loaded_once
from amodal_bench.weights.loading import check_whole, exact_float32, named_errors
from amodal_bench.weights.source import ROOT

if TYPE_CHECKING:
    from torch import Tensor

PromptKind: TypeAlias = Literal["points", "points_box", "mask"]
PROMPTS = get_args(PromptKind)
ENCODE, DECODE = "encode", "decode"
LOGIT = 10.0
"""The logit of a pixel in a mask prompt, negated outside: these models take the logits of an earlier mask."""


class Promptable(Loaded):
    """A segmenter that transformers loads from a folder of its own layout; nothing is done to the mask it finds.

    Args:
        weights: see `Loaded`.
        batch: pictures encoded at once, and prompts decoded at once; always, a smaller last batch is padded.
        prompt: `points` gives the prompt's points, `points_box` adds the box of V, `mask` gives V alone, as a mask.
        choose: which of the three masks: `score` that of the best predicted score, `largest`, or `consistent`, that
            of the highest IoU with V.
        loading: the others of `Loaded`; `precision` is that of the image encoder, since prompts and masks are
            computed in float32, which costs next to nothing.
    """

    KEY = "segmenter"
    FAMILY: ClassVar[str]
    SCALING: ClassVar[Scaling] = IMAGENET
    """How the pixels that the model was trained with are scaled."""

    def __init__(
        self,
        weights: str,
        batch: int = 4,
        prompt: PromptKind = "points",
        choose: Choice = "score",
        **loading: Any,
    ) -> None:
        super().__init__(weights, **loading)
        if batch < 1:
            raise ConfigError(f"segmenter.batch: {batch} must be >= 1")
        for name, value, known in (("prompt", prompt, PROMPTS), ("choose", choose, CHOICES)):
            if value not in known:
                raise ConfigError(f"segmenter.{name}: {value!r} is not one of {', '.join(known)}")
        self.batch, self.prompt, self.choose = batch, prompt, choose

    def describe(self) -> dict[str, Any]:
        """What identifies the segmenter; reads the weights' bytes once, and never loads them."""
        return {
            "segmenter": self.FAMILY,
            **self.origin(),
            **self.numerics(),
            "prompt": self.prompt,
            "choose": self.choose,
            "batch": self.batch,
            "versions": versions("torch", "transformers"),
        }

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        """See `Segmenter`; the prompts of one call have equally many points. Equal pictures are encoded once."""
        pictures, masks = distinct(images), dict[int, Mask]()
        while pictures:
            size = self._batches.sizes[ENCODE]  # anew each time: it shrinks where memory runs out
            masks |= self._segment(pictures[:size], images, prompts)
            pictures = pictures[size:]
        return [masks[place] for place in range(len(images))]

    def costs(self) -> dict[str, StageCost]:
        """What encoding and decoding have cost since the last call, each per instance and not per picture."""
        costs = self._stages.take()
        if ENCODE in costs:
            costs[ENCODE] = replace(costs[ENCODE], instances=costs.get(DECODE, StageCost()).instances)
        return costs

    @property
    def parts(self) -> tuple[str, ...]:
        """Where in the folder the network lies."""
        return (ROOT,)

    @abstractmethod
    def kind(self) -> Any:
        """The class of transformers."""

    @abstractmethod
    def inner(self, shape: tuple[int, int], side: int) -> tuple[int, int]:
        """The size (h, w) to which an image of `shape` (H, W) is brought for a square of `side`."""

    @abstractmethod
    def embed(self, pixels: Tensor) -> Tensors:
        """Scaled pixels (B, 3, S, S) of the encoder's precision to what prompts are decoded on: (B, ...) float32."""

    @abstractmethod
    def shown(self, embeddings: Tensors) -> dict[str, Any]:
        """The model's arguments that take the picture's place, from what `embed` made."""

    @abstractmethod
    def enlarge(self, logits: Tensor, framing: Framing) -> Tensor:
        """Logits (1, 1, l, l) of the square to those of the image, (1, 1, H, W)."""

    @loaded_once
    def model(self) -> Any:
        """The network, ready to compute."""
        import torch

        exact_float32()
        with named_errors(self.folder, self.FAMILY, f"it needs a {self.kind().__name__} as transformers saves it"):
            network, report = self.kind().from_pretrained(
                self.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
            check_whole(report, "the file of weights")
        network.requires_grad_(False).eval()
        network.vision_encoder.to(self.dtype)
        return network.to(self.device)

    @cached_property
    def _stages(self) -> Stages:
        return Stages()

    @cached_property
    def _batches(self) -> Batches:
        remedy = "choose smaller segmenter.weights, or segmenter.precision=bfloat16"
        return Batches({ENCODE: self.batch, DECODE: self.batch}, self._stages, self.device, remedy)

    @cached_property
    def _grid(self) -> int:
        """Side of the masks that the model decodes: four cells to a patch of the image's embedding."""
        config = self.model.config.prompt_encoder_config
        return 4 * int(config.image_size // config.patch_size)

    def _framing(self, shape: tuple[int, int]) -> Framing:
        side = int(self.model.config.prompt_encoder_config.image_size)
        return Framing(shape, self.inner(shape, side), side)

    def _segment(
        self, pictures: Sequence[Sequence[int]], images: Sequence[Image], prompts: Sequence[Prompt]
    ) -> dict[int, Mask]:
        """The masks of some pictures' instances, by place; the pictures' embeddings go when this returns."""
        import torch

        frames = [self._framing((images[places[0]].shape[0], images[places[0]].shape[1])) for places in pictures]
        jobs = [(place, row) for row, places in enumerate(pictures) for place in places]

        def encode(rows: Sequence[int]) -> Tensors:
            scaled = [frames[row].pixels(images[pictures[row][0]], self.device, self.SCALING) for row in rows]
            return self.embed(torch.stack(scaled).to(self.dtype))

        def decode(numbers: Sequence[int]) -> Tensors:
            rows = [jobs[n][1] for n in numbers]
            of_batch = {name: value[rows] for name, value in embeddings.items()}
            told = [prompts[jobs[n][0]] for n in numbers]
            return {"logits": self._decoded(of_batch, told, [frames[row] for row in rows])}

        with torch.inference_mode():
            embeddings = self._batches.run(ENCODE, len(pictures), encode)
            logits = self._batches.run(DECODE, len(jobs), decode)["logits"]
            return {place: self._mask(logits[n], frames[row]) for n, (place, row) in enumerate(jobs)}

    def _decoded(self, embeddings: Tensors, prompts: list[Prompt], frames: list[Framing]) -> Tensor:
        """The chosen logits of a batch, (B, l, l)."""
        import torch

        pairs = zip(frames, prompts, strict=True)
        visible = torch.stack([frame.cover(prompt.visible, self._grid, self.device) for frame, prompt in pairs])
        told = self._told(prompts, frames, visible)
        found = self.model(**self.shown(embeddings), **told, multimask_output=True)
        inside = torch.stack([frame.reached(self._grid, self.device) for frame in frames])
        logits = found.pred_masks[:, 0].float()
        require_finite(logits, "segment: the mask's logits")
        require_finite(found.iou_scores, "segment: the predicted scores")
        best = chosen(logits, found.iou_scores[:, 0, : logits.shape[1]], visible, inside, self.choose)
        taken: Tensor = logits[torch.arange(len(best), device=logits.device), best]
        return taken

    def _told(self, prompts: list[Prompt], frames: list[Framing], visible: Tensor) -> dict[str, Tensor]:
        """The model's arguments that make the prompt; `visible` is V on the masks' grid, (B, l, l)."""
        import torch

        if self.prompt == "mask":
            return {"input_masks": (2 * visible[:, None] - 1) * LOGIT}
        pairs = list(zip(frames, prompts, strict=True))
        points = np.stack([frame.points(prompt.points) for frame, prompt in pairs])[:, None]
        told = {"input_points": points, "input_labels": np.ones(points.shape[:3], np.int64)}
        if self.prompt == "points_box":
            told["input_boxes"] = np.stack([frame.box(prompt.visible) for frame, prompt in pairs])[:, None]
        return {name: torch.from_numpy(value).to(self.device) for name, value in told.items()}

    def _mask(self, logits: Tensor, framing: Framing) -> Mask:
        return np.asarray((self.enlarge(logits[None, None], framing)[0, 0] > 0).cpu().numpy(), bool)
