"""Weights are looked for before anything is run, and all that are missing are named at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from amodal_bench.core.errors import InputError
from amodal_bench.models.base import Model


@runtime_checkable
class Loads(Protocol):
    """A backbone or a segmenter that can tell whether its weights are here."""

    def absent(self) -> list[InputError]:
        """What is missing; loads nothing."""
        ...


def absent_weights(models: Iterable[Model]) -> list[InputError]:
    """What is said of each network of some models whose weights are not on this machine, each once; loads nothing.

    Args:
        models: their `backbone` and `segmenter` are asked, where they have such.
    """
    parts = [getattr(model, name, None) for model in models for name in ("backbone", "segmenter")]
    found = [error for part in parts if isinstance(part, Loads) for error in part.absent()]
    return list({str(error): error for error in found}.values())


def check_weights(models: Iterable[Model]) -> None:
    """Find out whether the weights of all models are on this machine.

    Args:
        models: those of a command; their `backbone` and `segmenter` are asked, where they have such.

    Raises:
        InputError: some are missing; it names each of them, and what to do.
    """
    missing = absent_weights(models)
    if len(missing) == 1:
        raise missing[0]
    if missing:
        problems = [f"{error.file}: {error.problem}" for error in missing]
        raise InputError(
            f"weights of {len(missing)} networks",
            "; ".join(problems),
            "; ".join(dict.fromkeys(error.remedy for error in missing)),
        )
