"""Which of the masks that a promptable model offers is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from torch import Tensor

Choice: TypeAlias = Literal["score", "largest", "consistent"]
CHOICES = get_args(Choice)


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
