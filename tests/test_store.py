"""The store: rows survive, errors are tried again, masks come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Mask
from amodal_bench.metrics.counts import CELLS
from amodal_bench.runner.store import COUNTS, Row, Store, prediction_row


def masks(seed: int = 0, shape: tuple[int, int] = (9, 13)) -> tuple[Mask, Mask, Mask, Mask]:
    predicted, amodal, visible, others = np.random.default_rng(seed).random((4, *shape)) < 0.5
    return predicted, amodal, visible, others


def test_a_prediction_comes_back_bit_for_bit(tmp_path: Path) -> None:
    predicted, amodal, visible, others = masks()
    with Store(tmp_path / "store.sqlite") as store:
        store.write([prediction_row("a", predicted, amodal, visible, others, 0.1, 0.2)])
    with Store(tmp_path / "store.sqlite") as store:
        assert np.array_equal(store.prediction("a"), predicted)
        table = store.table()
    assert table.loc[0, COUNTS].sum() == predicted.size
    assert len(COUNTS) == CELLS


def test_an_error_is_not_done_and_a_later_prediction_replaces_it(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([Row("a", error="unreadable"), prediction_row("b", *masks(), 0, 0)])
        assert store.done() == {"b"}
        with pytest.raises(KeyError):
            store.prediction("a")
        store.write([prediction_row("a", *masks(1), 0, 0)])
        assert store.done() == {"a", "b"}
        assert store.table()["error"].isna().all()


def test_rows_are_committed_write_by_write(tmp_path: Path) -> None:
    """A second connection, as a process that starts after a crash, sees what was written."""
    writer = Store(tmp_path / "store.sqlite")
    writer.write([prediction_row("a", *masks(), 0, 0)])
    with Store(tmp_path / "store.sqlite") as reader:
        assert reader.done() == {"a"}


def test_the_table_is_ordered_by_id_whatever_the_order_of_writing(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([prediction_row(id, *masks(), 0, 0) for id in ("c", "a", "b")])
        assert store.table()["id"].tolist() == ["a", "b", "c"]


def test_a_mask_of_another_shape_is_refused() -> None:
    predicted, amodal, visible, others = masks()
    with pytest.raises(ValueError, match="shapes"):
        prediction_row("a", predicted[:-1], amodal, visible, others, 0, 0)


def test_costs_of_stages_add_up_over_batches_and_over_processes_in_their_order(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([], {"encode": StageCost(1.0, 8, 8, 100), "decode": StageCost(0.5, 8, 8, 300)})
        store.write([])
    with Store(tmp_path / "store.sqlite") as store:
        store.write([], {"encode": StageCost(2.0, 4, 4, 50)})
        assert store.stages().to_dict("list") == {
            "stage": ["encode", "decode"],
            "seconds": [3.0, 0.5],
            "instances": [12, 8],
            "batch": [4, 8],
            "peak": [100, 300],
        }
