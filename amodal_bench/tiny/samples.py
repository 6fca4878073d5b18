"""What the tiny model is trained on: unoccluded objects and random inpainting masks, nothing else.

No scene has an object in front of another, no mask is derived from an object, and no amodal or visible
mask is ever formed: "tuning-free" is true of the model trained on these samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amodal_bench.core.types import Floats, Mask
from amodal_bench.toy.background import blurred_noise, draw_background
from amodal_bench.toy.fish import draw_fish
from amodal_bench.toy.plant import draw_plant
from amodal_bench.toy.sprite import Sprite

SIZE = 64


@dataclass(frozen=True)
class InpaintingSample:
    """One training sample, all (64, 64[, 3]).

    Attributes:
        image: the clean scene, float32 in [0, 1].
        mask: the inpainting mask, True where the model may paint.
        hole: the part of the mask that was erased.
        masked: the image the model is shown, float32 in [0, 1].
    """

    image: Floats
    mask: Mask
    hole: Mask
    masked: Floats


def draw_sample(rng: np.random.Generator) -> InpaintingSample:
    """Draw a scene and hide a part of it.

    In one sample out of six the whole mask is erased to grey, as Stable Diffusion's inpainting models are
    trained. In the others the mask is *loose*, as a user's brush is: only a part of it, the hole, is erased
    (to plain background, colour noise or a flat colour), and the rest of it shows the image, possibly
    noisy; there the model has to see for itself what is missing.
    """
    image, empty = draw_scene(rng)
    hole = random_mask(rng)
    if rng.random() < 0.4:
        hole |= random_mask(rng)
    if rng.random() < 1 / 6:
        return InpaintingSample(image, hole, hole, np.where(hole[..., None], np.float32(0.5), image))
    mask = np.ones((SIZE, SIZE), bool) if rng.random() < 0.6 else hole | random_mask(rng)
    shown = image
    if rng.random() < 0.1:
        share = rng.uniform(0.0, 0.35)
        noisy = share * rng.standard_normal(image.shape) + (1 - share) * image
        shown = np.where(mask[..., None], np.clip(noisy, 0, 1), image)
    masked = np.where(hole[..., None], _fill(rng, image, hole, empty), shown)
    return InpaintingSample(image, mask, hole, masked.astype(np.float32))


def draw_scene(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A scene of one or two objects that do not touch, and the same background without them."""
    sprites: list[Sprite] = []
    taken = np.zeros((SIZE, SIZE), bool)
    for _ in range(1 if rng.random() < 0.95 else 2):
        for _ in range(4):
            if sprites or rng.random() < 0.95:
                length = SIZE * rng.uniform(0.35, 1.05 if not sprites else 0.6)
                centre = (SIZE * rng.uniform(0.2, 0.8), SIZE * rng.uniform(0.2, 0.8))
                sprite = draw_fish(rng, centre, length)
            else:
                root = (SIZE * rng.uniform(0.2, 0.8), SIZE * rng.uniform(0.8, 1.0))
                sprite = draw_plant(rng, root, SIZE * rng.uniform(0.4, 0.9))
            area = sprite.amodal(SIZE, SIZE)
            if area.any() and not (area & taken).any():
                sprites.append(sprite)
                taken |= area
                break
    background = _background(rng, sprites[0]) if sprites else draw_background(rng, SIZE, SIZE)
    image = background.copy()
    for sprite in sprites:
        sprite.paint(image)
    return image, background


def _background(rng: np.random.Generator, sprite: Sprite) -> Floats:
    """An aquarium background; in most scenes it is camouflage in the object's own colours."""
    if rng.random() < 0.1:
        return draw_background(rng, SIZE, SIZE)
    colours = sprite.colour[sprite.alpha > 0.5]
    sigma = np.exp(rng.uniform(np.log(2.0), np.log(8.0)))
    if rng.random() < 0.2:
        return blurred_noise(rng, colours, SIZE, SIZE, sigma)
    drawn = colours[rng.integers(len(colours), size=(SIZE, SIZE))]
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), sigma), np.float32)


def random_mask(rng: np.random.Generator) -> Mask:
    """A random rectangle, ellipse, half-plane or brush stroke, (64, 64) bool."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    kind = rng.integers(4)
    x, y = rng.uniform(0, SIZE, 2)
    if kind == 0:
        w, h = rng.uniform(0.25, 1.1, 2) * SIZE
        corners = [int(v) for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2)]
        cv2.rectangle(mask, corners[:2], corners[2:], 1, cv2.FILLED)
    elif kind == 1:
        axes = [int(v) for v in rng.uniform(0.15, 0.55, 2) * SIZE]
        cv2.ellipse(mask, [int(x), int(y)], axes, float(rng.uniform(0, 180)), 0, 360, 1, cv2.FILLED)
    elif kind == 2:
        angle = rng.uniform(0, 2 * np.pi)
        ys, xs = np.mgrid[0:SIZE, 0:SIZE]
        through = rng.uniform(0.25, 0.75, 2) * SIZE
        mask[(xs - through[0]) * np.cos(angle) + (ys - through[1]) * np.sin(angle) > 0] = 1
    else:
        points = np.clip(np.cumsum(rng.normal(0, 0.22 * SIZE, (6, 2)), axis=0) + (x, y), -8, SIZE + 8)
        thickness = int(rng.uniform(0.12, 0.4) * SIZE)
        cv2.polylines(mask, [points.astype(np.int32)], False, 1, thickness)
    return mask.astype(bool)


def _fill(rng: np.random.Generator, image: Floats, hole: Mask, empty: Floats) -> Floats:
    """What a hole is erased to."""
    kind = rng.random()
    if kind < 0.9:
        return empty
    if kind < 0.97:
        visible = image[~hole]
        if len(visible):
            return blurred_noise(rng, visible, SIZE, SIZE, rng.uniform(2.0, 6.0))
    return np.broadcast_to(rng.random(3).astype(np.float32), image.shape)
