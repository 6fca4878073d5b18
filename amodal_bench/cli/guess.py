"""What a user may have meant by a first word that is neither a verb nor a setting."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence

from amodal_bench.cli.verbs import PROGRAM, Verbs
from amodal_bench.config.compose import choices, groups


def what_is_meant(words: Sequence[str], verbs: Mapping[str, tuple[str, str]]) -> str:
    """The answer: the nearest verbs or choices, and how to see all of them.

    Args:
        words: of the command line.
        verbs: of each verb its module and its help.
    """
    guesses = _verbs(words, _tree(verbs)) or _choices(words[0])
    near = f"did you mean {' or '.join(map(repr, guesses))}? " if guesses else ""
    return (
        f"{words[0]}: is neither a verb nor a setting (KEY=VALUE); {near}verbs: {', '.join(verbs)}; "
        f"`{PROGRAM} --help` shows all"
    )


def _tree(verbs: Mapping[str, tuple[str, str]]) -> dict[str, list[str]]:
    """Every verb with the verbs below it."""
    found = {name: importlib.import_module(f"amodal_bench.cli.{module}").main for name, (module, _) in verbs.items()}
    return {name: list(command.verbs) if isinstance(command, Verbs) else [] for name, command in found.items()}


def _verbs(words: Sequence[str], tree: Mapping[str, Sequence[str]]) -> list[str]:
    """The verbs that are most like the words: `data list` for `dta list` and for `list data`."""
    first, second = words[0].lower(), words[1] if len(words) > 1 else ""
    if near := difflib.get_close_matches(first, tree, n=1):
        below = difflib.get_close_matches(second, tree[near[0]], n=1)
        return [" ".join([near[0], *below])]
    below = difflib.get_close_matches(first, sorted({verb for below in tree.values() for verb in below}), n=1)
    return [f"{name} {verb}" for name, known in tree.items() for verb in known if verb in below]


def _choices(word: str) -> list[str]:
    """The settings whose value the word is: `dataset=cocoa` for `cocoa`."""
    return [f"{group}={word}" for group in groups([]) if word in choices(group, [])]
