"""One command's work as a function: what `python -m amodal_bench` does, with data frames and nothing printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from amodal_bench.api.composing import Folders, composed, override_of, overrides_of, require_overrides
from amodal_bench.api.given import MEMBERS, a_kind, checked, listed
from amodal_bench.core.errors import ConfigError, UsageError
from amodal_bench.datasets.base import Dataset
from amodal_bench.evaluation.command import check_errors
from amodal_bench.evaluation.command import evaluate as run
from amodal_bench.evaluation.entries import Given
from amodal_bench.models.base import Model
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner.origin import Command


def evaluate(
    *overrides: str,
    dataset: str | Dataset | None = None,
    model: str | Model | None = None,
    name: str | None = None,
    ids: str | Path | Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    config_dirs: Folders = (),
    progress: bool = False,
    **choices: Any,
) -> Outcome:
    """Run a model and the baselines on a dataset, or what is missing of that, and score all of it.

    It does what the command line does with the same settings, writes the same files and shares its runs: a run that
    was made by either is not made again by the other.

    Args:
        overrides: settings as on the command line, such as `"model.guidance=0.5"`.
        dataset: a name, as in `dataset=NAME`, or an object with the members of `Dataset`.
        model: a name, as in `model=NAME`, or an object with the members of `Model`.
        name: the model's name in tables; for an object, its class's name by default.
        ids: the instances to run: a file with one id on each line, or a list of ids.
        settings: settings by their dotted names, such as `{"model.guidance": 0.5}`.
        config_dirs: a folder with a configuration of your own, or several. They name classes, so treat them as code.
        progress: whether to show on the standard error stream how far it is: a bar, or in a file or pipe some lines.
        choices: other settings of a run by name, such as `leakage="none"`, `protocol="pooled"`, `limit=20`, `seed=1`,
            `results="results"` or `sheet=0`.

    Returns:
        The outcome: `table()`, `by_occlusion()`, and the command's own model as `main`.

    Raises:
        ConfigError: a setting or an object cannot be used.
        UsageError: a setting or a choice does not exist.
        InputError: a file cannot be used.
        BenchError: more instances failed than `engine.max_error_share` allows. All tables have been written, and
            `open_run` reads them; `settings={"engine.max_error_share": 1}` allows any number.
    """
    require_overrides(overrides)
    chosen = dict(choices)
    given: dict[str, Any] = {}
    for kind, value in (("dataset", dataset), ("model", model)):
        if value is not None and not isinstance(value, str):
            given[kind] = checked(kind, value)
        elif value is not None:
            chosen[kind] = value
    if isinstance(ids, str | Path):
        chosen["ids"] = ids
    elif ids is not None:
        given["ids"] = listed(ids)
    every = [*overrides_of(chosen), *overrides_of({} if settings is None else settings), *overrides]
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"name: must be text, the model's name in tables, not {a_kind(name)}")
    if name is not None and "model" in given:
        given["name"] = name
    elif name is not None:
        every.append(override_of("model.name", name))
    _refuse_settings_of_objects(every, given)
    an_object = (name or type(model).__name__) if "model" in given else None
    composition = composed(every, config_dirs, an_object, used=())
    outcome, _ = run(composition, Given(**given), bar=progress, command=Command(None, every))
    check_errors(outcome, composition.engine.max_error_share)
    return outcome


def _refuse_settings_of_objects(overrides: Iterable[str], given: Mapping[str, Any]) -> None:
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        kind = key.partition(".")[0].partition("@")[0]
        if kind in MEMBERS and kind in given:
            raise UsageError(f"{key}: cannot be set, since {kind} is an object; change the object instead")
