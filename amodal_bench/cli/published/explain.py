"""Ask which way of scoring explains a published number: runs are scored in every way that their stores allow.

    amodal-bench published explain --run results/runs/cocoa-sam-0123456789ab --value 66.6
    amodal-bench published explain --run RUN_FRAME --run RUN_CROP --method sam
    amodal-bench published explain --run RUN_COCOA --run RUN_KINS --method sam -o explained.csv
    amodal-bench published explain --results results --model sam --method sam

Tried are every shipped protocol; stuff, crowds and hidden instances in and out, as far as they were run; all
instances or the occluded ones; the prediction as given, united with V, or V wherever no other instance covers it; and
each of the runs. Ways are ranked by their distance to the value; those that give one and the same number share a row.
No model and no picture is needed. A run under protocol=pcnet has every instance that a protocol can ask for, and one
with model.union_visible=false can be scored with V and without.

Runs are of one model. Of one dataset they are alternatives, such as views. Where they are of several datasets,
--value is given once for each run, or --method takes the published values of each dataset; then the way that fits all
datasets but one is tested on that one. Where several ways have the value in their 95 % interval, the value does not
tell them apart, and that is said: so many ways are tried that a fit to one number proves little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amodal_bench.cli.columns import print_columns
from amodal_bench.cli.published.words import choosing, chosen
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import file_option, folder_option, place, runs
from amodal_bench.core.disk import name_another
from amodal_bench.core.errors import UsageError
from amodal_bench.published.ledger import find

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.api.runs import Run
    from amodal_bench.report.explained import Target

SHOWN = 12
HEAD = ("distance", "number", "95 % interval", "inside", "instances", "ways", "scored by", "run")
TESTED = (
    "dataset",
    "published",
    "number",
    "95 % interval",
    "inside",
    "distance",
    "fit to the others",
    "ways",
    "best of them",
)


@verb(__doc__)
@click.option("--run", "folders", metavar="RUN_FOLDER", type=place, multiple=True, shell_complete=runs,
              help="A stored run; may be repeated.")  # fmt: skip
@folder_option("--results", metavar="FOLDER", help="Also every run of a results folder.")
@click.option("--model", metavar="NAME", help="With --results: only runs of this model, such as sam.")
@click.option(
    "--value", "values", metavar="NUMBER", type=float, multiple=True, help="A published number, in percent."
)
@choosing("method", "variant")
@click.option("--metric", metavar="NAME", default="miou", help="miou or occluded_miou; miou by default.")
@file_option("-o", "--output", metavar="FILE", help="Also write every way of scoring as CSV.")
def main(
    folders: Sequence[Path],
    results: Path | None,
    model: str | None,
    values: Sequence[float],
    method: str | None,
    variant: str | None,
    metric: str,
    output: Path | None,
) -> int:
    """Print the ways of scoring that come nearest to each value."""
    import pandas as pd

    from amodal_bench.api.candidates import METRICS, candidates
    from amodal_bench.api.runs import open_run
    from amodal_bench.config.build import suggest
    from amodal_bench.report.explained import LITTLE, held_out
    from amodal_bench.report.scored import has_random_weights
    from amodal_bench.report.terminal import MEANINGLESS

    if metric not in METRICS:
        raise UsageError(f"--metric {metric}: ways of scoring are not tried for it; {suggest(metric, METRICS)}")
    opened = [open_run(folder) for folder in dict.fromkeys(folders)] + _found(results, model)
    opened = list({run.folder.resolve(): run for run in opened}.values())
    _require_one_model(opened)
    targets = _targets(opened, values, method, variant, metric)
    found = [candidates(run, metric) for run in opened]
    table = pd.concat([each.table for each in found], ignore_index=True)
    if table.empty:
        raise UsageError(f"{opened[0].folder}: no protocol has a number here; run its command again")
    if any(has_random_weights(run.facts) for run in opened):
        print(f"{MEANINGLESS}\n")
    for target in targets:
        _show(table[table["dataset"] == target.dataset], target, metric)
    if len(tested := held_out(table, targets)):
        _show_tested(tested)
    for run, each in zip(opened, found, strict=True):
        for reason, count in each.left_out.items():
            print(f"not tried, {run.folder}: {count} ways ({reason})")
        if missing := int(each.table["missing"].max()):
            print(f"not run, {run.folder}: up to {missing} instances that a way of scoring selects")
    print(f"{LITTLE}: {len(table)} ways of scoring were tried on {len(opened)} run{'s'[: len(opened) > 1]}")
    if output is not None:
        _write(table, targets, output)
    return 0


def _found(results: Path | None, model: str | None) -> list[Run]:
    """The runs of a results folder, or those of one model. Raises `UsageError` where there is none."""
    from amodal_bench.api.runs import open_run
    from amodal_bench.config.build import suggest
    from amodal_bench.runner.place import run_folders

    if results is None:
        if model:
            raise UsageError(f"--model {model}: chooses among the runs of --results FOLDER")
        return []
    found = [open_run(folder) for folder in run_folders(results)]
    of_model = [run for run in found if model is None or run.name == model.replace("/", "-")]
    if not of_model:
        hint = suggest(str(model), {run.name for run in found})
        raise UsageError(f"--model {model}: has no run in {results}; {hint}")
    return of_model


def _require_one_model(opened: Sequence[Run]) -> None:
    """Raise `UsageError` where there is no run, or runs are of several models."""
    if not opened:
        raise UsageError("published explain: needs --run RUN_FOLDER or --results FOLDER")
    other = next((run for run in opened if run.name != opened[0].name), None)
    if other is not None:
        raise UsageError(f"--run {other.folder}: is of {other.name}, not of {opened[0].name}; explain one at a time")


def _targets(
    opened: Sequence[Run], values: Sequence[float], method: str | None, variant: str | None, metric: str
) -> list[Target]:
    """The values that are to be explained. Raises `UsageError` where none is named, or they do not fit the runs."""
    from amodal_bench.report.explained import Target

    datasets = list(dict.fromkeys(str(run.facts["dataset"]["name"]) for run in opened))
    if bool(values) == bool(method):
        raise UsageError("published explain: needs --value NUMBER, or --method NAME for its published values")
    if method:
        chosen(method=method, variant=variant)
        listed = [each for dataset in datasets for each in find(method, variant, dataset, metric)]
        if not listed:
            raise UsageError(f"--method {method}: has no published {metric} on {', '.join(datasets)}; give --value")
        return [Target(each.dataset, each.value, _source(each.source, each.place, each.variant)) for each in listed]
    if variant:
        raise UsageError(f"--variant {variant}: is about published values; it goes with --method")
    if outside := [value for value in values if not 0 < value <= 100]:
        raise UsageError(f"--value {outside[0]:g}: must be > 0 and at most 100, since it is in percent")
    if len(datasets) == 1:
        return [Target(datasets[0], value, "given") for value in values]
    if len(values) != len(opened) or len(datasets) != len(opened):
        raise UsageError(
            f"--value: there are {len(values)} for {len(opened)} runs on {len(datasets)} datasets; give one run and "
            "one value for each dataset, in the same order"
        )
    return [Target(dataset, value, "given") for dataset, value in zip(datasets, values, strict=True)]


def _source(*words: str) -> str:
    return ", ".join(filter(None, words)) or "not recorded"


def _show(table: pd.DataFrame, target: Target, metric: str) -> None:
    from amodal_bench.report.explained import ranked, verdict

    rows = ranked(table, target.value)
    print(f"{target.dataset}, {metric} {target.value:g} % ({target.source})")
    shown = rows.head(max(SHOWN, int((rows["distance"] <= rows["distance"].min()).sum())))
    several = table["run"].nunique() > 1
    print_columns(
        [
            [
                f"{row['distance']:.2f}", f"{row['value']:.2f}", _interval(row), "yes" if row["inside"] else "no",
                str(row["instances"]), str(row["ways"]), str(row["names"]), str(row["run"]) if several else "",
            ]
            for row in shown.to_dict("records")
        ],
        HEAD if several else [*HEAD[:-1], ""],
        HEAD[:6],
    )  # fmt: skip
    if len(rows) > len(shown):
        print(f"... and {len(rows) - len(shown)} numbers that lie further away")
    print(f"{len(table)} ways were tried, with {len(rows)} different numbers; {verdict(rows, target.value)}\n")


def _show_tested(tested: pd.DataFrame) -> None:
    """Print how the fits do on the datasets that they have not seen."""
    for source, rows in tested.groupby("source", sort=False):
        print(f"fit to all datasets but one, tested on that one ({source})")
        print_columns(
            [
                [
                    str(row["dataset"]), f"{row['published']:g}", f"{row['value']:.2f}", _interval(row),
                    "yes" if row["inside"] else "no", f"{row['distance']:.2f}", f"{row['fit']:.2f}", str(row["ways"]),
                    f"{row['label']}, {row['prediction']}",
                ]
                for row in rows.to_dict("records")
            ],
            TESTED, TESTED[1:-1],
        )  # fmt: skip
        print(f"inside on {int(rows['inside'].sum())} of {len(rows)} datasets\n")


def _interval(row: Mapping[Any, Any]) -> str:
    low, high = row["low"], row["high"]
    return f"{low:.1f} to {high:.1f}" if low == low else "-"


def _write(table: pd.DataFrame, targets: Sequence[Target], output: Path) -> None:
    """Write every way of scoring beside each value of its dataset."""
    import pandas as pd

    from amodal_bench.report.csv_logger import write_csv
    from amodal_bench.report.explained import inside

    parts = []
    for target in targets:
        part = table[table["dataset"] == target.dataset].drop(columns="keys")
        part = part.assign(shipped=[" ".join(names) for names in part["shipped"]])
        part.insert(0, "published", target.value)
        part.insert(1, "source", target.source)
        distance = (part["value"] - target.value).abs()
        parts.append(
            part.assign(distance=distance, inside=inside(part, target.value)).sort_values("distance", kind="stable")
        )
    try:
        write_csv(pd.concat(parts, ignore_index=True), output)
    except OSError as error:
        raise name_another(output, error, "file") from error
    print(f"wrote {output}")
