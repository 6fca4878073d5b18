"""A condition image of your own: the visible part of the object on paper of one brightness."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blank:
    brightness: float = 0.9

    def __call__(self, image, visible, seed):
        paper = np.full(image.shape, self.brightness, np.float32)
        return np.where(visible[:, :, None], image.astype(np.float32) / 255, paper)
