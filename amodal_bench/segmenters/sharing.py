"""Which pictures of a batch are the same: the instances of one scene come with one picture."""

from __future__ import annotations

from collections.abc import Sequence

from amodal_bench.core.types import Image


def distinct(images: Sequence[Image]) -> list[list[int]]:
    """Places of equal pictures together, in the order in which each picture first appears.

    Pictures are equal where shape and bytes are; one array that comes again is not read again.

    Args:
        images: each (H, W, 3) uint8.
    """
    images = list(images)  # so that every array lives, and no id is given twice
    groups: dict[tuple[tuple[int, ...], bytes], list[int]] = {}
    of_array: dict[int, list[int]] = {}
    for place, image in enumerate(images):
        if id(image) not in of_array:
            of_array[id(image)] = groups.setdefault((image.shape, image.tobytes()), [])
        of_array[id(image)].append(place)
    return list(groups.values())
