"""Whether predictions from disk are complete: instances without one, and those that are for no selected instance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from amodal_bench.core.errors import InputError
from amodal_bench.core.plain import number_in
from amodal_bench.models.base import Finite, NamesImages
from amodal_bench.report.csv_logger import write_csv

MISSING, SURPLUS = "no prediction", "not selected"
SHOWN = 5

log = logging.getLogger(__name__)


def check_complete(records: pd.DataFrame, model: Finite, file: Path) -> None:
    """List what is missing and what is surplus in a CSV (id, problem), and warn of either.

    Args:
        records: the run's instances; one without an answer will be an error row of the run.
        model: whose answers are checked.
        file: where the list goes; it is empty where all is well.

    Raises:
        InputError: no selected instance has an answer, so that the ids must be those of something else; or an answer
            says that it is of another image than its instance.
    """
    selected = [str(id) for id in records["id"]]
    _refuse_other_images(records, model)
    answers = set(model.answers())
    missing = [id for id in selected if id not in answers]
    surplus = sorted(answers - set(selected))
    if len(missing) == len(selected):
        ids = f"its ids are like {surplus[0]!r}, those selected like {selected[0]!r}" if surplus else "it holds none"
        problem = f"has no prediction for any of the {len(selected)} selected instances: {ids}"
        raise InputError(model.source, problem, "`amodal-bench data ids` prints the ids that it should have")
    rows = [(id, MISSING) for id in missing] + [(id, SURPLUS) for id in surplus]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_csv(pd.DataFrame(rows, columns=["id", "problem"]), file)
    if missing:
        counts = f"{len(missing)} of {len(selected)} selected instances have no prediction"
        log.warning("%s: %s, and score zero: %s", model.source, counts, _some(missing))
    if surplus:
        counts = f"{len(surplus)} of {len(answers)} predictions belong to no selected instance"
        log.warning("%s: %s: %s", model.source, counts, _some(surplus))
    if rows:
        log.warning("%s lists them all", file)


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")


def _refuse_other_images(records: pd.DataFrame, model: Finite) -> None:
    """Raise `InputError` where answers say that they are of other images: running numbers are taken for ids so."""
    if not isinstance(model, NamesImages):
        return
    said = model.images()
    own = dict(zip(records["id"].astype(str), records["image_id"].astype(str), strict=True))
    wrong = [id for id, image in own.items() if id in said and _plain(said[id]) != _plain(image)]
    if wrong:
        some = "; ".join(f"instance {id} is of image {own[id]}, its entry says {said[id]}" for id in wrong[:3])
        count = f"{len(wrong)} of its entries name another image than the instance that their id stands for"
        remedy = "give each entry the annotation_id that `amodal-bench data ids` prints"
        raise InputError(model.source, f"{count} ({some})", remedy)


def _plain(image: str) -> str:
    """An image's id without leading zeros, which numbers in JSON cannot have."""
    return str(number_in(image)) if image.isascii() and number_in(image) is not None else image
