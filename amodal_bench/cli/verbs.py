"""Verbs (`amodal-bench data check`): their tree, their help, and how words that are not verbs are answered."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from amodal_bench.cli.answers import DONE, USAGE, answered
from amodal_bench.config.build import suggest
from amodal_bench.core.errors import UsageError

PROGRAM = "amodal-bench"
HELP = ("-h", "--help")
SETTINGS: Mapping[str, Any] = {"help_option_names": list(HELP), "max_content_width": 100}


class Verb(click.Command):
    """One verb; its module's docstring is its help, shown as it is written."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> int:  # type: ignore[override]
        """Run the verb; returns the exit status."""
        name = f"{PROGRAM} {self.name}"
        return answered(lambda: called(self, args, name))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the docstring as it is where it fits; click would fill its lines."""
        formatter.write(f"\n{_fitted((self.help or '').strip(), formatter.width)}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, then the options."""
        words = [(str(p.metavar), p.said) for p in self.params if isinstance(p, Word)]
        if words:
            with formatter.section("Arguments"):
                formatter.write_dl(words)
        super().format_options(ctx, formatter)


def _fitted(text: str, width: int) -> str:
    """A docstring in lines of so many columns: paragraphs are filled, and what stands beside a word hangs below it.

    A comment behind a command that is too long goes above it; a command itself goes on behind a backslash.
    """
    lines: list[str] = []
    for part in text.split("\n\n"):
        own = part.split("\n")
        if max(map(len, own)) <= width:
            lines += own
        elif not any(line.startswith(" ") for line in own):
            lines += textwrap.wrap(" ".join(own), width, break_long_words=False, break_on_hyphens=False)
        else:
            lines += [fitted for line in own for fitted in _hung(line, width)]
        lines.append("")
    return "\n".join(lines[:-1])


def _hung(line: str, width: int) -> list[str]:
    command, mark, said = line.partition("  # ")
    if len(line) <= width:
        return [line]
    if mark:
        return [f"{' ' * (len(line) - len(line.lstrip()))}# {said.strip()}", *_hung(command.rstrip(), width)]
    if line.lstrip().startswith(PROGRAM):
        parts = textwrap.wrap(
            line, width - 2, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
        )
        return [*(f"{part} \\" for part in parts[:-1]), parts[-1]]
    table = re.match(r" +\S.*?  +(?=\S)", line)
    hang = " " * (len(table[0]) if table else len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line, width, subsequent_indent=hang, drop_whitespace=True, break_long_words=False, break_on_hyphens=False
    )


class Word(click.Argument):
    """An argument with a line of help, as options have one."""

    def __init__(self, names: Sequence[str], said: str = "", **attributes: Any) -> None:
        super().__init__(names, **attributes)
        self.said = said


class Verbs(click.Group):
    """A command that consists of verbs, whose modules are imported when they are called."""

    def __init__(self, name: str, package: str, verbs: Mapping[str, tuple[str, str]]) -> None:
        """Take the verbs: of each the module in `package`, which has a `main`, and one line of help."""
        super().__init__(
            name,
            context_settings=dict(SETTINGS),
            options_metavar="",
            subcommand_metavar="VERB ...",
            no_args_is_help=False,
        )
        self.package, self.verbs = package, verbs

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> int:  # type: ignore[override]
        """Run a verb; returns the exit status."""
        return answered(lambda: called(self, args, f"{PROGRAM} {self.name}"))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the verbs where none is named."""
        if args[:1] == ["help"] and len(args) > 1:
            args = [*args[1:], "--help"]
        if not ctx.resilient_parsing and (not args or args == ["help"]):
            print(self.get_help(ctx), file=sys.stdout if args else sys.stderr)
            ctx.exit(DONE if args else USAGE)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs by name, in their order."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a verb; None where there is no such verb."""
        if cmd_name not in self.verbs:
            return None
        command = importlib.import_module(f"{self.package}.{self.verbs[cmd_name][0]}").main
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that the words begin with; an unknown one is answered with the nearest."""
        if args[0] not in self.verbs and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise UsageError(f"{self.name} {args[0]}: there is no such verb; {suggest(args[0], self.verbs)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing their modules."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, what) for verb, (_, what) in self.verbs.items()])
        formatter.write(f"\n`{PROGRAM} {self.name} VERB --help` shows how to use a verb.\n")


def verb(text: str | None) -> Callable[[Callable[..., int]], Verb]:
    """Make a function a verb with this help; its parameters are declared above it, with click's decorators."""

    def made(function: Callable[..., int]) -> Verb:
        name = function.__module__.rpartition(".")[2]
        return click.command(name, cls=Verb, help=text, context_settings=dict(SETTINGS))(function)

    return made


def word(name: str, said: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an argument of a verb, with a line of help."""
    return click.argument(name, cls=Word, said=said, **attributes)


def called(command: click.Command, words: Sequence[str] | None, name: str) -> int:
    """Let click read the words and run a command; returns the exit status. Errors are raised.

    Args:
        command: a verb, or several.
        words: what follows its name; None for those of the process.
        name: its name with all that stands before it, for help.
    """
    with command.make_context(name, list(sys.argv[1:] if words is None else words)) as context:
        status: int = command.invoke(context)
    return status
