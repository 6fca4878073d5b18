"""Arguments and options that several verbs take, with what the shell completes for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from amodal_bench.cli.verbs import word
from amodal_bench.config.compose import choices, groups, nested_choices
from amodal_bench.config.overrides import expand_home
from amodal_bench.config.search import replaced

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
Declare = Callable[[Callable[..., Any]], Callable[..., Any]]


def place(text: str | Path) -> Path:
    """A file or a folder, with `~` and `$HOME` expanded."""
    return Path(expand_home(str(text)))


def kept_in(text: str | Path) -> Path:
    """A folder of results; `results=FOLDER`, as a run takes it, names it, too."""
    said = str(text)
    return place(said.removeprefix("results=") if said != "results=" else said)


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file."""
    return [CompletionItem(incomplete, type="file")]


def folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a folder."""
    return [CompletionItem(incomplete, type="dir")]


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the folder of a run from those in `results/runs`, else any folder."""
    names = [file.parent.as_posix() for file in Path("results/runs").glob("*/store.sqlite")]
    found = [CompletionItem(folder) for folder in sorted(names) if folder.startswith(incomplete)]
    return found or folders(ctx, param, incomplete)


def among(names: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Complete one of some names, which are asked for with what has been typed so far."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names(ctx) if name.startswith(incomplete)]

    return complete


def file_option(*names: str, **attributes: Any) -> Declare:
    """Declare an option that takes a file; where it is `--output`, `--out` says the same."""
    return click.option(*_spellings(names), type=place, shell_complete=files, **attributes)


def folder_option(*names: str, **attributes: Any) -> Declare:
    """Declare an option that takes a folder; where it is `--output`, `--out` says the same."""
    return click.option(*_spellings(names), type=place, shell_complete=folders, **attributes)


def _spellings(names: Sequence[str]) -> list[str]:
    return [*names, *(["--out"] if "--output" in names else [])]


def results_folder(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the argument of a verb that works on a results folder: `results`."""
    said = {"metavar": "[FOLDER]", "type": kept_in, "shell_complete": folders, "default": "results"}
    return word("results", "results/ by default", **said)(function)


def dataset(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the arguments of a verb that works on one dataset: `name`, `overrides`, `config_dir`."""
    said = "such as dataset.root=/data/cocoa dataset.split=val"
    return name_in("dataset")(overrides(said)(config_dir(function)))


def model(said: str) -> Declare:
    """Declare the arguments of a verb that works on one model: `name`, `overrides`, `config_dir`."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        such = "such as model.weights=FOLDER model.backbone.native=64 model.backbone.device=cpu"
        return name_in("model", said)(overrides(such)(config_dir(function)))

    return declare


def name_in(group: str, said: str = "") -> Declare:
    """Declare a NAME as in `GROUP=NAME`, as `name`."""
    known = among(lambda ctx: names_of(group, folders_in(ctx)))
    return word("name", said or f"as in {group}=NAME", metavar="NAME", shell_complete=known)


def overrides(said: str) -> Declare:
    """Declare the settings of a run that a verb takes, as `overrides`."""
    return word("overrides", said, metavar="[OVERRIDE]...", nargs=-1, shell_complete=_settings)


def config_dir(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the option for folders with configurations of the user's, as `config_dir`."""
    help = "A folder with a configuration of your own in it, such as FOLDER/dataset/mine.yaml, and its classes."
    options: dict[str, Any] = {"multiple": True, "metavar": "FOLDER", "help": help, "callback": _told_of}
    return folder_option("--config-dir", "-cd", **options)(function)


def _told_of(ctx: click.Context, param: click.Parameter, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Say which files in the folders take the place of the harness's own."""
    if not ctx.resilient_parsing:
        for line in replaced(folders):
            print(f"note: {line}", file=sys.stderr, flush=True)
    return folders


def _settings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(text) for text in [*overrides_like(incomplete, folders_in(ctx)), *paths_like(incomplete)]]


def names_of(group: str, config_dirs: list[Path]) -> list[str]:
    """Every NAME of `group=NAME`."""
    return [*choices(group, config_dirs), *nested_choices(group, config_dirs)]


def overrides_like(beginning: str, config_dirs: list[Path]) -> list[str]:
    """Every `group=NAME` that begins so."""
    group, equals, value = beginning.partition("=")
    if equals:
        before, comma, _ = value.rpartition(",")  # a sweep: its last value is completed
        known = names_of(group, config_dirs) if group in groups(config_dirs) else []
        every = [f"{group}={before}{comma}{name}" for name in known]
    else:
        every = [f"{group}={name}" for group in groups(config_dirs) for name in names_of(group, config_dirs)]
    return [text for text in every if text.startswith(beginning)]


def folders_in(ctx: click.Context) -> list[Path]:
    """The folders of the user's configurations in what has been typed so far, as far as they exist."""
    words = ctx.meta.get("words") or ()
    given = [*(ctx.params.get("config_dir") or ()), *folders_behind(words)]
    return [folder for folder in map(Path, given) if folder.is_dir()]


def folders_behind(words: Sequence[str]) -> list[str]:
    """The folders behind --config-dir, in words that click has not read."""
    options = ("--config-dir", "-cd")
    beginnings = tuple(f"{name}=" for name in options)
    spaced = [after for word, after in pairwise(words) if word in options]
    joined = [word.partition("=")[2] for word in words if word.startswith(beginnings)]
    return [*spaced, *joined]


PATHS = {"ids": "file", "results": "dir", "dataset.root": "dir", "model.path": "file", "model.weights": "dir"}
"""Settings whose value is a path."""


def paths_like(beginning: str) -> list[str]:
    """Every `KEY=PATH` that begins so, where the key's value is a file or a folder."""
    key, equals, typed = beginning.partition("=")
    if not equals or key not in PATHS:
        return []
    folder, slash, name = typed.rpartition("/")
    try:
        found = sorted(place(f"{folder}{slash}" or ".").iterdir())
    except OSError:
        return []
    shown = [path for path in found if path.name.startswith(name) and (name or not path.name.startswith("."))]
    return [
        f"{key}={folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in shown
        if path.is_dir() or PATHS[key] == "file"
    ]
