"""A number of your own: the IoU of what is hidden under other annotated objects."""

from dataclasses import dataclass

import numpy as np

from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import divided, mean


@dataclass(frozen=True)
class UnderOthers:
    regions = ()

    def score(self, rows):
        both = total(rows.counts, lambda p, a, v, o: p and a and not v and o)
        either = total(rows.counts, lambda p, a, v, o: (p or a) and not v and o)
        return mean(divided(both, either, np.nan))
