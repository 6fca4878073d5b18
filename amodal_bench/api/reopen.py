"""A run's own dataset and protocol, made again from its `run.json`.

A run folder may come from anyone, so its `run.json` is data and not code: it chooses among the classes that the
configuration folders name, and cannot name another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amodal_bench.api.runs import Run
from amodal_bench.config.build import TARGET, build
from amodal_bench.config.compose import choices
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.rebuild import in_order
from amodal_bench.runner.run_json import FILE, components_as_written


def dataset_of(run: Run, config_dirs: list[Path]) -> Dataset:
    """Open the dataset that a run was made on.

    Raises:
        UsageError: the run does not say how, or it cannot be opened so on this machine.
    """
    specification, way_out = (
        run.recorded.dataset,
        "give dataset=NAME with the run's settings (in Python dataset=load_dataset(...))",
    )
    if specification is None:
        raise UsageError(f"{run.folder}: does not say how its dataset is opened; {way_out}")
    _require_known(run, specification, "dataset", config_dirs, way_out)
    try:
        dataset: Dataset = build(specification, "dataset")
    except BenchError as error:
        raise UsageError(f"{run.folder}: its dataset cannot be opened again ({error}); {way_out}") from error
    return dataset


def protocol_of(run: Run, config_dirs: list[Path]) -> ScoringProtocol:
    """The protocol that a run was scored with as it was made. Raises `UsageError` where the run does not say."""
    specification, way_out = run.recorded.protocol, 'from Python give protocol=, such as protocol="instance"'
    if specification is None:
        raise UsageError(f"{run.folder}: does not say how it was scored; {way_out}")
    _require_known(run, specification, "protocol", config_dirs, way_out)
    protocol: ScoringProtocol = build({**specification, "numbers": dict(in_order(specification))}, "protocol")
    return protocol


def _require_known(
    run: Run, specification: Mapping[str, Any], group: str, config_dirs: list[Path], way_out: str
) -> None:
    """Raise `UsageError` unless the group's YAML files name every class that a specification does.

    Nor may the file say another thing than the store's copy, which does not only change what is made: a dataset of a
    billion pictures would fill the memory before anything is compared.
    """
    if not components_as_written(run.folder):
        mend = f"`amodal-bench results check {run.folder} --repair` writes it again"
        raise UsageError(f"{run.folder / FILE}: is not as it was written; {mend}, or {way_out}")
    from omegaconf import OmegaConf

    files = choices(group, config_dirs).values()
    known = {target for file in files for target in _targets(OmegaConf.to_container(OmegaConf.load(file)))}
    for target in _targets(specification):
        if target not in known:
            way = "--config-dir FOLDER adds one of yours (from Python config_dirs=)"
            where = "these folders of configurations" if config_dirs else f"the harness's configuration; {way}"
            raise UsageError(
                f"{run.folder}: names the class {target!r} as {group}, which no YAML has in {where}; {way_out}"
            )


def _targets(value: Any) -> Iterator[str]:
    """Every `_target_` in a plain value."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key == TARGET:
                yield str(part)
            else:
                yield from _targets(part)
    elif isinstance(value, list):
        for part in value:
            yield from _targets(part)
