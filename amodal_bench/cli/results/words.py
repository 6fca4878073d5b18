"""Words of a verb that takes several runs and then settings: which is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from amodal_bench.cli.words import folders_in, overrides_like, paths_like, place, runs


def parted(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Folders of runs, and overrides; what exists is a folder, even with "=" in its name."""
    settings = [each for each in words if is_setting(each)]
    return [place(each) for each in words if not is_setting(each)], settings


def is_setting(text: str) -> bool:
    """Whether a word is a setting (`KEY=VALUE`, or `~KEY`) and not a path."""
    looks_so = "=" in text or (text.startswith("~") and "/" not in text and text != "~")
    return looks_so and not place(text).exists()


def known_words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete runs and settings."""
    known = [*overrides_like(incomplete, folders_in(ctx)), *paths_like(incomplete)] if incomplete else []
    settings = [CompletionItem(text) for text in known]
    return settings or runs(ctx, param, incomplete)
