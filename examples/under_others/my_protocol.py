"""A protocol of your own: the occluded IoU counts only pixels that another annotated object covers."""

import numpy as np

from amodal_bench.metrics.counts import total
from amodal_bench.metrics.protocols import ScoringProtocol


class UnderOthers(ScoringProtocol):
    def occluded_iou(self, counts):
        hidden = total(counts, lambda p, a, v, o: a and not v and o)
        both = total(counts, lambda p, a, v, o: p and a and not v and o)
        either = total(counts, lambda p, a, v, o: (p or a) and not v and o)
        return np.where(hidden > 0, both / np.maximum(either, 1), np.nan)
