"""What a run's folder says of the run itself: `run.json`, written as a run begins and read by whoever opens it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import InputError
from amodal_bench.core.files import write_whole
from amodal_bench.datasets.reading.files import read_json
from amodal_bench.runner.environment import environment as machine
from amodal_bench.runner.identity import Identity

FILE = "run.json"
HOME = "~/"


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
    """

    name: str
    settings: str | None
    digest: str
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    dataset: Mapping[str, Any] | None
    protocol: Mapping[str, Any] | None


def write_facts(
    folder: Path,
    name: str,
    settings: str,
    identity: Identity,
    dataset: Mapping[str, Any] | None,
    protocol: Mapping[str, Any],
) -> None:
    """Write `run.json`. Paths below the home folder begin with `~`: no user's name is handed on with a run."""
    said = {
        "name": name,
        "settings": settings,
        "digest": identity.digest,
        "identity": identity.facts,
        "environment": machine(),
        "components": {"dataset": _each_text(dataset, _shortened), "protocol": protocol},
    }
    text = json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(folder / FILE, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_facts(folder: Path) -> RunFacts:
    """Read `run.json`, an earlier version's too.

    Raises:
        InputError: there is none, or it does not describe a run.
    """
    said = read_json(folder / FILE)
    try:
        identity, digest = said["identity"], str(said["digest"])
        dataset, _ = str(identity["dataset"]["name"]), identity["dataset"]["fingerprint"]
        components = said.get("components") or {}
        name = said.get("name") or folder.name.removeprefix(f"{dataset}-").removesuffix(f"-{digest}")
        opened = _each_text(components.get("dataset"), _expanded)
        environment, protocol = said.get("environment") or {}, components.get("protocol")
        return RunFacts(name, said.get("settings"), digest, identity, environment, opened, protocol)
    except (TypeError, KeyError, AttributeError) as error:
        remedy = "run it again in another results folder, or take this file from a backup"
        raise InputError(folder / FILE, "does not describe a run", remedy) from error


def _each_text(value: Any, change: Any) -> Any:
    """A plain value with every text in it changed."""
    if isinstance(value, Mapping):
        return {key: _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [_each_text(part, change) for part in value]
    return change(value) if isinstance(value, str) else value


def _shortened(text: str) -> str:
    home = f"{Path.home()}{os.sep}"
    return HOME + text.removeprefix(home) if text.startswith(home) else text


def _expanded(text: str) -> str:
    return f"{Path.home()}/{text.removeprefix(HOME)}" if text.startswith(HOME) else text
