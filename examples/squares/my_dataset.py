"""A dataset of your own: a blue square that is partly hidden by a green one, in each image."""

import hashlib

import numpy as np
import pandas as pd

from amodal_bench.core.errors import InputError
from amodal_bench.datasets.base import RECORD_COLUMNS, Sample


class Squares:
    name = "squares"

    def __init__(self, images=10):
        self.images = images

    def records(self):
        rows = [self._record(number) for number in range(self.images)]
        return pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)

    def _record(self, number):
        sample = self._drawn(number)
        rate = 1 - sample.visible.sum() / sample.amodal.sum()
        flags = {"stuff": False, "crowd": False, "truncated": False, "hidden": False}
        place = {"id": sample.id, "image_id": sample.id, "video_id": "", "category": "square"}
        return {**place, **flags, "amodal_pixels": sample.amodal.sum(), "occlusion_rate": rate}

    def sample(self, id):
        numbers = {f"square-{number}": number for number in range(self.images)}
        if id not in numbers:
            raise InputError(self.name, "no such instance", "take ids from records()", id)
        return self._drawn(numbers[id])

    def _drawn(self, number):
        amodal, hider = np.zeros((2, 64, 64), bool)
        amodal[10:40, 10:40] = True
        hider[5:45, 38 - number : 50] = True
        image = np.full((64, 64, 3), 200, np.uint8)
        image[amodal], image[hider] = (40, 60, 220), (40, 180, 60)
        return Sample(f"square-{number}", image, amodal & ~hider, amodal, np.zeros_like(amodal))

    def fingerprint(self):
        return hashlib.sha256(f"squares@1/{self.images}".encode()).hexdigest()

    def check(self):
        return []
