"""A leakage of your own: the known region is pulled in at full strength first, and ever less towards the end."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fade:
    least: float = 0.3
    name = "fade"
    erase = True
    start = 1.0

    def mix(self, x, known, area, progress):
        weight = 1 - (1 - self.least) * progress
        return x + weight * (1 - area) * (known - x)
