"""`amodal-bench --help`: the settings of a run, and the verbs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from amodal_bench.cli.tree import VERBS
from amodal_bench.cli.verbs import PROGRAM
from amodal_bench.config.compose import choices, groups, nested_choices
from amodal_bench.config.overrides import expand_home

WIDTH = 79
"""Columns of the narrowest usual terminal."""

HEAD = """\
Usage: amodal-bench [KEY=VALUE ...]      a run with these settings
       amodal-bench VERB ...             everything else

Amodal segmentation, scored under named protocols.

  amodal-bench                                    the tiny model on toy images
  amodal-bench dataset=cocoa model=hull limit=20  a baseline on COCO-A
  amodal-bench -m leakage=blend,strength,none     runs, and one table of them
  amodal-bench --cfg job model=sdxl               print the settings of a run
  amodal-bench predict photo.jpg --point 310,190  a picture of your own
"""

SETTINGS = {
    "seed": "the run's seed; 0",
    "samples": "predictions of each instance, each under a seed of its own; 1",
    "ids": "a file of instance ids to run, one a line, not what the protocol selects",
    "limit": "run only the first N of the selected instances",
    "results": "the folder that keeps runs; results",
    "sheet": "rows of the contact sheet, 0 for none; 8",
    "engine.batch_size": "predictions that are made together, which changes no result; 16",
    "engine.shuffle": "true runs the samples in a random order; false",
    "engine.max_error_share": "a larger share of failed instances fails the run at its end; 0.1",
    "engine.time_limit": "seconds that one sample may take, null for no limit; 3600",
    "engine.retry_fatal": "true tries samples again that have ended the process; false",
    "engine.overlap": "false does nothing while a batch is predicted; true",
    "engine.shard": "k/K runs one of K parts, 0/K to K-1/K; `results merge` joins them; null",
    "engine.kind": "local, or ray: `engine=ray` sets it; local",
    "engine.actors": "of Ray, at most so many, null for as many as have room; null",
    "engine.cpus": "cores of each of Ray's actors; 1",
    "engine.gpus": "GPUs of each of Ray's actors, null for one where there is any; null",
    "engine.address": "of a cluster of Ray's, null to start one here; null",
    "dataset.root": "the folder with the dataset's files; datasets/NAME",
}
"""Settings of the root that are no choices, each with what it is and its default."""

TAIL = """\
Every value of a choice can be set, such as view.margin=0.3; --cfg job prints
them all. Results go to results/, datasets are looked for in datasets/. `~` and
$HOME work in every path. A value with a comma needs quotes of its own:
'dataset.root="/data/a, b"'.

Options of a run:
  -m, --multirun            run every combination of the values that commas
                            separate
  -cd, --config-dir FOLDER  a folder with a configuration of your own, such as
                            FOLDER/model/mine.yaml, and its classes; may be
                            repeated. It is code: use none that you do not
                            trust
  -c, --cfg job             print the settings instead of running them
  --version                 print the version
  --hydra-help              all options of Hydra, which composes the settings

Completion of verbs, choices, run folders and paths, once per shell:
  bash:
    echo 'eval "$(_AMODAL_BENCH_COMPLETE=bash_source amodal-bench)"' \\
        >> ~/.bashrc
  zsh:
    echo 'eval "$(_AMODAL_BENCH_COMPLETE=zsh_source amodal-bench)"' \\
        >> ~/.zshrc
  fish:
    _AMODAL_BENCH_COMPLETE=fish_source amodal-bench \\
        > ~/.config/fish/completions/amodal-bench.fish

Exit status: 0 done, 1 failed, 2 the command line or a setting is wrong, 124 a
sample hung and could not be interrupted, 130 interrupted, 143 ended by
SIGTERM, 129 by SIGHUP.
HYDRA_FULL_ERROR=1 in the environment shows tracebacks."""


def show_help(words: Sequence[str]) -> int:
    """Print it, with the choices of the `--config-dir` folders among the words; returns the exit status."""
    folders = _folders(words)
    print(HEAD)
    print("Settings of a run (group=choice):")
    for group in groups(folders):
        names = ", ".join([*choices(group, folders), *nested_choices(group, folders)])
        print(textwrap.fill(names, WIDTH, initial_indent=f"  {group}: ", subsequent_indent=" " * 6))
    print("\nOther settings of a run (KEY=VALUE):")
    for key, what in SETTINGS.items():
        print(_hung(key, 23, what))
    print(f"\nVerbs (`{PROGRAM} VERB --help` shows how to use one):")
    for verb, (_, what) in VERBS.items():
        print(_hung(verb, 9, what))
    print(f"\n{TAIL}")
    return 0


def _hung(word: str, across: int, what: str) -> str:
    """A word, and what it is in lines that begin below each other."""
    return textwrap.fill(what, WIDTH, initial_indent=f"  {word:{across}} ", subsequent_indent=" " * (across + 3))


def _folders(words: Sequence[str]) -> list[Path]:
    options = ("--config-dir", "-cd")
    spaced = [after for word, after in pairwise(words) if word in options]
    joined = [word.partition("=")[2] for word in words if word.startswith(tuple(f"{name}=" for name in options))]
    return [Path(expand_home(folder)) for folder in (*spaced, *joined)]
