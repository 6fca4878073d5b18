"""Runs in one file, for other people: packed with their numbers, and unpacked as runs like any other."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.api.runs import STORE, Run, open_run
from amodal_bench.api.score import scored_run
from amodal_bench.core.disk import name_another
from amodal_bench.core.errors import BenchError, InputError, UsageError
from amodal_bench.core.files import fill_folder, write_whole
from amodal_bench.core.ids import label
from amodal_bench.core.version import __version__
from amodal_bench.datasets.reading.files import read_json
from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import ScoringProtocol, shipped
from amodal_bench.metrics.rebuild import content_digest, protocol_from
from amodal_bench.report.compare import ordered
from amodal_bench.report.scored import Scored
from amodal_bench.runner.packed import ASK, HEAD, RUN, Pack, opened_pack
from amodal_bench.runner.packing import fill_store, private_in_identity, write_pack
from amodal_bench.runner.place import room
from amodal_bench.runner.run_json import FILE, read_facts, read_said
from amodal_bench.runner.store import Store, read_store

_FOLDER = re.compile(r"\w[\w .,+=@()\[\]-]*")
"""Names of folders that no shell, page or other system takes for anything else."""

DEFAULT = "instance"
"""The protocol of a run that nothing says a protocol of."""


@dataclass(frozen=True)
class Packed:
    """What was written.

    Attributes:
        predictions, errors: how many there are of each.
        protocols: labels of those whose numbers are in the pack.
        unscored: labels of the others, each with why.
        private: whether the identity, which is packed as it is, names a path or a secret.
    """

    predictions: int
    errors: int
    protocols: Sequence[str]
    unscored: Sequence[str]
    private: bool


def pack_run(run: Run, file: Path) -> Packed:
    """Write a run into one file that others can verify and unpack; the same run gives the same bytes.

    Args:
        run: an opened run.
        file: where it goes; one that is there is replaced.

    Raises:
        UsageError: the run has no predictions.
        InputError: its files cannot be read, or say too little.
        BenchError: the file cannot be written.
    """
    rows = run.draws()
    if rows.empty:
        raise UsageError(f"{run.folder}: has no prediction yet; run its command again")
    if run.records(every=True).empty:
        remedy = "give the run's command again: it completes the run and predicts nothing twice"
        raise InputError(run.folder, "does not say what its instances are", remedy)
    contents, scores, done, unscored = _contents(run), [], [], []
    for content in contents:
        try:
            scored = score_of(run, protocol_from(content))
        except (BenchError, ValueError) as error:
            unscored.append(f"{content.get('label', content.get('name'))}: {error}")
            continue
        scores.append({"protocol": content["digest"], **numbers_of(scored)})
        done.append(scored.protocols[0].label)
    errors = int(rows["error"].notna().sum())
    head = {
        "amodal_bench": __version__,
        "run": run.digest,
        "predictions": len(rows) - errors,
        "errors": errors,
        "protocols": contents,
        "scores": scores,
    }
    said = {**read_said(run.folder), "name": run.name, "digest": run.digest}

    def write(store: Store) -> None:
        try:
            write_pack(file, store, said, head)
        except OSError as error:
            raise name_another(file, error, "file") from error

    with room(run.folder):
        read_store(run.folder / STORE, write)
    return Packed(len(rows) - errors, errors, done, unscored, private_in_identity(said))


def unpack(file: Path, folder: Path) -> Run:
    """Make a pack the folder of a run, like any other; its numbers are computed again by whoever reads it.

    Args:
        file: the pack, which anybody may have made.
        folder: that is made; it must not be there yet.

    Raises:
        InputError: the file is not a pack, or has a value that cannot be used.
        UsageError: the folder is there.
        BenchError: it cannot be written.
    """
    if folder.exists():
        raise UsageError(
            f"{folder}: is there already; nothing is overwritten: name another folder, or rename this one"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with opened_pack(file) as pack, room(folder):
            fill_folder(folder, lambda partial: fill_run(pack, partial))
    except OSError as error:
        raise name_another(folder, error, "folder") from error
    return open_run(folder)


def fill_run(pack: Pack, folder: Path) -> None:
    """Make the folder of a run and fill it with what a pack has. Raises `InputError` where it cannot be used."""
    pack.head()
    text = json.dumps(pack.facts(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    folder.mkdir()
    write_whole(folder / FILE, lambda partial: partial.write_text(text, encoding="utf-8"))
    try:
        read_facts(folder)
    except InputError as error:
        raise InputError(pack.path, error.problem, ASK, RUN) from error
    with Store(folder / STORE) as store:
        fill_store(pack, store)
        store.write_told(FILE, text)


def dataset_named(file: Path) -> str:
    """The name of the dataset that a packed run says it is of. Raises `InputError` where the file is not a pack."""
    with opened_pack(file) as pack:
        return str(pack.facts()["identity"]["dataset"]["name"])


def usual_folder(file: Path, results: Path) -> Path:
    """Where a run of this name lies in a results folder. Raises `InputError` where the name cannot be a folder's."""
    with opened_pack(file) as pack:
        said = pack.facts()
    name = f"{said['identity']['dataset']['name']}-{said['name']}-{said['digest']}"
    if not _FOLDER.fullmatch(name) or len(name.encode()) > 200:
        raise InputError(file, f"names the run {name[:80]!r}, which cannot be a folder; name one with -o", ASK, RUN)
    return results / "runs" / name


