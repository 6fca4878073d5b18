"""Histograms of one line: blocks that rise with the count, or signs that grow darker where output must be ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence

from amodal_bench.core.window import ascii_only

BLOCKS, SIGNS = "▁▂▃▄▅▆▇█", ".:-=+*#@"
"""From few to many; a blank stands for none."""

EIGHTHS = " ▏▎▍▌▋▊▉"


def spark(counts: Sequence[int]) -> str:
    """A histogram in one line, such as `|█▂▂▁  ▁|`: what is not 0 is seen, however few there are."""
    levels, most = (SIGNS if ascii_only() else BLOCKS), max(counts, default=0)
    signs = (" " if count <= 0 else levels[math.ceil(len(levels) * count / most) - 1] for count in counts)
    return f"|{''.join(signs)}|"


def bar(count: int, most: int, room: int) -> str:
    """A bar of at most `room` columns, as long as `count` is of `most`; what is not 0 is seen."""
    if count <= 0 or most <= 0:
        return ""
    if ascii_only():
        return "#" * math.ceil(room * count / most)
    whole, eighths = divmod(max(1, round(8 * room * count / most)), 8)
    return "█" * whole + EIGHTHS[eighths].strip()
