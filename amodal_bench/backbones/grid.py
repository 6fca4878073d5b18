"""The inpainting area M on the latent grid: which cells are painted, and which are kept.

In Eq. 5 a cell of the latent grid (8x8 pixels) is either painted, `x_tilde`, or kept, the condition image's `x_t`;
the border of M runs through cells. `cover` paints a cell that holds any pixel of M:

- Kept, such a cell would hold its pixels of M as the condition image has them, as background just where the object
  has to be completed, or as V under its noise. What M is for (Eq. 10) would not happen there.
- Painted, it frees its pixels outside M. By Eq. 8 these are synthetic background, which nothing depends on.

So M wins in a cell that holds both, and V, which lies inside M (Eq. 10), is covered. Where V is not in M
(`area.shape=background`) M wins as well: V's border is painted again, by a denoiser that is shown V to the pixel, and
what is kept is the cells that lie wholly in V. Kept instead, a cell at the border would hold the erased background
fast, and the object could not go on where V ends, which is the question.

`nearest` is what the library's pipelines do: the pixel at the cell's upper left corner speaks for all. It moves M by
3.5 pixels to the right and down, leaves 7 % of V outside, and loses 62 % of the objects of 8 pixels in a squeezed
frame of KITTI's (`scripts/grid.py` measures it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from torch import Tensor

Grid: TypeAlias = Literal["cover", "nearest"]
COVER, NEAREST = GRIDS = get_args(Grid)


def on_grid(masks: Tensor, cell: int, grid: Grid) -> Tensor:
    """Masks on the latent grid, zeros and ones.

    Args:
        masks: (B, 1, S, S) float32 of zeros and ones, S a multiple of `cell`.
        cell: side of a latent cell in pixels.
        grid: `cover` for cells that hold any pixel of the mask, `nearest` for those whose first pixel is in it.

    Returns:
        (B, 1, S / cell, S / cell) float32.
    """
    import torch.nn.functional as F

    if grid == COVER:
        return F.max_pool2d(masks, cell)
    return F.interpolate(masks, size=(masks.shape[-2] // cell, masks.shape[-1] // cell))
