"""Ways of scoring, ranked by how near they come to a published number, and tested on numbers they were not fit to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

SAME = 1e-9
"""Numbers in percent that differ by less are one number."""

ROUNDED = 0.05
"""Points by which a printed value may lie from the one that was rounded."""

NUMBERS = ["model", "run", "instances"]
LITTLE = "A fit to one number proves little"


@dataclass(frozen=True)
class Target:
    """A published value that is to be explained.

    Attributes:
        dataset: what it is about.
        value: in percent.
        source: who published it; values of one source are explained together.
    """

    dataset: str
    value: float
    source: str


def ranked(table: pd.DataFrame, value: float) -> pd.DataFrame:
    """The numbers of candidates by their distance to a value; ways that give one and the same number are one row.

    Args:
        table: rows as `api.candidates` makes them, of one dataset.
        value: in percent.

    Returns:
        The table's columns; `distance` (points, unsigned), `inside` (whether the value, which was rounded, lies in
        the number's 95 % interval; never where it has none), `ways` (how many give this number) and `names` (every
        shipped protocol among them that scores the prediction as given, else the way with the fewest changes).
    """
    known = table.assign(distance=(table["value"] - value).abs(), inside=inside(table, value))
    rounded = {name: (known[name] / SAME).round() for name in ("value", "low", "high")}
    groups = known.groupby([*(known[name] for name in NUMBERS), *rounded.values()], sort=False, dropna=False)
    rows = []
    for _, group in groups:
        first = group.sort_values("changes", kind="stable").iloc[0].to_dict()
        rows.append({**first, "ways": len(group), "names": _names(group)})
    order = ["distance", "changes"]
    return pd.DataFrame(rows).sort_values(order, kind="stable", ignore_index=True)


def inside(table: pd.DataFrame, value: float | pd.Series) -> pd.Series:
    """Whether a printed value, or each row's own, lies in its 95 % interval, half of its last digit more or less."""
    return (table["low"] - ROUNDED <= value) & (value <= table["high"] + ROUNDED)


def verdict(rows: pd.DataFrame, value: float) -> str:
    """Whether a value tells ways of scoring apart, in one sentence.

    Args:
        rows: what `ranked` returned.
        value: in percent.
    """
    fits, ways = rows[rows["inside"]], int(rows.loc[rows["inside"], "ways"].sum())
    if fits.empty:
        nearest = rows.iloc[0]
        if rows["low"].isna().all():
            return (
                f"undecided: one image or video gives no interval; the nearest to {value:g}, {nearest['value']:.2f}, "
                f"is {nearest['distance']:.2f} away, and nothing says whether that is near"
            )
        return (
            f"unexplained: {value:g} lies in the 95 % interval of none; the nearest, {nearest['value']:.2f}, is "
            f"{nearest['distance']:.2f} away, so that something else differs: the instances, the view or the weights"
        )
    if ways == 1:
        return f"one way of scoring has {value:g} in its 95 % interval"
    return (
        f"ambiguous: {value:g} lies in the 95 % interval of {ways} ways of scoring with {len(fits)} different "
        "numbers, and does not tell them apart"
    )


def held_out(table: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """How ways of scoring that fit the values on all datasets but one do on that one.

    Args:
        table: candidates on all datasets.
        targets: values; those of one source on several datasets are fit together; of several on one dataset each way
            is held against the nearest.

    Returns:
        One row for each source and dataset: source, dataset, published, label and prediction (the way with the least
        mean distance on the others), ways (that fit them equally well), fit (its mean distance there), value, low and
        high (on the dataset itself), distance and inside. Empty where no source has two datasets.
    """
    each = table.explode("keys")
    rows = []
    for source in dict.fromkeys(target.source for target in targets):
        of_source: dict[str, list[float]] = {}
        for target in targets:
            if target.source == source:
                of_source.setdefault(target.dataset, []).append(target.value)
        known = each[each["dataset"].isin(of_source)].copy()
        pairs = zip(known["dataset"], known["value"], strict=True)
        known["published"] = [_nearest(of_source[name], own) for name, own in pairs]
        known["distance"] = (known["value"] - known["published"]).abs()
        known["inside"] = inside(known, known["published"])
        if known["dataset"].nunique() < 2:
            continue
        distances = known.pivot_table(index=["model", "keys"], columns="dataset", values="distance", aggfunc="min")
        distances = distances.dropna()
        if distances.empty:
            continue
        for dataset in distances:
            fit = distances.drop(columns=dataset).mean(axis=1)
            equal = fit.index[fit <= fit.min() + SAME]
            own = known[known["dataset"] == dataset].set_index(["model", "keys"]).loc[equal]
            best = own.sort_values(["changes", "distance"], kind="stable").iloc[0]
            value = float(best["published"])
            rows.append(
                {
                    "source": source,
                    "dataset": dataset,
                    "published": value,
                    **{name: best[name] for name in ("label", "prediction")},
                    "ways": len(equal),
                    "fit": float(fit.min()),
                    **{name: best[name] for name in ("value", "low", "high", "distance")},
                    "inside": bool(best["inside"]),
                }
            )
    return pd.DataFrame(rows)


def _nearest(values: Sequence[float], own: float) -> float:
    return min(values, key=lambda value: abs(value - own))


def _names(group: pd.DataFrame) -> str:
    """What gives the number: shipped protocols without a change, else the way with the fewest changes."""
    given = group[group["prediction"] == "as given"]
    names = list(dict.fromkeys(name for found in given["shipped"] for name in found))
    if names:
        return ", ".join(names)
    first = group.sort_values("changes", kind="stable").iloc[0]
    return str(first["label"]) + ("" if first["prediction"] == "as given" else f", {first['prediction']}")
