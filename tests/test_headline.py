"""Which of a run's scores stands under the protocol's own name in a record that holds several."""

from __future__ import annotations

from amodal_bench.report.headline import Number, headlined

FULL: dict[str, Number] = {"instance@2/ids": "37:aaaa", "instance@2/miou": 0.654, "instance@2/miou_low": 0.62}
FULL["pooled@2/iou"] = 0.7


def test_numbers_of_more_or_the_same_instances_replace_all_of_the_protocols_old_ones() -> None:
    for known in ("3:bbbb", "37:aaaa"):
        kept, suffix = headlined(
            {**FULL, "instance@2/ids": known}, {"instance@2/ids": "37:aaaa", "instance@2/miou": 0.6}
        )
        assert suffix == "" and kept["instance@2/miou"] == 0.6 and kept["pooled@2/iou"] == 0.7
        assert kept["instance@2/miou_low"] is None


def test_numbers_of_fewer_or_of_others_stand_beside() -> None:
    for ids in ("3:bbbb", "37:bbbb"):
        kept, suffix = headlined(FULL, {"instance@2/ids": ids, "instance@2/miou": 0.638})
        assert suffix == "-ids-bbbb" and kept.items() >= FULL.items()
        assert kept["instance@2-ids-bbbb/miou"] == 0.638 and "instance@2-ids-bbbb/miou_low" not in kept


def test_each_protocol_has_its_own_instances() -> None:
    kept, suffix = headlined(FULL, {"pcnet@2/ids": "3:bbbb", "instance@2/ids": "3:bbbb"})
    assert suffix == "" and kept["pcnet@2/ids"] == "3:bbbb" and kept["instance@2-ids-bbbb/ids"] == "3:bbbb"
