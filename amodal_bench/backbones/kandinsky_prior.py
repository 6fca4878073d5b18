"""The prior of Kandinsky 2.2, of which only the image encoder is needed, and only until the null prompt is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from amodal_bench.core.cache import cache_folder, keep_sealed, kept_sealed
from amodal_bench.core.errors import InputError
from amodal_bench.weights.source import WeightsSource, lacking, weights_digest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Prior:
    """The model whose image encoder makes the null prompt, 3.7 GB that are needed once.

    The cache remembers which digest the prior of that name had when its embedding was made: so a machine with the
    decoder and the cache alone knows the run's identity and needs nothing more.

    Attributes:
        source: where the prior lies.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("image_encoder",)
    source: WeightsSource

    @cached_property
    def digest(self) -> str:
        """The digest of the image encoder's files, or the one remembered.

        Raises:
            InputError: they are absent and nothing is remembered.
        """
        folder = self.source.place()
        if folder is None or lacking(folder, self.PARTS, None):
            if (remembered := kept_sealed(self._memory)) is not None:
                return remembered.decode("ascii")
            folder = self._folder()
        return weights_digest(folder, self.PARTS)

    def _folder(self) -> Path:
        """The prior's folder, downloaded if it may be. Raises `InputError` with what helps."""
        once = "it is needed once, for the null prompt, which is not in the cache"
        try:
            folder = self.source.folder(self.PARTS)
        except InputError as error:
            if self.source.is_hub_id:
                raise InputError(error.file, f"{error.problem}; {once}", error.remedy) from error
            folder = Path(self.source.spec)
        if missing := lacking(folder, self.PARTS, None):
            where = "set model.backbone.prior to the folder of the prior that has it, or to its hub id"
            raise InputError(self.source.spec, f"this prior lacks {', '.join(missing)}; {once}", where)
        return folder

    def remember(self) -> None:
        """Note in the cache which digest the prior of this name has."""
        keep_sealed(self._memory, self.digest.encode("ascii"))

    @property
    def _memory(self) -> Path:
        spec = self.source.spec if self.source.is_hub_id else str(Path(self.source.spec).absolute())
        name = hashlib.sha256(f"{spec}\n{self.source.pin}".encode()).hexdigest()
        return cache_folder() / "null_prompts" / f"{name}.prior"

    def embed_nothing(self) -> dict[str, Tensor]:
        """The embedding of an all-zero picture, (1, D), as the prior's pipeline makes it; on the CPU, in float32."""
        import torch
        from safetensors import SafetensorError
        from transformers import CLIPVisionModelWithProjection

        folder = self._folder()
        kind: Any = CLIPVisionModelWithProjection
        try:
            encoder, report = kind.from_pretrained(
                folder / "image_encoder",
                local_files_only=True,
                use_safetensors=True,  # else a pickle is read where there are none
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise self._unusable(str(error).strip().partition("\n")[0]) from error
        if report["missing_keys"]:  # the library fills them with random numbers
            raise self._unusable(f"no {min(report['missing_keys'])} in it")
        side = encoder.config.image_size
        with torch.inference_mode():
            return {"null_prompt": encoder.eval()(torch.zeros(1, 3, side, side)).image_embeds}

    def _unusable(self, reason: str) -> InputError:
        return InputError(
            self.source.spec,
            f"its image_encoder cannot be loaded ({reason})",
            "it needs image_encoder/ as transformers saves a CLIPVisionModelWithProjection",
        )
