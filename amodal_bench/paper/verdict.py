"""What has become of a frozen plan, cell by cell.

Published values of a cell may disagree, so that not all of them can hold. A cell holds where one of its printed
values does; where none of them is printed, one of those that are copied, reproduced or second-hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.core.plain import leaves
from amodal_bench.paper.against import is_inside, source_of, value_of
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.frozen import SEAL, require_registered
from amodal_bench.paper.gather import Value, gather
from amodal_bench.paper.record import FOLDER, read
from amodal_bench.paper.table import COSTS, of_plain_values
from amodal_bench.published.ledger import PRINTED, Published

HELD, FAILED = "held", "did not hold"
UNPUBLISHED, OPEN = "nothing was published", "without a verdict"
NEAR = 1e-9


@dataclass(frozen=True)
class Verdict:
    """One published value of a cell, or a cell without one.

    Attributes:
        row, column, number: which cell.
        ours: text of our value; "" where there is none.
        published: text of the published value; "" where there is none.
        protocol: what is known of the protocol behind it, as the ledger says; "" where there is none.
        source: where it stands; "" where there is none.
        what: `held`, `did not hold`, or why nothing can be said.
        unplanned: whether its run, or its protocol, is not the one that was planned.
        printed: whether the published value stands in the source itself.
    """

    row: str
    column: str
    number: str
    ours: str
    published: str
    what: str
    unplanned: bool = False
    protocol: str = ""
    source: str = ""
    printed: bool = False


def verdicts(plan: Mapping[str, Any], results: Path, config_dirs: Sequence[Path]) -> list[Verdict]:
    """The verdict on every published value of a plan.

    Args:
        plan: as `read_plan` gives it.
        results: the folder of results.
        config_dirs: folders of the user's.

    Raises:
        InputError: the plan's table cannot be read.
        UsageError: the plan is not noted in that folder.
    """
    require_registered(results, plan)
    table = of_plain_values(plan["table"], Path(FOLDER))
    cells = [_cell(said, results) for said in plan["cells"]]
    values = {(v.row, v.column, v.number): v for v in gather(table, cells, results, config_dirs)}
    found: list[Verdict] = []
    averages: list[Verdict] = []
    for said, cell in zip(plan["cells"], cells, strict=True):
        why = _unplanned(said, cell, plan, results)
        for shown in table.shown:
            value = values[cell.row, cell.column, shown.name]
            changed = "" if shown.number in COSTS else _other_protocol(value, plan["protocols"][shown.name])
            for published in said["published"][shown.name] or [None]:
                found.append(_verdict(value, published, float(plan["tolerance"]), why or changed))
    # Of an average the first cell that is not as planned says why nothing can be said.
    for said in plan.get("averages", []):
        own = [each for each in found if each.row == said["row"] and each.number == said["number"]]
        why = next((f"{each.column}: {each.what}" for each in own if each.unplanned), "")
        for published in said["published"] or [None]:
            value = values[said["row"], table.average, said["number"]]
            averages.append(_verdict(value, published, float(plan["tolerance"]), why))
    return found + averages


def of_cells(found: Sequence[Verdict]) -> list[str]:
    """What became of each cell: `held`, `did not hold`, `nothing was published` or `without a verdict`."""
    cells: dict[tuple[str, str, str], list[Verdict]] = {}
    for each in found:
        cells.setdefault((each.row, each.column, each.number), []).append(each)
    return [_of_cell(own) for own in cells.values()]


def _of_cell(own: Sequence[Verdict]) -> str:
    if any(each.what not in (HELD, FAILED, UNPUBLISHED) for each in own):
        return OPEN
    counted = [each for each in own if each.printed] or own
    return next((what for what in (HELD, FAILED) if any(each.what == what for each in counted)), UNPUBLISHED)


def _cell(said: Mapping[str, Any], results: Path) -> Cell:
    sample = said.get("sample")
    return Cell(
        said["row"], said["column"], said["words"], results / FOLDER / "ids" / f"{sample}.txt" if sample else None
    )


def _unplanned(said: Mapping[str, Any], cell: Cell, plan: Mapping[str, Any], results: Path) -> str:
    """Why a cell's run is not the one that was planned; "" where it is."""
    if "missing" in said:
        return f"not planned: {said['missing']}"
    if cell.key != said["key"]:
        return "its sample is another one than planned"
    record = read(results, cell.key)
    if record is None:
        return "not run"
    if record.failed:
        return f"failed: {record.failed}"
    if plan[SEAL][:16] not in record.plans:
        return "run before the plan, or by another one"
    from amodal_bench.api.runs import open_run
    from amodal_bench.core.errors import BenchError

    try:
        run = open_run(results / record.run)
    except BenchError as error:
        return str(error)
    if (run.recorded.dates.get("begun") or "") < str(plan["made"]):
        return "its predictions were begun before the plan"
    if run.digest == said["identity"]:
        return ""
    planned, ran = dict(leaves(said["facts"])), dict(leaves(run.facts))
    places = [place for place in {**planned, **ran} if planned.get(place) != ran.get(place)]
    return f"another run than planned: {', '.join(places[:3]) or 'its identity'} changed"


def _other_protocol(value: Value, planned: Mapping[str, str]) -> str:
    if value.protocol and value.protocol != planned["label"]:
        return f"scored under {value.protocol}, planned was {planned['label']}"
    if value.digest and value.digest != planned["digest"]:
        return f"{planned['label']} is no longer what it was: {value.digest}, planned was {planned['digest']}"
    return ""


def _verdict(value: Value, published: Mapping[str, Any] | None, tolerance: float, why: str) -> Verdict:
    from amodal_bench.paper.written import text_of

    ours = "" if value.missing else text_of(value)
    told = None if published is None else Published(**published)
    if why or value.missing:
        what = why or value.missing
    elif value.random:
        what = "random weights: its number means nothing"
    elif told is None:
        what = UNPUBLISHED
    else:
        near = abs(value.scale * value.value - told.value) <= tolerance + NEAR
        what = HELD if near or is_inside(value, float(told.value)) else FAILED
    place = value.row, value.column, value.number
    if told is None:
        return Verdict(*place, ours, "", what, bool(why))
    known = told.protocol_status, source_of(told), told.certainty == PRINTED
    return Verdict(*place, ours, value_of(told), what, bool(why), *known)
