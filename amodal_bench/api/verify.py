"""Recount a packed run against one's own copy of its dataset: the same numbers, or what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amodal_bench.api.packs import fill_run, numbers_of, packed_protocols, packed_scores, score_of
from amodal_bench.api.recount import recount
from amodal_bench.api.reopen import dataset_of
from amodal_bench.api.runs import Run, open_run
from amodal_bench.api.verified import Verification, alike
from amodal_bench.core.errors import BenchError, UsageError, one_line, unbroken
from amodal_bench.datasets.base import Dataset, records_of
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.rebuild import content_digest
from amodal_bench.runner.packed import opened_pack
from amodal_bench.runner.place import room


def verify(file: Path, dataset: Dataset | None = None, config_dirs: Sequence[Path] = ()) -> Verification:
    """Recount every prediction of a pack, and compute its numbers again.

    Args:
        file: the pack, which anybody may have made.
        dataset: the verifier's own; where it is None it is opened as the pack says, which works for generated ones.
        config_dirs: folders with configurations of the user's, where the pack's dataset comes from there.

    Raises:
        InputError: the file is not a pack, or has a value that cannot be used.
        UsageError: the dataset cannot be opened without being told how.
    """
    found = Verification()
    with opened_pack(file) as pack, TemporaryDirectory(prefix="amodal-bench-") as made, room(Path(made)):
        folder = Path(made) / "packed"
        fill_run(pack, folder)
        run = open_run(folder)
        own = _opened(file, run, list(config_dirs)) if dataset is None else dataset
        protocols, unknown = packed_protocols(pack)
        claimed = packed_scores(pack)
        found.notes += [f"not scored: protocol {each}" for each in unknown]
        _note_dataset(found, run, own)
        again = recount(found, run, own, Path(made) / "recounted")
        for protocol in protocols:
            _note_unrun(found, run, own, protocol)
            if protocol.digest in claimed:
                _compare_scores(found, again, protocol, claimed[protocol.digest])
        labels = {content_digest(each): each.get("label", each.get("name")) for each in pack.head()["protocols"]}
        lacking = sorted(set(claimed) - {protocol.digest for protocol in protocols})
        found.unscored += [unbroken(f"{str(labels[digest])[:80]} ({digest})") for digest in lacking]
    return found


def _opened(file: Path, run: Run, config_dirs: list[Path]) -> Dataset:
    try:
        return dataset_of(run, config_dirs)
    except BenchError as error:
        name = run.facts["dataset"]["name"]
        raise UsageError(
            f"{file}: does not say how its dataset is opened on this machine; give the settings of your own copy, "
            f"such as dataset={name} dataset.root=FOLDER"
        ) from error


def _note_dataset(found: Verification, run: Run, dataset: Dataset) -> None:
    own, ran = dataset.fingerprint(), run.facts["dataset"]
    found.dataset = f"{dataset.name} {own[:12]}"
    if own != ran["fingerprint"]:
        found.notes.append(
            f"another dataset: it was run on {ran['name']} {ran['fingerprint'][:12]}, and yours is {found.dataset}; "
            "compared by ids"
        )


def _note_unrun(found: Verification, run: Run, dataset: Dataset, protocol: ScoringProtocol) -> None:
    """Note how many instances a protocol selects of the verifier's dataset that the run has not tried."""
    selected = protocol.filter.select(records_of(dataset))[0]["id"].astype(str)
    if unrun := len(set(selected) - set(run.instances()["id"].astype(str))):
        found.notes.append(f"not run: {unrun} of {len(selected)} instances that {protocol.label} selects")


def _compare_scores(found: Verification, run: Run, protocol: ScoringProtocol, claimed: Mapping[str, Any]) -> None:
    try:
        scored = score_of(run, protocol)
    except BenchError as error:
        found.differ("score", f"{protocol.label} cannot be scored", json.dumps(claimed["numbers"]), one_line(error))
        return
    own = numbers_of(scored)
    found.scores.append(protocol.label)
    if own["ids"] != claimed["ids"]:
        found.differ("score", f"{protocol.label}: instances", claimed["ids"], own["ids"])
    for name in dict.fromkeys([*claimed["numbers"], *own["numbers"]]):
        pair = claimed["numbers"].get(name), own["numbers"].get(name)
        if not alike(*pair):
            found.differ("score", f"{protocol.label}: {name}", *pair)
