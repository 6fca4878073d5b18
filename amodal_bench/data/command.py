"""`amodal-bench data VERB ...`: which module does a verb's work, and what becomes of its errors."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from amodal_bench.config import suggest
from amodal_bench.data.compose import UsageError
from amodal_bench.errors import BenchError

PROGRAM = "amodal-bench data"
VERBS = {
    "list": ("listing", "datasets, and whether their files are at hand"),
    "fetch": ("fetch", "download what may be downloaded freely, and print the steps for the rest"),
    "check": ("check", "verify a dataset's files and its class"),
    "info": ("info", "counts, categories, areas and occlusion rates"),
    "preview": ("preview", "a contact sheet: image, V, A and the hidden part"),
    "ids": ("ids", "print the ids that a protocol selects"),
    "readme": ("readme", "write datasets/README.md from the cards (for this repository)"),
}


class Verb(Protocol):
    """A verb's module; its docstring is its help."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status: 0 all is well, 1 something is wrong, 2 a usage error."""
        ...


def main(arguments: Sequence[str]) -> int:
    """Run a verb; returns the exit status. A mistake is one line (HYDRA_FULL_ERROR=1 shows the traceback)."""
    verb = arguments[0] if arguments else ""
    if verb in ("", "-h", "--help", "help"):
        print(_help(), file=sys.stdout if verb else sys.stderr)
        return 0 if verb else 2
    if verb not in VERBS:
        print(f"error: data {verb}: there is no such verb; {suggest(verb, VERBS)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"amodal_bench.data.{VERBS[verb][0]}")
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = cast(Verb, module)
    chosen.add_arguments(parser)
    # Options may stand before, between and after overrides.
    return _answered(chosen, parser.parse_intermixed_args(list(arguments[1:])))


def _answered(verb: Verb, arguments: argparse.Namespace) -> int:
    try:
        status = verb.run(arguments)
        sys.stdout.flush()
        return status
    except BenchError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` for one, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {what}" for verb, (_, what) in VERBS.items())
    return f"usage: {PROGRAM} VERB ...\n\n{verbs}\n\n`{PROGRAM} VERB --help` tells how to use a verb."
