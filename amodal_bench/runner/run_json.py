"""What a run's folder says of the run itself: `run.json`, written as a run begins, goes on and ends."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.core.files import home_folder, read_text, write_whole
from amodal_bench.datasets.reading.files import read_json
from amodal_bench.runner.environment import environment as machine
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.origin import Origin
from amodal_bench.runner.private import private
from amodal_bench.runner.store import STORE, Store, read_store

FILE = "run.json"
DATES = ("begun", "continued", "finished")
HOME = "~/"
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class RunFacts:
    """A run as its folder describes it.

    Attributes:
        name: the model's name in tables.
        settings: what a row of a table says of the model; None where a run of an earlier version does not say.
        digest: of the identity.
        identity: all that can change a result.
        environment: where it was made; no part of the identity.
        dataset: how the dataset is opened, as a configuration; None where a run does not say, since it was given
            the dataset as an object or was made by an earlier version.
        protocol: the protocol that it was scored with, as a configuration; None where it does not say.
        dates: when it was `begun`, last `continued` and `finished`, in UTC; None where it was not, or does not say.
        split: of the dataset; None where it has none, or does not say.
        deterministic: whether the model says that no prediction depends on its seed, so that it makes one of each
            instance, however many are asked for.
    """

    name: str
    settings: str | None
    digest: str
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    dataset: Mapping[str, Any] | None
    protocol: Mapping[str, Any] | None
    dates: Mapping[str, str | None]
    split: str | None
    deterministic: bool


def write_facts(
    folder: Path,
    name: str,
    settings: str,
    identity: Identity,
    dataset: Mapping[str, Any] | None,
    protocol: Mapping[str, Any],
    origin: Origin | None = None,
    deterministic: bool = False,
    store: Store | None = None,
) -> None:
    """Write `run.json` as a run begins or goes on; see `private` for what is not written.

    Args:
        folder: the run's.
        name: see `RunFacts`.
        settings: see `RunFacts`.
        identity: of the run.
        dataset: as a configuration; None where it was given as an object.
        protocol: as a configuration.
        origin: what the run was asked for by.
        deterministic: see `RunFacts`.
        store: of the run, which keeps a copy: the file can be written again then.
    """
    begun = _dates(folder)["begun"]
    told = {
        "name": name,
        "settings": settings,
        "digest": identity.digest,
        "deterministic": deterministic,
        "environment": machine(),
        "components": {"dataset": dataset, "protocol": protocol},
        "dates": {"begun": begun or _now(), "continued": _now() if begun else None, "finished": None},
        **(origin.told if origin else {}),
    }
    # The identity stands as it is: its digest has to come out again.
    _write(folder, {**private(told), "identity": identity.facts}, store)


def finish(folder: Path, store: Store | None = None) -> None:
    """Note in `run.json`, and in the copy that the store keeps, that the run has all that was asked for."""
    said = read_json(folder / FILE)
    _write(folder, {**said, "dates": {**said["dates"], "finished": _now()}}, store)
    if store is not None:
        store.seal()


def write_again(folder: Path, store: Store, always: bool = False) -> bool:
    """Write a `run.json` that is gone or broken, or any, again from the store's copy; returns whether it is whole.

    A store of an earlier version, which has no copy, gets one of a file that is whole.
    """
    text, whole = store.told(FILE), _is_whole(_read(folder))
    if whole and text is None:
        store.write_told(FILE, read_text(folder / FILE))
    if text is None or (whole and not always):
        return whole
    _write_text(folder, text)
    return True


def require_own(folder: Path, store: Store, digest: str) -> None:
    """Raise `InputError` where a store says that it is another run's than the one with a digest."""
    said = _copy(store)
    if _is_whole(said) and said["digest"] != digest:
        problem = f"is the store of another run, {said['digest']}, where {digest} is expected"
        remedy = "put back what the folder's name ends with, the store or run.json, or move the folder away"
        raise InputError(folder / STORE, problem, remedy)


def read_said(folder: Path) -> Any:
    """What `run.json` says; of one that is gone or broken what the store's copy says.

    Raises:
        InputError: there is none of both that can be read.
    """
    found = _read(folder)
    if not _is_whole(found) and (folder / STORE).is_file():
        with suppress(sqlite3.Error, OSError):  # of which whoever reads the store will hear
            if (kept := read_store(folder / STORE, _copy)) is not None:
                return kept
    if isinstance(found, InputError):
        raise found
    return found


