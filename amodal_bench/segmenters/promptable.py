"""What SAM and SAM 2 share: a picture is encoded, a prompt decoded to three masks, and one of these is chosen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from amodal_bench.backbones.catalogue import catalogue
from amodal_bench.backbones.loading import (
    AUTO,
    check_precision,
    check_whole,
    device_of,
    named_errors,
    origin,
    precision_of,
)
from amodal_bench.backbones.weights import ROOT, Source, weights_digest
from amodal_bench.errors import ConfigError, InputError
from amodal_bench.method.batches import Batches
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.framing import Framing
from amodal_bench.stages import Stages
from amodal_bench.types import Image, Mask

if TYPE_CHECKING:
    from torch import Tensor

PROMPTS = ("points", "points_box", "mask")
CHOICES = ("score", "largest", "consistent")
LOGIT = 10.0
"""Of a pixel in a mask prompt, and less of one outside: these models take logits, those of an earlier mask."""


class Promptable(ABC):
    """A segmenter that transformers loads from a folder of its own layout; nothing is done to the mask it finds.

    Args:
        weights: a folder, or a hub id.
        revision: branch, tag or commit of a hub id.
        local_files_only: never download.
        precision: of the image encoder; prompts and masks are computed in float32, which costs next to nothing.
            `auto` is bfloat16 on a GPU that has it, float16 on an older one, and float32 elsewhere.
        device: a torch device; `auto` is the first GPU where there is one.
        batch: images at once, always: a smaller last batch is padded.
        prompt: `points` gives the prompt's points, `points_box` adds the box of V, `mask` gives V alone, as a mask.
        choose: which of the three masks: `score` that of the best predicted score, `largest`, or `consistent`, that
            of the highest IoU with V.
    """

    FAMILY: ClassVar[str]

    def __init__(
        self,
        weights: str,
        revision: str | None = None,
        local_files_only: bool = True,
        precision: str = AUTO,
        device: str = AUTO,
        batch: int = 8,
        prompt: str = "points",
        choose: str = "score",
    ) -> None:
        check_precision(precision, "segmenter.precision")
        if batch < 1:
            raise ConfigError(f"segmenter.batch: {batch} is not a positive number")
        for name, value, known in (("prompt", prompt, PROMPTS), ("choose", choose, CHOICES)):
            if value not in known:
                raise ConfigError(f"segmenter.{name}: {value!r} is not one of {', '.join(known)}")
        self.source = Source(str(weights), revision, None, local_files_only)
        self.batch, self.prompt, self.choose = batch, prompt, choose
        self._precision, self._device = precision, device

    def describe(self) -> dict[str, Any]:
        """What identifies the segmenter; reads the weights' bytes once, and never loads them."""
        return {
            "segmenter": self.FAMILY,
            "weights": self.digest,
            **origin(self.source, self.folder),
            "precision": self.precision,
            "prompt": self.prompt,
            "choose": self.choose,
            "batch": self.batch,
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        """See `Segmenter`; the prompts of one call have equally many points."""
        frames = [self._framing((image.shape[0], image.shape[1])) for image in images]

        def work(numbers: Sequence[int]) -> dict[str, Tensor]:
            samples = [images[i] for i in numbers], [prompts[i] for i in numbers], [frames[i] for i in numbers]
            return {"logits": self._segment(*samples)}

        found = self._batches.run("segment", len(images), work)
        return [self._mask(logits, frame) for logits, frame in zip(found.get("logits", ()), frames, strict=True)]

    @property
    def parts(self) -> tuple[str, ...]:
        """Where in the folder the network lies."""
        return (ROOT,)

    @cached_property
    def folder(self) -> Path:
        """The folder of the weights. Raises `InputError` where they are absent."""
        try:
            return self.source.folder(self.parts)
        except InputError as error:
            known = catalogue().get(self.source.spec)
            size = f" ({known.size()}, licence {known.licence})" if known else ""
            remedy = "set segmenter.weights to a folder that transformers saved, or to a hub id"
            if self.source.is_hub_id and self.source.local_files_only:
                remedy = f"segmenter.local_files_only=false downloads them{size}"
            elif self.source.is_hub_id:
                remedy = error.remedy
            raise InputError(error.file, error.problem, remedy) from error

    @cached_property
    def digest(self) -> str:
        """Of everything that the model is loaded from."""
        return weights_digest(self.folder, self.parts)

    @cached_property
    def device(self) -> str:
        """The torch device."""
        return device_of(self._device)

    @cached_property
    def precision(self) -> str:
        """Of the image encoder."""
        return precision_of(self._precision, self.device)

    @abstractmethod
    def kind(self) -> Any:
        """The class of transformers."""

    @abstractmethod
    def inner(self, shape: tuple[int, int], side: int) -> tuple[int, int]:
        """The size (h, w) to which an image of `shape` (H, W) is brought for a square of `side`."""

    @abstractmethod
    def embed(self, pixels: Tensor) -> Any:
        """Normalised pixels (B, 3, S, S) of the encoder's precision to the model's `image_embeddings`, float32."""

    @abstractmethod
    def enlarge(self, logits: Tensor, framing: Framing) -> Tensor:
        """Logits (1, 1, l, l) of the square to those of the image, (1, 1, H, W)."""

    @cached_property
    def model(self) -> Any:
        """The network, ready to compute."""
        import torch

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
        network.vision_encoder.to(getattr(torch, self.precision))
        return network.to(self.device)

    @cached_property
    def _batches(self) -> Batches:
        return Batches({"segment": self.batch}, Stages(), self.device)  # the model that owns it keeps the clock

    @cached_property
    def _grid(self) -> int:
        """Side of the masks that the model decodes: four cells to a patch of the image's embedding."""
        config = self.model.config.prompt_encoder_config
        return 4 * int(config.image_size // config.patch_size)

    def _framing(self, shape: tuple[int, int]) -> Framing:
        side = int(self.model.config.prompt_encoder_config.image_size)
        return Framing(shape, self.inner(shape, side), side)

    def _segment(self, images: list[Image], prompts: list[Prompt], frames: list[Framing]) -> Tensor:
        """The chosen logits of a batch, (B, l, l)."""
        import torch

        pixels = torch.stack([frame.pixels(image, self.device) for frame, image in zip(frames, images, strict=True)])
        with torch.inference_mode():
            embeddings = self.embed(pixels.to(getattr(torch, self.precision)))
            visible = self._covers(frames, [prompt.visible for prompt in prompts])
            told = self._told(prompts, frames, visible)
            found = self.model(image_embeddings=embeddings, multimask_output=True, **told)
            inside = self._covers(frames, [np.ones(frame.shape, bool) for frame in frames]) > 0
            logits = found.pred_masks[:, 0].float()
            best = chosen(logits, found.iou_scores[:, 0], visible, inside, self.choose)
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

    def _covers(self, frames: list[Framing], masks: list[Mask]) -> Tensor:
        import torch

        pairs = zip(frames, masks, strict=True)
        return torch.stack([frame.cover(mask, self._grid, self.device) for frame, mask in pairs])

    def _mask(self, logits: Tensor, framing: Framing) -> Mask:
        return np.asarray((self.enlarge(logits[None, None], framing)[0, 0] > 0).cpu().numpy(), bool)


def chosen(logits: Tensor, scores: Tensor, visible: Tensor, inside: Tensor, how: str) -> Tensor:
    """Which of its masks each sample takes, (B,) int64; the first of equal ones.

    Args:
        logits: (B, M, l, l); a mask is where they are positive.
        scores: predicted, (B, M).
        visible: the share of each cell that V covers, (B, l, l).
        inside: the cells that the image reaches, (B, l, l) bool; what is found in the padding does not count.
        how: one of `CHOICES`.
    """
    if how == "score":
        return scores.argmax(dim=1)
    found = ((logits > 0) & inside[:, None]).float()
    if how == "largest":
        return found.sum(dim=(2, 3)).argmax(dim=1)
    both = (found * visible[:, None]).sum(dim=(2, 3))
    either = found.sum(dim=(2, 3)) + visible.sum(dim=(1, 2))[:, None] - both
    return (both / either).argmax(dim=1)
