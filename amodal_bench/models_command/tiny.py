"""Save a family's pipeline in small, with random weights, in the layout of the published one.

It shows that a set-up runs, and that a family's code does, on any machine and in seconds. The folder is marked by a
file RANDOM_WEIGHTS, so that tables name its results for what they are.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
from pathlib import Path

from amodal_bench.backbones.weights import RANDOM_MARK
from amodal_bench.compose import choices, compose
from amodal_bench.config import TARGET, suggest
from amodal_bench.errors import BenchError, InputError
from amodal_bench.models_command.holdings import family_module
from amodal_bench.toy import pipelines
from amodal_bench.verbs import UsageError

MARK = "Random numbers, made by `amodal-bench models tiny`. Results with them mean nothing.\n"
SIDE = 64


def families() -> list[str]:
    """The families that have a tiny pipeline."""
    return sorted(file.stem for file in Path(pipelines.__path__[0]).glob("[!_]*.py"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", metavar="FAMILY", help=", ".join(families()))
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a new or an empty folder")


def run(arguments: argparse.Namespace) -> int:
    family, folder = arguments.family, arguments.folder
    if family not in families():
        raise UsageError(f"models tiny {family}: there is no such family; {suggest(family, families())}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not an empty folder; name a new one")
    try:
        # First, so that a folder that is cut short is marked, too.
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RANDOM_MARK).write_text(MARK, encoding="utf-8")
        _quiet()
        importlib.import_module(f"{pipelines.__name__}.{family}").save(folder)
    except (OSError, ImportError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(folder, f"cannot be written ({reason})", "mend that and name a new folder") from error
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"wrote {folder}: {family} with random weights, {size / 1e6:.1f} MB")
    settings = [f"model.weights={folder}", f"model.backbone.native={SIDE}"]
    settings += [f"model.backbone.prior={folder / 'prior'}"] if (folder / "prior").is_dir() else []
    model, words = _model_of(family), " ".join(map(shlex.quote, settings))
    print(f"\nCheck it:  python -m amodal_bench models check {model} {words}")
    print(f"Run it:    python -m amodal_bench model={model} {words} limit=8")
    return 0


def _quiet() -> None:
    """Keep the libraries' bars and advice off the terminal: nothing here takes long."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for logging in (of_diffusers, of_transformers):
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def _model_of(family: str) -> str:
    """The model whose backbone is of a family; one with published weights goes before the shipped tiny one."""
    found = []
    for name in choices("model", []):
        try:
            spec = compose([f"model={name}"], []).model.get("backbone")
        except BenchError:  # a configuration that is broken is not the one to suggest
            continue
        if spec and family_module(str(spec[TARGET])) == family:
            found.append((":" in str(spec.get("weights")), name))
    return min(found)[1] if found else "NAME"
