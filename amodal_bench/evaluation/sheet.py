"""The contact sheet of a command's model."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import one_line
from amodal_bench.core.files import is_regular, read_text
from amodal_bench.core.progress import follow
from amodal_bench.core.seeds import sample_seed
from amodal_bench.datasets.base import Dataset
from amodal_bench.models.base import Explains, Framed, Model
from amodal_bench.report.rows import Shown, categories_of, choose, legend_of_predictions, run_row
from amodal_bench.report.scored import Scored, has_random_weights
from amodal_bench.report.sheet import DRAWN_AS, Row, Sheet, save_sheet
from amodal_bench.runner.guard import guarded
from amodal_bench.runner.place import opened

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
    with opened(scored.folder) as store, guarded(store, keys, engine.time_limit, engine.retry_fatal) as guard:
        failed = {suspect.key[0]: suspect.error for suspect in guard.guilty}
        for ((id, _),) in follow(guard.batches(1), "drawing the contact sheet", "row", len(chosen), show=bar):
            seed = sample_seed(settings.seed, id)
            if guilty := guard.tried([(id, SHEET)], partial(_explain_alone, dataset, model, id, seed)):
                failed[id] = guilty.error
                continue
            guard.begin([(id, SHEET)])
            try:
                with guard.limit.of(1):
                    sample = dataset.sample(id)
                    guard.predicting([(id, SHEET)])
                    between = model.explain(sample.query, seed) if isinstance(model, Explains) else {}
                    window = model.explained_window(sample.query) if isinstance(model, Framed) else None
                shown = Shown(store.prediction(id), float(ious[id]), random_weights)
                drawn[id] = run_row(sample, shown, between, window, categories[id])
            except BaseException as error:  # one that cannot be shown costs no table
                failed[id] = one_line(guard.failure(error))
            guard.end([(id, SHEET)])
    for id, why in failed.items():
        log.warning("%s: is not in the contact sheet (%s)", id, why)
    if not drawn:
        return None
    rows = [drawn[id] for id in chosen if id in drawn]
    save_sheet(Sheet(f"{dataset.name}: {scored.name} {scored.settings}", rows, legend_of_predictions()), path)
    if not failed:
        listed.write_text(wanted)
    return path


def _explain_alone(dataset: Dataset, model: Model, id: str, seed: int) -> None:
    """What the contact sheet asks of a model, as a trial."""
    query = dataset.sample(id).query
    if isinstance(model, Explains):
        model.explain(query, seed)
