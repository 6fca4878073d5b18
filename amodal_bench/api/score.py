"""Score a stored run under any protocol, from its counts alone: without the model, and without a GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from amodal_bench.api.composing import Folders, existing
from amodal_bench.api.given import a_kind, checked, listed
from amodal_bench.api.load import load_dataset, load_protocol
from amodal_bench.api.reference import reference_of
from amodal_bench.api.reopen import dataset_of, protocol_of
from amodal_bench.api.runs import Run, open_run
from amodal_bench.core.errors import BenchError, ConfigError, UsageError
from amodal_bench.core.ids import among
from amodal_bench.core.types import Integers
from amodal_bench.datasets.base import Dataset, records_of
from amodal_bench.metrics.numbers.base import MAJORITY, PAIRS
from amodal_bench.metrics.protocols import ScoringProtocol, with_draws
from amodal_bench.metrics.selection import select_from
from amodal_bench.report.scored import Scored
from amodal_bench.report.summary import summarise
from amodal_bench.runner.store import COUNTS


@dataclass(frozen=True)
class Tables:
    """A run's numbers under one protocol.

    Attributes:
        summary: one row: all numbers with 95 % intervals, instances, errors, and the digests of data, ids and run.
        by_occlusion: one row for each bin of the occlusion rate.
        instances: one row for each instance: its IoUs, occlusion rate and counts, or its error.
        errors: the predictions that are lacking: id, draw, kind (failed, unreadable or not run), error.
        missing: how many instances the protocol selects that the run has not tried, or not for as many draws as are
            scored; they are in no table. Always 0
            where `ids` were given: then such an instance is an error, "not run".
    """

    summary: pd.DataFrame
    by_occlusion: pd.DataFrame
    instances: pd.DataFrame
    errors: pd.DataFrame
    missing: int


def score(
    run: str | Path | Run,
    protocol: str | ScoringProtocol | None = None,
    ids: str | Path | Sequence[str] | None = None,
    dataset: str | Dataset | None = None,
    config_dirs: Folders = (),
    samples: int | None = None,
) -> Tables:
    """Score a run under a protocol; no model is made, and the run is not changed.

    Args:
        run: its folder, or what `open_run` returned.
        protocol: a name, as in `protocol=NAME`, or a protocol; the run's own where it is None.
        ids: the instances to score: a file with one id on each line, or a list of ids. Where it is None, all those
            of the run that the protocol's filter takes.
        dataset: what the run was made on, as a name or an object; where it is None, it is opened again as the run's
            `run.json` says.
        config_dirs: folders with a configuration of your own, where protocol or dataset come from there.
        samples: how many draws of each instance are scored, where the protocol is about draws, as "draws" is; all
            that the run has where it is None.

    Raises:
        ConfigError: the protocol selects no instance, or is not about as many draws as are asked for.
        UsageError: the folder is not a run's, the dataset is another one, or the run has none of the instances.
        InputError: a file cannot be used.
    """
    opened = run if isinstance(run, Run) else open_run(run)
    folders = existing(config_dirs)
    if protocol is None:
        protocol = protocol_of(opened, folders)
    elif isinstance(protocol, str):
        protocol = load_protocol(protocol, config_dirs=folders)
    elif not isinstance(protocol, ScoringProtocol):
        raise ConfigError(f"protocol: must be a name or a ScoringProtocol, not {a_kind(protocol)}")
    if dataset is not None and not isinstance(dataset, str):
        checked("dataset", dataset)
    ids = ids if ids is None or isinstance(ids, str | Path) else listed(ids)
    if samples is not None and samples > 1 and not protocol.of_draws:
        raise ConfigError(
            f"samples: {protocol.label} is about draw 0 alone; give a protocol of draws, such as 'draws'"
        )
    index = records_of(_dataset(opened, dataset, folders))
    scored, missing = _scored(opened, [protocol], index, ids, samples)
    summary = summary_beside(opened, scored)
    summary = summary[summary["run"] == scored.digest].reset_index(drop=True)
    return Tables(summary, scored.by_occlusion(), scored.instances(), scored.errors(), missing)


def scored_run(
    run: Run,
    protocol: ScoringProtocol,
    ids: str | Path | Sequence[str] | None = None,
    samples: int | None = None,
    others: Sequence[ScoringProtocol] = (),
    within: Collection[str] | None = None,
) -> tuple[Scored, int]:
    """A run under a protocol from its store alone, and how many of the wanted instances it lacks.

    With several `samples`, the protocol `draws` stands beside one that is about draw 0 alone. So do `others`, but for
    those that need masks which the store has not counted. With `within`, its filter selects from these ids.
    """
    protocols = with_draws([protocol], samples or 1)
    own = {each.digest for each in protocols}
    beside = [each for each in others if each.digest not in own and not each.of_draws]
    index = run.records(every=True)
    if within is not None and not index.empty:
        index = index[among(index["id"], within)]
    return _scored(run, protocols, index, ids, samples, beside)


def summary_beside(run: Run, scored: Scored) -> pd.DataFrame:
    """What a run scored: a row for each protocol, and one of `A_hat = V` where its run lies beside this one.

    Gains over V have columns then, if V was run on all of the same instances; one gain needs no correction for many.
    """
    summary = summarise(with_reference(run, scored))
    summary.insert(0, "dataset", run.facts["dataset"]["name"])
    return summary


def with_reference(run: Run, scored: Scored) -> list[Scored]:
    """A scored run last, and before it that of `A_hat = V` on the same instances, where it lies beside this one."""
    every = [scored]
    if (reference := reference_of(run)) is not None:
        with suppress(BenchError):  # it lacks what is scored; the run's own command says what to do
            protocols, samples = scored.protocols, scored.samples
            found, _ = _scored(reference, protocols, scored.records, list(scored.records["id"].astype(str)), samples)
            every = [replace(found, listed=scored.listed), scored]
    return every


def _dataset(run: Run, dataset: str | Dataset | None, folders: list[Path]) -> Dataset:
    if dataset is None:
        found = dataset_of(run, folders)
    else:
        found = load_dataset(dataset, config_dirs=folders) if isinstance(dataset, str) else dataset
    _require_same(run, found)
    return found


def _selected(
    run: Run,
    index: pd.DataFrame,
    protocol: ScoringProtocol,
    ids: str | Path | Sequence[str] | None,
    drawn: pd.DataFrame,
    draws: int,
) -> tuple[pd.DataFrame, int]:
    """The records that are scored, and how many selected ones the run has not tried for all draws."""
    if index.empty:
        raise UsageError(f"{run.folder}: does not say what its instances are; run its command again")
    records, _ = select_from(str(run.facts["dataset"]["name"]), index, protocol, ids)
    made = Counter(drawn["id"].to_list())
    tried = pd.Series([made[str(id)] >= draws for id in records["id"].to_list()], records.index, dtype=bool)
    if not tried.any():
        what = "none" if draws == 1 else f"samples={draws} of none"
        raise UsageError(
            f"{run.folder}: has {what} of the {len(records)} instances that {_who(protocol, ids)} selects"
        )
    kept = records[tried] if ids is None else records
    return kept, len(records) - len(kept)


def _scored(
    run: Run,
    protocols: Sequence[ScoringProtocol],
    index: pd.DataFrame,
    ids: str | Path | Sequence[str] | None,
    samples: int | None,
    others: Sequence[ScoringProtocol] = (),
) -> tuple[Scored, int]:
    """A run under protocols, and how many of the instances that the first one selects it lacks."""
    if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 1):
        raise ConfigError(f"samples: {samples!r} must be a whole number >= 1")
    everything = run.draws()
    asked = _draws(run, everything) if samples is None else samples
    if not any(protocol.of_draws for protocol in protocols):
        asked = 1
    draws = 1 if run.recorded.deterministic else asked
    drawn = everything[everything["draw"] < draws].reset_index(drop=True)
    records, missing = _selected(run, index, protocols[0], ids, drawn, draws)
    names = list(dict.fromkeys(name for protocol in protocols for name in protocol.regions))
    regions, pairs = run.regions(names)
    majorities = run.majorities(draws) if draws > 1 and MAJORITY in names else {}
    wanted = set(records["id"].astype(str).to_list()) & _counted(drawn, draws)
    lacking = _uncounted(wanted, regions, pairs)
    if draws > 1 and MAJORITY in names and not wanted <= set(majorities):
        lacking.append(f"{MAJORITY} of {draws} draws")
    if lacking:
        again = f"protocol={protocols[-1].name}" + (f" samples={draws}" if draws > 1 else "")
        remedy = f"run its command again with {again}: that adds them and predicts nothing again"
        raise UsageError(
            f"{run.folder}: {protocols[-1].label} needs the masks again ({', '.join(lacking)}); {remedy}"
        )
    if others:
        ran, places = set(drawn["id"]), records.index
        tried = index[among(index["id"], ran)]
        for other in others:
            selected = records if ids is not None else other.filter.select(tried)[0]
            if other.regions:
                more, pairs_too = run.regions(other.regions)
                if _uncounted(set(selected["id"].astype(str).to_list()) & _counted(drawn, 1), more, pairs_too):
                    continue
                regions, pairs = {**regions, **more}, pairs if pairs_too is None else pairs_too
            protocols, places = [*protocols, other], places.union(selected.index)
        records = index.loc[places.sort_values()]
    scored = Scored(
        run.name,
        run.digest,
        run.facts,
        run.folder,
        protocols,
        records,
        everything[everything["draw"] == 0].drop(columns="draw").reset_index(drop=True),
        run.stages(),
        run.recorded.settings or "",
        ids is not None,
        regions,
        pairs,
        samples=asked,
        draws=draws,
        drawn=drawn if draws > 1 else None,
        majorities=majorities,
    )
    return scored, missing


def _uncounted(
    wanted: set[str], regions: Mapping[str, Mapping[str, Integers]], pairs: pd.DataFrame | None
) -> list[str]:
    """The regions, and pairs, that lack some of the wanted instances."""
    lacking = [name for name, known in regions.items() if not wanted <= set(known)]
    if pairs is not None and not wanted <= set(pairs["predicted"]):
        lacking.append(PAIRS)
    return lacking


def _draws(run: Run, everything: pd.DataFrame) -> int:
    """How many draws the run's instances have, at the most. Raises `UsageError` where nothing has been run."""
    if everything.empty:
        raise UsageError(f"{run.folder}: has no prediction yet; run its command again")
    return int(everything["draw"].max()) + 1


def _counted(drawn: pd.DataFrame, draws: int) -> set[str]:
    """The ids of which all draws have counts."""
    ids = drawn.loc[drawn[COUNTS[0]].notna(), "id"].to_list()
    if draws == 1:  # counting half a million of texts takes a second
        return set(ids)
    return {id for id, count in Counter(ids).items() if count >= draws}


def _who(protocol: ScoringProtocol, ids: object) -> str:
    return f"protocol {protocol.label}" if ids is None else "ids"


def _require_same(run: Run, dataset: Dataset) -> None:
    """Raise `UsageError` unless a run was made on a dataset."""
    ran = run.facts["dataset"]
    if (found := dataset.fingerprint()) != ran["fingerprint"]:
        raise UsageError(
            f"{run.folder}: was run on {ran['name']} {ran['fingerprint'][:12]}, and not on {dataset.name} "
            f"{found[:12]}; give dataset= with the settings that the run had"
        )