def components_as_written(folder: Path) -> bool:
    """Whether `run.json` says how dataset and protocol are made as the store's copy, if any, does."""
    said = _read(folder)
    if not _is_whole(said) or not (folder / STORE).is_file():
        return True  # then the copy itself is read, or nothing
    try:
        kept = read_store(folder / STORE, _copy)
    except (sqlite3.Error, OSError):
        return True  # of which whoever reads the store will hear
    return not isinstance(kept, dict) or kept.get("components") == said.get("components")


def _copy(store: Store) -> Any:
    """What the store's copy of `run.json` says; None where there is none that can be read."""
    text = store.told(FILE)
    with suppress(ValueError, RecursionError):  # anybody may have made the store
        return None if text is None else json.loads(text)
    return None


def _read(folder: Path) -> Any:
    """What the file says, or why it cannot be read."""
    try:
        return read_json(folder / FILE)
    except InputError as error:
        return error


def _is_whole(said: Any) -> bool:
    """Whether a file says what a run is: its identity has the digest that it states."""
    identity = said.get("identity") if isinstance(said, dict) else None
    return isinstance(identity, dict) and said.get("digest") == Identity(identity).digest


def last_day(folder: Path) -> str:
    """The day on which a run last began or went on, such as 2026-11-29; "" where nothing says so."""
    dates = _dates(folder)
    try:
        return (dates["continued"] or dates["begun"] or _utc((folder / FILE).stat().st_mtime))[:10]
    except OSError:
        return ""


def _dates(folder: Path) -> dict[str, str | None]:
    """The dates of a run's file, None where there is none or it cannot be read."""
    try:
        found = read_json(folder / FILE)["dates"]
        return {name: found[name] if isinstance(found[name], str) else None for name in DATES}
    except (BenchError, TypeError, KeyError):
        return dict.fromkeys(DATES)


def _now() -> str:
    return _utc(time.time())


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _write(folder: Path, said: Mapping[str, Any], store: Store | None) -> None:
    text = json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"
    # A folder's name that is not UTF-8 is half surrogate pairs here, which no file takes as they are.
    text = _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    if store is not None:
        store.write_told(FILE, text)
    _write_text(folder, text)


def _write_text(folder: Path, text: str) -> None:
    write_whole(folder / FILE, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_facts(folder: Path) -> RunFacts:
    """Read `run.json`, an earlier version's too; one that is broken from the store's copy.

    Raises:
        InputError: there is none, or it does not describe a run.
    """
    said = read_said(folder)
    try:
        _require_kinds(said)
        identity, digest = said["identity"], str(said["digest"])
        dataset, _ = str(identity["dataset"]["name"]), identity["dataset"]["fingerprint"]
        components = said.get("components") or {}
        name = said.get("name") or folder.name.removeprefix(f"{dataset}-").removesuffix(f"-{digest}")
        opened = _each_text(components.get("dataset"), _expanded)
        environment, protocol = said.get("environment") or {}, components.get("protocol")
        dates = said.get("dates") or {}
        split, alike = said.get("split"), said.get("deterministic") is True
        return RunFacts(
            name, said.get("settings"), digest, identity, environment, opened, protocol, dates, split, alike
        )
    except (TypeError, KeyError, AttributeError) as error:
        remedy = "give the run's command again: it writes the file again and predicts nothing twice"
        raise InputError(folder / FILE, "does not describe a run", remedy) from error


def _require_kinds(said: Any) -> None:
    """Raise `TypeError` where a fact is of another kind than whoever reads it expects, or `KeyError`."""
    found: list[tuple[Any, type]] = [(said.get(name), str) for name in ("name", "settings", "split")]
    found += [(said.get(name), dict) for name in ("environment", "components", "dates")]
    found += [(part, dict) for part in (said["identity"], said["identity"]["dataset"], said["identity"].get("model"))]
    found += [(part, dict) for part in (said.get("components") or {}).values()]
    found += [(date, str) for date in (said.get("dates") or {}).values()]
    if not all(value is None or isinstance(value, kind) for value, kind in found):
        raise TypeError


def newest_first(runs: Path, folders: str = "*") -> list[Path]:
    """The `run.json` of each run in a folder of runs whose name is like `folders`, the last one written first."""
    return sorted(runs.glob(f"{folders}/{FILE}"), key=_written, reverse=True)


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _each_text(value: Any, change: Any) -> Any:
    """A plain value with every text in it changed."""
    if isinstance(value, Mapping):
        return {key: _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [_each_text(part, change) for part in value]
    return change(value) if isinstance(value, str) else value


def _expanded(text: str) -> str:
    home = home_folder() if text.startswith(HOME) else None
    return text if home is None else f"{home}/{text.removeprefix(HOME)}"
