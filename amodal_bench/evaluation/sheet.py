"""The contact sheet of a command's model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import one_line
from amodal_bench.core.files import is_regular, read_text
from amodal_bench.core.progress import Progress
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Image
from amodal_bench.datasets.base import Dataset, Query
from amodal_bench.models.base import Framed, Model
from amodal_bench.models.explained import explained
from amodal_bench.report.rows import Shown, categories_of, choose, legend_of_predictions, run_row
from amodal_bench.report.scored import Scored, has_random_weights
from amodal_bench.report.sheet import DRAWN_AS, Row, Sheet, save_sheet
from amodal_bench.runner.guard import guarded
from amodal_bench.runner.in_flight import Key
from amodal_bench.runner.place import opened
from amodal_bench.views.window import Window

log = logging.getLogger(__name__)
SHEET = -1
"""The number that the contact sheet has among the draws that are in flight."""


def contact_sheet(settings: Settings, dataset: Dataset, model: Model, scored: Scored, bar: bool) -> Path | None:
    """The contact sheet of the command's model; one that shows the same instances already is kept."""
    instances = scored.instances()
    instances = instances[instances["error"].isna()]
    chosen = choose(instances, settings.sheet)
    if not chosen:
        return None
    folder = scored.score_folder
    folder.mkdir(parents=True, exist_ok=True)
    path, listed = folder / "sheet.png", folder / "sheet.txt"
    wanted = "\n".join([DRAWN_AS, *chosen]) + "\n"
    if is_regular(path) and is_regular(listed) and read_text(listed) == wanted:
        return path
    ious = instances.set_index("id")["iou"]
    categories = categories_of(instances)
    random_weights = has_random_weights(scored.facts)
    drawn: dict[str, Row] = {}
    engine, keys = settings.engine, [(id, SHEET) for id in chosen]
    with (
        opened(scored.folder) as store,
        guarded(store, keys, engine.time_limit, engine.retry_fatal) as guard,
        Progress("drawing the contact sheet", len(chosen), "row", show=bar) as progress,
    ):

        def draw(batch: Sequence[Key]) -> dict[str, str]:
            """Draw the rows of some instances; gives why there is none of the others."""
            ids, failure = [id for id, _ in batch], None
            guard.begin(batch)
            try:
                with guard.limit.of(len(batch)):
                    samples = [dataset.sample(id) for id in ids]
                    guard.predicting(batch)
                    between = _explained(model, [sample.query for sample in samples], settings.seed)
                    windows = [_window(model, sample.query) for sample in samples]
                answers = [Shown(store.prediction(id), float(ious[id]), random_weights) for id in ids]
                parts = zip(samples, answers, between, windows, [categories[id] for id in ids], strict=True)
                rows = [run_row(*each) for each in parts]
            except BaseException as error:  # one that cannot be shown costs no table, and no other its row
                failure = guard.failure(error)
            guard.end(batch)
            if failure is None:
                drawn.update(zip(ids, rows, strict=True))
                return {}
            if len(batch) == 1:
                return {ids[0]: one_line(failure)}
            return {id: why for key in batch for id, why in draw([key]).items()}

        failed = {suspect.key[0]: suspect.error for suspect in guard.guilty}
        for batch in guard.batches(engine.batch_size):
            if guilty := guard.tried(batch, partial(_explain_alone, dataset, model, batch[0][0], settings.seed)):
                failed[guilty.key[0]] = guilty.error
            else:
                failed |= draw(batch)
            progress.advance(len(batch))
    for id, why in failed.items():
        log.warning("%s: is not in the contact sheet (%s)", id, why)
    if not drawn:
        return None
    shown = [drawn[id] for id in chosen if id in drawn]
    save_sheet(Sheet(f"{dataset.name}: {scored.name} {scored.settings}", shown, legend_of_predictions()), path)
    if not failed:
        listed.write_text(wanted)
    return path


def _explained(model: Model, queries: Sequence[Query], seed: int) -> Sequence[Mapping[str, Image]]:
    """The pictures by which a model explains its predictions in a run with this seed."""
    return explained(model, queries, [sample_seed(seed, query.id) for query in queries])


def _window(model: Model, query: Query) -> Window | None:
    return model.explained_window(query) if isinstance(model, Framed) else None


def _explain_alone(dataset: Dataset, model: Model, id: str, seed: int) -> None:
    """What the contact sheet asks of a model, as a trial."""
    _explained(model, [dataset.sample(id).query], seed)
