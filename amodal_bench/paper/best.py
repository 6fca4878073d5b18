"""Which rows of a column are the best, as far as paired tests tell."""

from __future__ import annotations

from collections.abc import Mapping

from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.statistics import FEW_CLUSTERS, Bootstrap, holm, interval, p_value
from amodal_bench.report.numbers import ALPHA
from amodal_bench.report.scored import Scored


def best_of(scored: Mapping[str, Scored], protocol: ScoringProtocol, number: str) -> set[str]:
    """The rows that no other one beats: the highest value, where its gain over each other row is decisive.

    Gains are paired, on the same resamples, and corrected after Holm for as many as there are. A row that is not
    about the same instances makes all of it undecided.

    Args:
        scored: rows by name.
        protocol: whose number it is.
        number: its name.

    Returns:
        One name, or none where the tests do not tell, or there are fewer than twenty images or videos.
    """
    found: dict[str, tuple[Score, list[str]]] = {}
    ids = set()
    for name, one in scored.items():
        taken = one.taken(protocol)
        score = protocol.scores(one.numbers_of(protocol, taken)).get(number)
        if not isinstance(score, Score):
            return set()
        found[name] = score, protocol.cluster_ids(taken).to_list()
        ids.add(tuple(taken["id"]))
    if len(found) < 2 or len(ids) > 1:
        return set()
    if any(len(set(clusters)) < FEW_CLUSTERS for _, clusters in found.values()):
        return set()  # resamples of so few say less than they seem to
    highest = max(found, key=lambda name: found[name][0].value)
    clusters = found[highest][1]
    bootstrap = Bootstrap(clusters)
    drawn = dict(zip(found, bootstrap.values([(score, clusters) for score, _ in found.values()]), strict=True))
    others = [name for name in found if name != highest]
    counted = bootstrap.counted(found[highest][0], clusters)
    apart = [interval(drawn[highest] - drawn[name], counted).low > 0 for name in others]
    corrected = holm({name: p_value(drawn[highest] - drawn[name]) for name in others})
    return {highest} if all(apart) and all(p < ALPHA for p in corrected.values()) else set()
