"""Commands with verbs (`amodal-bench data VERB ...`): who does a verb's work, and what becomes of its errors."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from amodal_bench.config.build import suggest
from amodal_bench.core.errors import BenchError, UsageError


class Verb(Protocol):
    """A verb's module; its docstring is its help."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments and options of this verb to its parser."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status: 0 all is well, 1 something is wrong, 2 a usage error."""
        ...


@dataclass(frozen=True)
class Command:
    """A command that consists of verbs.

    Attributes:
        name: as it is typed after `amodal-bench`.
        package: where the verbs' modules are; a module is imported when its verb is called.
        verbs: of each verb the module and one line of help.
    """

    name: str
    package: str
    verbs: Mapping[str, tuple[str, str]]

    @property
    def program(self) -> str:
        """What a user types to reach the command."""
        return f"amodal-bench {self.name}"

    def main(self, arguments: Sequence[str]) -> int:
        """Run a verb; returns the exit status. A mistake is one line (HYDRA_FULL_ERROR=1 shows the traceback)."""
        verb = arguments[0] if arguments else ""
        if verb in ("", "-h", "--help", "help"):
            print(self._help(), file=sys.stdout if verb else sys.stderr)
            return 0 if verb else 2
        if verb not in self.verbs:
            print(f"error: {self.name} {verb}: there is no such verb; {suggest(verb, self.verbs)}", file=sys.stderr)
            return 2
        module = importlib.import_module(f"{self.package}.{self.verbs[verb][0]}")
        parser = argparse.ArgumentParser(
            prog=f"{self.program} {verb}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        chosen = cast(Verb, module)
        chosen.add_arguments(parser)
        # Options may stand before, between and after overrides.
        parsed = parser.parse_intermixed_args(list(arguments[1:]))
        return answered(lambda: chosen.run(parsed))

    def _help(self) -> str:
        width = max(map(len, self.verbs))
        verbs = "\n".join(f"  {verb:{width}}  {what}" for verb, (_, what) in self.verbs.items())
        return f"usage: {self.program} VERB ...\n\n{verbs}\n\n`{self.program} VERB --help` shows how to use a verb."


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """The option for configuration folders of the user's, as a run has it."""
    parser.add_argument(
        "--config-dir",
        "-cd",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder with a configuration of your own in it, such as FOLDER/dataset/mine.yaml",
    )


def answered(work: Callable[[], int]) -> int:
    """Do a command's work; returns its exit status, and where it fails says why in one line."""
    try:
        status = work()
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
