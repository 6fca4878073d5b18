"""The run of one cell, in whichever process a launcher starts for it; it leaves a record of what became of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.config.mistakes import explain
from amodal_bench.config.own import name_folders
from amodal_bench.config.search import own_folders
from amodal_bench.config.settings import settings_from
from amodal_bench.core.errors import BenchError, unbroken
from amodal_bench.paper.record import Record, code_digest, write
from amodal_bench.report.timing import seconds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from omegaconf import DictConfig

    from amodal_bench.report.scored import Scored


@dataclass
class CellJob:
    """What Hydra's launcher calls for each cell.

    Attributes:
        keys: of each cell its key, by the overrides of its run joined by newlines.
        results: the folder of results.
        line: the command as typed.
        plans: those that are noted before it.
        inputs: of each cell the digest of what it is made from, by its key.
    """

    keys: Mapping[str, str]
    results: Path
    line: Sequence[str]
    plans: list[str]
    inputs: Mapping[str, str]

    def __call__(self, config: DictConfig) -> float:
        """One cell; a failure becomes its record, and the other cells go on. Returns its headline, or NaN."""
        from hydra.core.hydra_config import HydraConfig

        from amodal_bench.evaluation.command import evaluate
        from amodal_bench.runner.origin import Command

        hydra = HydraConfig.get()
        words = list(hydra.overrides.task)
        folders = own_folders(hydra.runtime.config_sources)
        name_folders(folders)
        key = self.keys["\n".join(words)]
        place = f"{list(self.keys.values()).index(key) + 1} of {len(self.keys)}"
        print(f"cell {place}: {' '.join(words)}", file=sys.stderr, flush=True)
        try:
            settings = settings_from(config)
            outcome, _ = evaluate(settings, command=Command(list(self.line), words, "paper"))
        except BenchError as error:
            failed = unbroken(explain(error, folders))
            write(self.results, key, Record(words, "", failed, code=code_digest(), plans=self.plans))
            print(f"failed: {failed}", file=sys.stderr, flush=True)
            return float("nan")
        main = outcome.main
        write(self.results, key, self._record(main, words, self.inputs.get(key, "")))
        value = main.summary()[main.protocols[0].headline].iloc[0]
        print(f"done: {main.protocols[0].headline} {100 * value:.1f} over {main.ids}", file=sys.stderr, flush=True)
        return float(value)

    def _record(self, main: Scored, words: list[str], inputs: str) -> Record:
        return Record(
            words,
            main.folder.relative_to(self.results).as_posix(),
            "",
            len(main.joined),
            len(main.errors()),
            seconds_of(main.timing()) or None,
            code_digest(),
            inputs,
            self.plans,
        )
