"""A segmenter of your own: the pixels of the area whose colour is near to the mean colour of V."""

import numpy as np


class Nearest:
    def __init__(self, levels=60.0):
        self.levels = levels

    def describe(self):
        return {"segmenter": "nearest", "levels": self.levels}

    def segment(self, images, prompts):
        return [self._one(image.astype(float), prompt) for image, prompt in zip(images, prompts, strict=True)]

    def _one(self, image, prompt):
        distance = np.linalg.norm(image - image[prompt.visible].mean(axis=0), axis=2)
        return prompt.visible | (prompt.area & (distance < self.levels))
