"""A scene of the toy aquarium: fish and plants in layers, with every amodal and visible mask known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.toy.background import draw_background
from amodal_bench.toy.fish import draw_fish
from amodal_bench.toy.plant import draw_plant
from amodal_bench.toy.sprite import Sprite

SIZES = ((128, 128), (128, 160), (160, 128))
MAX_OCCLUSION = 0.7
TRIES = 24


@dataclass(frozen=True)
class Instance:
    """One object of a scene.

    Attributes:
        sprite: the whole object as it was drawn.
        amodal, visible: A and V, (H, W) bool; V lies inside A.
    """

    sprite: Sprite
    amodal: Mask
    visible: Mask

    @property
    def kind(self) -> str:
        """What the object is: "fish" or "plant"."""
        return self.sprite.kind

    @property
    def polygon(self) -> Floats:
        """Outline of A in image pixels, (N, 2) float64."""
        return self.sprite.polygon


@dataclass(frozen=True)
class Scene:
    """An image, (H, W, 3) uint8, and its instances, front-most first."""

    image: Image
    instances: tuple[Instance, ...]


def draw_scene(seed: int, split: str, index: int) -> Scene:
    """Draw scene number `index` of a split; the same arguments always give the same scene."""
    rng = np.random.default_rng([seed, *split.encode(), index])
    height, width = SIZES[int(rng.integers(len(SIZES)))]
    sprites: list[Sprite] = []
    masks: list[Mask] = []
    for number in range(int(rng.integers(3, 7))):
        placed = _place(rng, masks, height, width, fish=number == 0 or rng.random() < 0.75)
        if placed is not None:
            sprites.append(placed)
            masks.append(placed.amodal(height, width))
    image = draw_background(rng, height, width)
    instances: list[Instance] = []
    for number, sprite in enumerate(sprites):
        sprite.paint(image)
        visible = masks[number] & ~_union(masks[number + 1 :], masks[number])
        instances.append(Instance(sprite, masks[number], visible))
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return Scene(pixels, tuple(reversed(instances)))


def _place(rng: np.random.Generator, masks: list[Mask], height: int, width: int, fish: bool) -> Sprite | None:
    """A new front-most object: apart from all others, or over one of them at a wished occlusion rate."""
    if fish:
        sprite = draw_fish(rng, (width / 2, height / 2), rng.uniform(42, 88))
        low, high = sprite.polygon.min(axis=0), sprite.polygon.max(axis=0)
        reach = (-low + 1, (width - 1, height - 1) - high)
    else:
        sprite = draw_plant(rng, (width / 2, height + 3.0), height * rng.uniform(0.4, 0.9))
        reach = ((-width * 0.45, 0.0), (width * 0.45, 0.0))
    (left, top), (right, bottom) = reach

    def shift() -> Sprite:
        dx, dy = int(rng.uniform(left, right)), int(rng.uniform(top, bottom))
        return _shifted(sprite, dx, dy)

    if not masks:
        return shift()
    target = int(rng.integers(len(masks))) if rng.random() < 0.75 else None
    wish = rng.uniform(0.05, MAX_OCCLUSION) if target is not None else 0.0
    before = [_rate(masks, number, None) for number in range(len(masks))]

    def miss(mask: Mask) -> float:
        rates = [_rate(masks, number, mask) for number in range(len(masks))]
        if not mask.any() or max(rates) > MAX_OCCLUSION:
            return np.inf
        return abs(rates[target] - wish) if target is not None else max(np.subtract(rates, before))

    return _best(shift, miss, height, width, 0.1 if target is not None else 0.0)


def _best(
    draw: Callable[[], Sprite], miss: Callable[[Mask], float], height: int, width: int, enough: float
) -> Sprite | None:
    """The best of some drawings, or None where all of them are impossible or far from what was wished."""
    best, least = None, 0.25
    for _ in range(TRIES):
        sprite = draw()
        score = miss(sprite.amodal(height, width))
        if score < least:
            best, least = sprite, score
        if least <= enough:
            break
    return best


def _rate(masks: list[Mask], number: int, front: Mask | None) -> float:
    """Occlusion rate of object `number` if `front` were put before everything."""
    mask = masks[number]
    over = _union(masks[number + 1 :], mask)
    if front is not None:
        over = over | front
    return float((mask & over).sum() / mask.sum())


def _union(masks: list[Mask], like: Mask) -> Mask:
    union = np.zeros_like(like)
    for mask in masks:
        union |= mask
    return union


def _shifted(sprite: Sprite, dx: int, dy: int) -> Sprite:
    return replace(sprite, x=sprite.x + dx, y=sprite.y + dy, polygon=sprite.polygon + (dx, dy))
