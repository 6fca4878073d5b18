"""Options that choose among published values, and answers to names that the ledger does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from amodal_bench.cli.words import among
from amodal_bench.config.build import suggest
from amodal_bench.core.errors import UsageError
from amodal_bench.published.ledger import Published, find, ledger

Declare = Callable[[Callable[..., Any]], Callable[..., Any]]

HELP = {
    "dataset": "Only values on this dataset, such as kins, or average.",
    "method": "Only values of this method, such as sam or tuning_free.",
    "variant": "Only values of this variant, such as sdxl.",
    "metric": "Only values of this metric, such as miou or occluded_miou.",
}
"""The properties that values are chosen by, with the help of their options."""


def choosing(*names: str) -> Declare:
    """Declare options that choose values by these properties."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            known = among(lambda ctx, name=name: known_of(name))  # type: ignore[misc]
            function = click.option(f"--{name}", metavar="NAME", shell_complete=known, help=HELP[name])(function)
        return function

    return declare


def known_of(name: str) -> list[str]:
    """What the ledger has of a property, sorted; nothing empty."""
    return sorted({getattr(each, name) for each in ledger()} - {""})


def chosen(**wanted: str | None) -> tuple[Published, ...]:
    """The values with these properties, None meaning any.

    Raises:
        UsageError: the ledger has no value with one of them, or none with all of them.
    """
    for name, value in wanted.items():
        if value is not None and value not in (known := known_of(name)):
            raise UsageError(f"--{name} {value}: has no published value; {suggest(value, known)}")
    found = find(**wanted)
    if not found:
        words = " ".join(f"--{name} {value}" for name, value in wanted.items() if value is not None)
        raise UsageError(f"{words}: no published value has all of these; leave one of them out")
    return found
