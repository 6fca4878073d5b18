"""The ledger of published values: `values.yaml`, read once and held to its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from amodal_bench.config.build import suggest
from amodal_bench.config.compose import choices
from amodal_bench.core.errors import InputError, first_line, unreadable

FILE = Path(__file__).with_name("values.yaml")

STATUSES = ("known", "assumed", "contradicted", "unknown")
"""What is known of a value's protocol: stated, taken to be this one, denied by other values, nothing."""

PRINTED = "printed"

CERTAINTIES = (PRINTED, "copied", "reproduction", "secondhand")
"""Where a value stands: its source prints or copies it, a user measured it, or only notes of it were read."""

METRICS: Mapping[str, str] = {
    "miou": "%",
    "occluded_miou": "%",
    "gap": "points",
    "seconds": "s",
    "speed_ratio": "x",
    "memory_ratio": "x",
}
"""Every metric with its unit."""

AVERAGE = "average"
"""The dataset of a value that is a mean over several."""

ELSEWHERE = ("d2sa",)
"""Datasets with published values that the harness does not read."""

PAGE = re.compile(r"\d+(-\d+)?")
"""A page, or the first and the last one of a source."""

REMEDY = "correct the record, or install the package again"


@dataclass(frozen=True)
class Published:
    """One published value. What nobody has stated is empty.

    Attributes:
        method: as in `model=NAME` where the harness has it (`tuning_free` for the method itself); else an id.
        variant: what tells the values of a method apart, such as "sdxl", "sdxl without leakage" or "best of 3"; empty
            where there is nothing to tell.
        dataset: as in `dataset=NAME`, "average" for a mean over the paper's five, empty for a cost.
        split: of the dataset.
        protocol: as in `protocol=NAME`, stated or assumed; `protocol_status` says which.
        protocol_status: one of `STATUSES`.
        samples: predictions of each instance; None where it is not stated.
        metric: one of `METRICS`.
        value: in the metric's unit, as printed.
        source: the paper or the page.
        place: the table, figure or thread in it.
        certainty: one of `CERTAINTIES`.
        note: what else a reader has to know, such as what contradicts it.
        page: of the place, as `5`, or the pages of the whole source, as `5872-5880`, where the place's own is not
            recorded; empty where nobody here has seen it, or the source has no pages.
    """

    method: str
    variant: str
    dataset: str
    split: str
    protocol: str
    protocol_status: str
    samples: int | None
    metric: str
    value: float
    source: str
    place: str
    certainty: str
    note: str
    page: str = ""

    @property
    def paged(self) -> str:
        """The page in words: `page 5`, `pages 5872-5880`; empty where none is recorded."""
        return f"page{'s' if '-' in self.page else ''} {self.page}" if self.page else ""

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """The cell of a table that it stands in: method, variant, dataset and metric. A cell may have many values."""
        return self.method, self.variant, self.dataset, self.metric


def ledger() -> tuple[Published, ...]:
    """All published values, in the order of the file; read and checked once.

    Raises:
        InputError: the file cannot be read, or a record of it does not fit.
    """
    return read_ledger(FILE)[1]


def titles() -> Mapping[str, str]:
    """The name in print of each method of the ledger, by its id. Raises as `ledger` does."""
    return read_ledger(FILE)[0]


def find(
    method: str | None = None, variant: str | None = None, dataset: str | None = None, metric: str | None = None
) -> tuple[Published, ...]:
    """The values with these properties, in the order of the file; None means any. Raises as `ledger` does."""
    wanted = {"method": method, "variant": variant, "dataset": dataset, "metric": metric}
    given = {name: value for name, value in wanted.items() if value is not None}
    return tuple(each for each in ledger() if all(getattr(each, name) == value for name, value in given.items()))


@cache
def read_ledger(file: Path) -> tuple[Mapping[str, str], tuple[Published, ...]]:
    """The titles of a ledger's methods, and its values.

    Args:
        file: a YAML file with the methods' names in print as `methods`, and groups of records as `values`.

    Raises:
        InputError: the file cannot be read, or a record of it does not fit.
    """
    content = _content(file)
    names = {str(id): str(title) for id, title in content["methods"].items()}
    return names, tuple(_checked(file, place, record, names) for place, record in _records(file, content["values"]))


