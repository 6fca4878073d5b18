"""FLUX.1: a transformer over latents in packs of 2x2, which predicts the velocity `eps - x_0` of flow matching.

`x_t = (1 - sigma) x_0 + sigma eps`. The Fill checkpoint is shown the latents of the picture and the mask in full
resolution, 8x8 pixels as the 64 channels of a cell. Others, such as FLUX.1-schnell, are shown nothing beside the
sample: there the mask acts through a leakage that pastes, and neither Eq. 11 nor erasing means anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from amodal_bench.backbones.base import Schedule, Shown
from amodal_bench.backbones.latent import KLBackbone, cell_of
from amodal_bench.backbones.schedules import flow_matching
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.weights.loaded import loaded_once
from amodal_bench.weights.null_prompt import null_prompt

if TYPE_CHECKING:
    from torch import Generator, Tensor

PACK = 2
"""Side of the square of latent cells that make a token."""

MOST_TEXT_TOKENS = 512


class Flux(KLBackbone):
    """The parts `transformer`, `vae`, `scheduler`; two text encoders only until the null prompt is known.

    Args:
        distilled_guidance: what a guidance-distilled transformer is told to imitate; the pipeline's default for
            Fill. It is not Eq. 11's `w`. Without effect where the transformer takes none (FLUX.1-schnell).
        text_tokens: length that the empty prompt is padded to for T5, at most 512. Fewer are faster, but another
            input: neither T5 nor the transformer masks the padding out.
        options: the others of `LatentBackbone`.
    """

    FAMILY = "Flux"
    PARTS = ("transformer", "vae", "scheduler", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    MULTIPLE = 16

    def __init__(
        self,
        weights: str,
        native: int,
        distilled_guidance: float = 30.0,
        text_tokens: int = MOST_TEXT_TOKENS,
        micro_batch: int = 2,
        vae_batch: int = 4,
        **options: Any,
    ) -> None:
        if not 1 <= text_tokens <= MOST_TEXT_TOKENS:
            raise ConfigError(f"model.backbone.text_tokens: {text_tokens} must be between 1 and {MOST_TEXT_TOKENS}")
        if not 0 <= distilled_guidance < math.inf:
            raise ConfigError(f"model.backbone.distilled_guidance: {distilled_guidance} must be >= 0 and finite")
        super().__init__(weights, native, micro_batch, vae_batch, **options)
        self.distilled_guidance, self.text_tokens = distilled_guidance, text_tokens
        self._grids: dict[tuple[int, int], Tensor] = {}

    def describe(self) -> dict[str, Any]:
        own = {"distilled_guidance": self.distilled_guidance, "text_tokens": self.text_tokens}
        return {**super().describe(), **own}

    @loaded_once
    def transformer(self) -> Any:
        """The denoiser, loaded with the null prompt beside it."""
        from diffusers import FluxTransformer2DModel

        _ = self.prompt  # first: T5 and the transformer never lie in memory together
        transformer = self.load(FluxTransformer2DModel, "transformer")
        sample = self._packed_channels
        if transformer.config.in_channels != sample:
            self.check_channels(transformer.config.in_channels, 2 * sample + (PACK * cell_of(self.vae)) ** 2)
        return self.tuned(transformer)

    @loaded_once
    def vae(self) -> Any:
        """The autoencoder, loaded on first use."""
        from diffusers import AutoencoderKL

        return self.tuned_autoencoder(self.load(AutoencoderKL, "vae"))

    @loaded_once
    def scheduler(self) -> Any:
        from diffusers import FlowMatchEulerDiscreteScheduler

        with self.loading():
            return FlowMatchEulerDiscreteScheduler.from_pretrained(
                self.folder, subfolder="scheduler", local_files_only=True
            )

    @loaded_once
    def prompt(self) -> dict[str, Tensor]:
        """The null prompt by the transformer's names: CLIP's pooled state (1, D), T5's states (1, T, E)."""
        with self.loading():
            found = null_prompt(self.folder, self.prompt_source(), self.prompt_device, self._encode_nothing)
            pooled, states = found["pooled_projections"], found["encoder_hidden_states"]
        if states.shape[1] != self.text_tokens:
            raise InputError(
                self.folder,
                f"its null prompt has {states.shape[1]} text tokens, not {self.text_tokens}",
                f"set model.backbone.text_tokens={states.shape[1]}",
            )
        own = {"pooled_projections": pooled, "encoder_hidden_states": states}
        return {name: value.to(self.device, self.dtype) for name, value in own.items()}

    def prompt_source(self) -> str:
        """See `LatentBackbone`; the states depend on the length, too."""
        return f"{self.digest}-{self.text_tokens}"

    def _encode_nothing(self) -> dict[str, Tensor]:
        """What both text encoders make of the empty prompt, one after the other; each is gone when it is done."""
        return {"pooled_projections": self._clip(), "encoder_hidden_states": self._t5()}

    def _clip(self) -> Tensor:
        import torch
        from transformers import CLIPTextModel, CLIPTokenizer

        tokenizer: Any = CLIPTokenizer.from_pretrained(self.folder / "tokenizer", local_files_only=True)
        tokens = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
        encoder = self.load(CLIPTextModel, "text_encoder", torch.float32)
        with torch.inference_mode():
            pooled: Tensor = encoder(tokens.input_ids.to(encoder.device)).pooler_output
        return pooled

    def _t5(self) -> Tensor:
        import torch
        from transformers import T5EncoderModel, T5TokenizerFast  # type: ignore[attr-defined] # an alias in 5

        tokenizer: Any = T5TokenizerFast.from_pretrained(self.folder / "tokenizer_2", local_files_only=True)
        tokens = tokenizer("", padding="max_length", max_length=self.text_tokens, return_tensors="pt")
        # As published and as pipelines run it, whatever the precision: its 4.7 billion parameters are 9.5 GB in
        # bfloat16, and would be 19 GB in float32, for one embedding. In float16 its states overflow.
        encoder = self.load(T5EncoderModel, "text_encoder_2", torch.bfloat16)
        with torch.inference_mode():
            states: Tensor = encoder(tokens.input_ids.to(encoder.device))[0]
        return states

    def compile_denoiser(self, network: Any) -> None:
        """Each kind of block is compiled once, not all 57 blocks in one."""
        network.compile_repeated_blocks(fullgraph=True, dynamic=False)

    @property
    def _packed_channels(self) -> int:
        return int(self.vae.config.latent_channels) * PACK**2

    def schedule(self, steps: int) -> Schedule:
        return flow_matching(self.scheduler, steps, tokens=(self.native // cell_of(self.vae) // PACK) ** 2)

    def prepare(self, images: Tensor, clean: Tensor, areas: Tensor, erase: bool) -> Shown:
        """Tokens (B, n, 320) of picture and mask; nothing where the transformer takes the sample alone."""
        import torch
        import torch.nn.functional as F

        if self.transformer.config.in_channels == self._packed_channels:
            return {}
        picture = self.encode(images * (1 - areas)) if erase else clean
        return {"tokens": torch.cat([pack(picture), pack(F.pixel_unshuffle(areas, cell_of(self.vae)))], dim=-1)}

    def denoise(self, x: Tensor, schedule: Schedule, step: int, shown: Shown) -> Tensor:
        import torch

        count, height, width = len(x), x.shape[-2], x.shape[-1]
        takes_guidance = self.transformer.config.guidance_embeds
        output = self.transformer(
            torch.cat([pack(x), *shown.values()], dim=-1).to(self.dtype),
            # In float32, and rounded to the networks' precision by the transformer itself.
            timestep=x.new_full((count,), schedule.times[step]) / 1000,
            guidance=x.new_full((count,), self.distilled_guidance) if takes_guidance else None,
            img_ids=self._grid(height // PACK, width // PACK),
            txt_ids=x.new_zeros(self.text_tokens, 3),
            **{name: value.expand(count, *value.shape[1:]) for name, value in self.prompt.items()},
        ).sample
        return unpack(output.float(), height, width)

    def _grid(self, rows: int, columns: int) -> Tensor:
        """`grid_ids` on the device, kept: at every step a copy from the host would make the GPU wait."""
        if (rows, columns) not in self._grids:
            self._grids[rows, columns] = grid_ids(rows, columns).to(self.device)
        return self._grids[rows, columns]

    def advance(
        self,
        output: Tensor,
        schedule: Schedule,
        step: int,
        x: Tensor,
        generators: Sequence[Generator],  # noqa: ARG002
    ) -> Tensor:
        # Euler's step by hand: the scheduler's counts its calls, but a leakage may start in the middle.
        return x + (schedule.noise[step + 1] - schedule.noise[step]) * output


def pack(latents: Tensor) -> Tensor:
    """(B, C, h, w) to tokens (B, h w / 4, 4 C), row by row."""
    import torch.nn.functional as F

    return F.pixel_unshuffle(latents, PACK).flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `pack`, to latents of that height and width."""
    import torch.nn.functional as F

    grid = tokens.transpose(1, 2).reshape(len(tokens), -1, height // PACK, width // PACK)
    return F.pixel_shuffle(grid, PACK)


def grid_ids(rows: int, columns: int) -> Tensor:
    """Where each token lies: (rows * columns, 3) float32 of 0, row and column."""
    import torch

    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
    return torch.cat([torch.zeros(len(places), 1), places], dim=1)
