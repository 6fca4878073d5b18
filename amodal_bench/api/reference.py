"""The run of the visible mask beside another one, so that a score of that one shows its gain over V, too."""

from __future__ import annotations

from contextlib import suppress

from amodal_bench.api.runs import Run, open_run
from amodal_bench.core.errors import BenchError
from amodal_bench.report.summary import REFERENCE
from amodal_bench.runner.run_json import newest_first


def reference_of(run: Run) -> Run | None:
    """The run of `A_hat = V` on the same dataset among a run's neighbours, or None; never the run itself.

    It is the newest one of the run's own seed, which the run's command has made, and else the newest one: V is the
    same under every seed, but a table says the seed of a row.
    """
    other: Run | None = None
    for file in newest_first(run.folder.absolute().parent):
        with suppress(BenchError):
            found = open_run(file.parent)
            if _is_of_visible(found) and found.digest != run.digest and _dataset(found) == _dataset(run):
                if found.facts.get("seed") == run.facts.get("seed"):
                    return found
                other = other or found
    return other


def _is_of_visible(run: Run) -> bool:
    return str(run.facts["model"].get("target")) == REFERENCE


def _dataset(run: Run) -> tuple[str, str]:
    return str(run.facts["dataset"]["name"]), str(run.facts["dataset"]["fingerprint"])