def _content(file: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        content = OmegaConf.to_container(OmegaConf.load(file))
    except OSError as error:
        raise unreadable(file, error) from error
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise InputError(file, f"is not YAML ({first_line(error)})", REMEDY) from error
    kinds = {"methods": dict, "values": list}
    if not isinstance(content, dict) or any(not isinstance(content.get(key), kind) for key, kind in kinds.items()):
        raise InputError(file, "must have a mapping `methods` and a list `values`", REMEDY)
    return {str(key): value for key, value in content.items()}


def _records(file: Path, groups: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record with what its group states, and its place in the file."""
    for number, group in enumerate(groups):
        place = f"values[{number}]"
        if not isinstance(group, dict) or not isinstance(group.get("records"), list):
            raise InputError(file, "must be a mapping with a list `records`", REMEDY, place)
        shared = {key: value for key, value in group.items() if key != "records"}
        for row, record in enumerate(group["records"]):
            if not isinstance(record, dict):
                raise InputError(file, "must be a mapping", REMEDY, f"{place}.records[{row}]")
            yield f"{place}.records[{row}]", {**shared, **record}


def _checked(file: Path, place: str, record: dict[str, Any], methods: Mapping[str, str]) -> Published:
    """A record as a value. Raises `InputError` where a field is unknown, or its value cannot be."""
    known = [field.name for field in fields(Published)]
    if unknown := [key for key in record if key not in known]:
        raise InputError(file, f"{unknown[0]}: unknown field; {suggest(str(unknown[0]), known)}", REMEDY, place)
    empty: dict[str, Any] = {name: None if name == "samples" else "" for name in known}
    made = {**empty, **record}
    datasets = [*choices("dataset", []), AVERAGE, *ELSEWHERE, ""]
    words = {
        "method": methods,
        "dataset": datasets,
        "protocol": [*choices("protocol", []), ""],
        "protocol_status": STATUSES,
        "metric": METRICS,
        "certainty": CERTAINTIES,
    }
    for name, value in made.items():
        if name not in ("value", "samples") and not isinstance(value, str):
            raise InputError(file, f"{name}: {value!r} must be text", REMEDY, place)
        if name in words and value not in (valid := words[name]):
            raise InputError(file, f"{name}: there is no {value!r}; {suggest(value, valid)}", REMEDY, place)
    if wrong := _misfit(made):
        raise InputError(file, wrong, REMEDY, place)
    return Published(**{**made, "value": float(made["value"])})


def _misfit(record: Mapping[str, Any]) -> str | None:
    """What is wrong with the numbers of a record, or with fields that belong together; None where nothing is."""
    value, samples, metric = record["value"], record["samples"], record["metric"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        return f"value: {value!r} must be a number > 0"
    if METRICS[metric] in ("%", "points") and value > 100:
        return f"value: {value!r} must be at most 100, since {metric} is in {METRICS[metric]}"
    if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 1):
        return f"samples: {samples!r} must be a whole number >= 1, or empty"
    if (METRICS[metric] == "%") != bool(record["dataset"]):
        return f"dataset: must {'be named' if METRICS[metric] == '%' else 'be empty'} for {metric}"
    if record["protocol_status"] in ("known", "assumed") and not record["protocol"]:
        return f"protocol: must be named where its status is {record['protocol_status']}"
    if record["protocol_status"] == "unknown" and record["protocol"]:
        return "protocol: must be empty where its status is unknown"
    if record["protocol_status"] == "contradicted" and not record["note"]:
        return "note: must say what contradicts it"
    if record["page"] and not (PAGE.fullmatch(record["page"]) and record["source"]):
        return f"page: {record['page']!r} must be a page of the source, such as 5 or 5872-5880, in quotes"
    if not record["source"] and not record["note"]:
        return "source: must be given, or a note must say that it is not known"
    return None
