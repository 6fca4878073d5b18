"""What every network of the harness has in common: where its weights lie, and on what it computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from amodal_bench.core.errors import InputError
from amodal_bench.core.progress import stage
from amodal_bench.core.stages import uncharged
from amodal_bench.weights.loading import (
    AUTO,
    Precision,
    check_precision,
    device_kind,
    device_of,
    origin,
    precision_of,
)  # fmt: skip
from amodal_bench.weights.source import WeightsSource, weights_digest

Value = TypeVar("Value")


class loaded_once(cached_property[Value]):
    """A part that is loaded on first use: under its own stage of the work that is followed, and on no clock.

    What its function imports is counted as loading, too: libraries take longer to import than small weights to read.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The part of an instance, from its second use on as it was loaded."""
        if instance is None or self.attrname in vars(instance):
            return super().__get__(instance, owner)
        with stage(f"loading weights of {instance.FAMILY}"), uncharged():
            return super().__get__(instance, owner)


class Loaded(ABC):
    """A component whose networks are loaded from a folder when they are first needed.

    Args:
        weights: a folder, `package://PACKAGE/PATH`, `random://FAMILY`, or a hub id.
        revision: branch, tag or commit of a hub id.
        variant: `fp16` for files `*.fp16.safetensors`; a part that has none is loaded from its plain files.
        local_files_only: never download.
        precision: `auto` is bfloat16 on a GPU that has it, float16 on an older one, and float32 elsewhere.
        device: a torch device; `auto` is the first GPU where there is one.
    """

    KEY: ClassVar[str]
    """Where its settings are, for messages: `model.backbone` or `segmenter`."""

    def __init__(
        self,
        weights: str,
        revision: str | None = None,
        variant: str | None = None,
        local_files_only: bool = True,
        precision: Precision = AUTO,
        device: str = AUTO,
    ) -> None:
        check_precision(precision, f"{self.KEY}.precision")
        self.source = WeightsSource(str(weights), revision, variant, local_files_only, self.KEY)
        self._precision, self._device = precision, device

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """The places in the folder that are needed of it."""

    def absent(self) -> list[InputError]:
        """What keeps the networks from being loaded, found out without loading any; empty where all is there."""
        try:
            _ = self.folder
        except InputError as error:
            return [error]
        return []

    @cached_property
    def folder(self) -> Path:
        """The folder of the weights. Raises `InputError` where they are absent."""
        return self.source.folder(self.parts)

    @cached_property
    def digest(self) -> str:
        """The digest of everything that the networks are loaded from."""
        return weights_digest(self.folder, self.parts, self.source.variant)

    @cached_property
    def device(self) -> str:
        """The torch device."""
        return device_of(self._device)

    @cached_property
    def precision(self) -> str:
        """The precision of the networks, `auto` resolved."""
        return precision_of(self._precision, self.device)

    @cached_property
    def dtype(self) -> Any:
        """`precision` as torch's dtype."""
        import torch

        return getattr(torch, self.precision)

    def numerics(self) -> dict[str, Any]:
        """What a description says of how numbers are made: precision, device, and on a GPU that TF32 is off."""
        gpu = {"tf32": False} if self.device.startswith("cuda") else {}
        return {"precision": self.precision, "device": device_kind(self.device), **gpu}

    def origin(self) -> dict[str, Any]:
        """What a description says of the weights: their digest, hub id and commit, and whether they are random."""
        return {"weights": self.digest, **origin(self.source, self.folder)}
