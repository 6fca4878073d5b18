"""The one door: the first word decides whether a verb works, or whether settings are composed and run."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Collection, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from amodal_bench.cli.answers import DONE, FAILED, answered, complain
from amodal_bench.cli.leaving import leave_in_time
from amodal_bench.cli.streams import lasting_streams
from amodal_bench.cli.tree import VERBS
from amodal_bench.cli.verbs import HELP, PROGRAM, Verbs, called
from amodal_bench.core.errors import UsageError
from amodal_bench.core.stops import status_of, stoppable, told
from amodal_bench.core.version import __version__

COMPLETE = "_AMODAL_BENCH_COMPLETE"
"""Set by the shell's completion function, as click writes it."""


class Door(Verbs):
    """All of `amodal-bench`: runs, verbs, help, version and completion."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> int:  # type: ignore[override]
        """Do what the words say; returns the exit status."""
        words = _verb_first(list(sys.argv[1:] if args is None else args), self.verbs)
        if instruction := os.environ.get(COMPLETE):
            from amodal_bench.cli.completion import complete

            return complete(self, PROGRAM, COMPLETE, instruction)
        first = words[0] if words else ""
        if first in self.verbs:
            return answered(lambda: called(self, words, PROGRAM))
        if "--version" in words:
            print(f"{PROGRAM} {__version__}")
            return DONE
        if first == "help" and len(words) > 1:
            return self.main([*words[1:], "--help"])
        if first == "help" or any(word in HELP for word in words):
            from amodal_bench.cli.help import show_help

            return answered(lambda: show_help(words))
        if not words or first.startswith(("-", "+", "~")) or "=" in first:
            from amodal_bench.cli.run import run

            return run(words)
        return answered(lambda: _refuse(words))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words that have been typed before click reads them."""
        ctx.meta["words"] = list(args)  # for the completion, which has to know whether settings have begun
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What may follow: verbs as long as there is no setting, settings, and options once they begin."""
        from amodal_bench.cli.words import folders_in, overrides_like, paths_like

        before = (ctx.meta.get("words") or [""])[-1]
        if before in ("--config-dir", "-cd"):
            return [CompletionItem(incomplete, type="dir")]
        if before in ("--cfg", "-c"):
            return [CompletionItem(kind) for kind in ("job", "hydra", "all") if kind.startswith(incomplete)]
        verbs = [] if ctx.meta.get("words") else [name for name in self.verbs if name.startswith(incomplete)]
        options = [CompletionItem(name) for name in RUN_OPTIONS if incomplete and name.startswith(incomplete)]
        texts = [*overrides_like(incomplete, folders_in(ctx)), *paths_like(incomplete)]
        settings = [CompletionItem(text) for text in texts]
        return [*(CompletionItem(name, help=self.verbs[name][1]) for name in verbs), *settings, *options]


RUN_OPTIONS = ("--config-dir", "--multirun", "--cfg", "--help", "--version")

program = Door(PROGRAM, "amodal_bench.cli", VERBS)


def main() -> None:
    """Entry point of `python -m amodal_bench` and of the console script; ends the process."""
    before = threading.enumerate()
    with lasting_streams() as lost:
        try:
            with stoppable():
                status = program(sys.argv[1:])
                sys.stdout.flush()
        except KeyboardInterrupt as error:  # outside of any work, such as while it is told how it went
            print(told(error), file=sys.stderr, flush=True)
            status = status_of(error)
    logging.disable()  # what libraries log as the process ends, such as statistics, answers nobody
    if lost and status == DONE:
        complain(f"what was printed cannot be written ({lost[0].strerror}); make room, or print to another place")
        status = FAILED
    leave_in_time(status, before)
    sys.exit(status)


def _verb_first(words: list[str], verbs: Collection[str]) -> list[str]:
    """The words with a verb in front of the `--config-dir FOLDER` that it was given behind, and else as they are."""
    at = 0
    while at < len(words) and words[at].partition("=")[0] in ("--config-dir", "-cd"):
        at += 1 if "=" in words[at] else 2
    return [*words[at:], *words[:at]] if at and words[at : at + 1] and words[at] in verbs else words


def _refuse(words: Sequence[str]) -> int:
    from amodal_bench.cli.guess import what_is_meant

    raise UsageError(what_is_meant(words, VERBS))


if __name__ == "__main__":
    main()