def packed_protocols(pack: Pack) -> tuple[list[ScoringProtocol], list[str]]:
    """The protocols of a pack that this version has, and of the others the names, each with why."""
    known, unknown = [], []
    for content in pack.head()["protocols"]:
        try:
            known.append(protocol_from(content))
        except ValueError as error:
            unknown.append(f"{str(content.get('label', content.get('name')))[:80]!r}: {error}")
    return known, unknown


def packed_scores(pack: Pack) -> dict[str, Mapping[str, Any]]:
    """What a pack says that it scored, by the protocols' digests: ids, and the numbers by name."""
    found = {}
    for score in pack.head()["scores"]:
        numbers = score["numbers"].values()
        fits = all(
            value is None or (isinstance(value, float | int) and not isinstance(value, bool)) for value in numbers
        )
        if not fits or not all(isinstance(score.get(key), str) for key in ("protocol", "ids")):
            raise InputError(pack.path, "has a score without protocol, ids and numbers", ASK, HEAD)
        found[score["protocol"]] = score
    return found


def score_of(run: Run, protocol: ScoringProtocol) -> Scored:
    """A run under one protocol: of all draws, where it is about draws. Raises `BenchError` where it cannot be."""
    return scored_run(run, protocol)[0]


def numbers_of(scored: Scored) -> dict[str, Any]:
    """What a result says in a pack: number and digest of its instances, and its numbers by name."""
    protocol, taken = scored.protocols[0], ordered(scored)
    found = protocol.scores(scored.numbers_of(protocol, taken))
    values = {name: score.value if isinstance(score, Score) else score for name, score in found.items()}
    numbers = {name: None if math.isnan(value) else value for name, value in values.items()}
    return {"ids": label(taken["id"].astype(str)), "numbers": numbers}


def _contents(run: Run) -> list[dict[str, Any]]:
    """The protocols that a run was scored by, by digest, each once."""
    found: dict[str, dict[str, Any]] = {}
    for listed in _listed(run.folder):
        for content in listed if isinstance(listed, list) else ():
            if isinstance(content, dict) and isinstance(content.get("numbers"), dict):
                found[content_digest(content)] = content
    if not found and (usual := shipped(DEFAULT)) is not None:
        found[usual.digest] = {**usual.content, "label": usual.label}
    return [{**content, "digest": digest} for digest, content in sorted(found.items())]


def _listed(folder: Path) -> Iterator[Any]:
    said = read_said(folder)
    yield said.get("protocols") if isinstance(said, dict) else None
    for file in sorted(folder.glob("scores/*/protocols.json")):
        yield read_json(file)
