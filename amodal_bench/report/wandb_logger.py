"""Weights & Biases, online or offline; the package is imported only when this logger is chosen."""

from __future__ import annotations

import logging
import math
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import ConfigError, one_line
from amodal_bench.core.shown import shown
from amodal_bench.report.headline import headlined, is_less
from amodal_bench.report.kept import keep, kept
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.scored import RANDOM_WEIGHTS, has_random_weights
from amodal_bench.report.told import key_of, numbers_of, rows_of, sample_of, settings_of, tables_of

log = logging.getLogger(__name__)

MODES = ("disabled", "offline", "online")
PATIENCE = 300.0
"""Seconds that W&B has for what is still to be sent when a run is done; it stays on the disk for `wandb sync`."""

MOST_ROWS = 200_000
"""Rows of a table that W&B keeps; its pages read a file of the first 10,000."""

OF_COMMAND = ("command", "overrides", "git")
"""What the config says of the command that ran it last; a score keeps it."""

_hinted: set[Path] = set()
"""The folders of which this process has said how they are sent."""


class WandbLogger:
    """One W&B run for each run of the harness, which goes on where the run goes on or is scored again.

    The id of the W&B run lies in the run's folder (`wandb.json`), with the numbers and protocols that it holds.

    Args:
        project, entity: where the W&B run belongs.
        mode: `online`, `offline` (a folder for `wandb sync`) or `disabled` (nothing at all).
        folder: where W&B keeps its files.
        group: name of the group; None for the sweep's name, where the run is a cell of one.
        rows: of a table of instances at most; where there are more, a sample by the run's seed.
    """

    def __init__(
        self,
        project: str,
        entity: str | None,
        mode: str,
        folder: str,
        group: str | None = None,
        rows: int = 10_000,
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"logger.wandb.mode: {mode!r} is not one of {', '.join(MODES)}")
        if not 1 <= rows <= MOST_ROWS:
            raise ConfigError(f"logger.wandb.rows: {rows} must be between 1 and {MOST_ROWS}, which is W&B's limit")
        self._mode, self._group, self._rows = mode, group, rows
        self._place = {"project": project, "entity": entity}
        self._folder = Path(folder)
        self._run: Any = None
        self._info: RunInfo | None = None
        self.hint = ""
        if mode == "disabled":
            return
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(
                "logger=wandb needs the wandb package: pip install 'amodal-bench[wandb]', or use logger=csv"
            ) from error
        self._wandb: Any = wandb
        if mode == "online":
            self._require_login()

    def _require_login(self) -> None:
        """Raise `ConfigError` where nobody is logged in; where the server does not answer, go offline."""
        self._wandb.setup(settings=self._wandb.Settings(silent=True))
        try:
            known = self._wandb.login(prompt=False)
        except self._wandb.Error as error:
            self._go_offline(error)
            return
        if not known:
            raise ConfigError(
                "logger=wandb: nobody is logged in to W&B here; `wandb login`, or set logger.wandb.mode=offline"
            )

    def _go_offline(self, error: Exception) -> None:
        log.warning("logger.wandb: %s; it goes on offline", one_line(error).rstrip("."))
        self._mode = "offline"

    def begin(self, run: RunInfo) -> None:
        if self._mode == "disabled":
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._info, self.hint = run, ""
        known = kept(run.folder, "wandb")
        # Kept before W&B hears of it: a process that is killed in between makes no second run.
        id, group = str(known.get("id") or f"{run.digest}-{secrets.token_hex(4)}"), self._group or run.sweep
        settings = settings_of(run)
        settings["protocols"] = {**known.get("protocols", {}), **settings["protocols"]}
        known |= {"id": id, "group": group or known.get("group"), "protocols": settings["protocols"]}
        settings["selection"] = self._selection(run, settings["selection"], known)
        if run.said:
            known["said"] = {name: settings[name] for name in OF_COMMAND}
        settings |= known.get("said", {})  # a score has no command that predicts
        keep(run.folder, "wandb", known)
        if self._mode == "online":
            try:
                self._run = self._opened(run, known)
            except self._wandb.Error as error:
                self._go_offline(error)
        if self._run is None:
            self._run = self._opened(run, known)
        self._run.config.update(settings, allow_val_change=True)
        self._run.define_metric("predictions")
        self._run.define_metric("running_miou", step_metric="predictions")

    def _selection(self, run: RunInfo, selection: Any, known: dict[str, Any]) -> Any:
        """The selection that the numbers under the protocol's own name are about, which may be an earlier one."""
        before = known.get("selections", {}).get(key_of(run.protocols[0])) if run.protocols else None
        less = isinstance(before, dict) and is_less(str(selection.get("ids")), before.get("ids"))
        return before if less else selection

    def _opened(self, run: RunInfo, known: dict[str, Any]) -> Any:
        settings = self._wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            x_disable_meta=True,  # it has the user's name, and all words as typed
            reinit="create_new",  # a W&B run of the caller's own goes on
            finish_timeout=PATIENCE,
            finish_timeout_raises=True,
        )
        return self._wandb.init(
            **self._place,
            mode=self._mode,
            id=known["id"],
            name=shown(f"{run.dataset}/{run.name}"),
            group=known["group"],
            job_type=shown(run.name),
            tags=[RANDOM_WEIGHTS] if has_random_weights(run.facts) else None,
            dir=str(self._folder.absolute()),  # W&B's own process may work elsewhere
            resume="allow",
            settings=settings,
        )

    def step(self, done: int, total: int, miou: float) -> None:  # noqa: ARG002
        if self._run is not None:
            self._run.log({"predictions": done, **({} if math.isnan(miou) else {"running_miou": miou})})

    def finish(self, outcome: Outcome) -> list[Path]:
        """Log the numbers, the tables and the contact sheet, and close the W&B run."""
        if self._run is None or self._info is None:
            return []
        known = kept(self._info.folder, "wandb")
        numbers, suffix = headlined(known.get("numbers", {}), numbers_of(outcome))
        if suffix:
            main = key_of(outcome.main.protocols[0])
            log.info(
                "logger.wandb: %s has numbers of as many or more instances; these stand beside, under %s%s",
                main, main, suffix,
            )  # fmt: skip
        numbers |= self._tables(outcome, suffix, numbers)
        self._run.summary.update(numbers)  # None replaces what W&B has from earlier
        keep(self._info.folder, "wandb", {**known, "numbers": numbers, "selections": self._selections(known)})
        written = self._folder / "wandb" / Path(self._run.dir).parent.name
        run, self._run = self._run, None
        address = run.url if self._mode == "online" else None  # offline, W&B warns of the question
        run.finish()
        if address:
            self.hint = f"W&B: {address}"
        if self._mode == "offline" and self._folder.absolute() not in _hinted:
            _hinted.add(self._folder.absolute())
            every = f"{shlex.quote(str(written.parent))}/offline-run-*"
            self.hint = f"W&B: this was logged offline; send it with: wandb sync {every}"
        return [written]

    def _selections(self, known: dict[str, Any]) -> dict[str, Any]:
        """By protocol the selection of the numbers that stand under its own name."""
        found, run = dict(known.get("selections", {})), self._info
        if run is not None and run.protocols:
            found[key_of(run.protocols[0])] = self._selection(run, settings_of(run)["selection"], known)
        return found

    def _tables(self, outcome: Outcome, suffix: str, known: Mapping[str, Any]) -> dict[str, str | None]:
        """Log tables and contact sheet; returns what to say of those that hold a sample, None for no longer."""
        logged: dict[str, Any] = {}
        notes: dict[str, str | None] = {}
        seed = int(outcome.main.facts.get("seed", 0))
        for name, table in tables_of(outcome).items():
            part = sample_of(table, self._rows, seed) if "id" in table else table
            note = f"a sample of {len(part)} of {len(table)} rows by seed {seed}; {name}.csv has all"
            if len(part) < len(table):
                log.info("logger.wandb: the table %s holds %s", name, note)
            if len(part) < len(table) or f"{name}{suffix}_rows" in known:
                notes[f"{name}{suffix}_rows"] = note if len(part) < len(table) else None
            logged[f"{name}{suffix}"] = self._wandb.Table(
                columns=[shown(column) for column in part.columns], data=rows_of(part), allow_mixed_types=True
            )
        if outcome.sheet is not None:
            caption = shown(f"{outcome.main.protocols[0].label}, {outcome.ids}")
            logged[f"contact_sheet{suffix}"] = self._wandb.Image(str(outcome.sheet), caption=caption)
        self._run.log(logged)
        return notes

    def leave(self) -> None:
        """Close the W&B run of a run that has failed or was interrupted; the next command goes on with it."""
        if self._run is not None:
            self._run.finish(exit_code=1)
            self._run = None
