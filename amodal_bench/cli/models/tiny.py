"""Save a family's pipeline or segmenter in small, with random weights, in the layout of the published one.

It shows that a set-up runs, and that a family's code does, on any machine and in seconds. The folder is marked by a
file RANDOM_WEIGHTS, so that tables name its results for what they are.
"""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path

from amodal_bench.cli.models.holdings import family_module
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import among, folders, place
from amodal_bench.config.build import TARGET, suggest
from amodal_bench.config.compose import choices, compose
from amodal_bench.core.errors import BenchError, InputError, UsageError
from amodal_bench.weights.random import families, lacking_library, save

SIDE = 64


@verb(__doc__)
@word("family", ", ".join(families()), metavar="FAMILY", shell_complete=among(lambda ctx: families()))
@word("folder", "a new or an empty folder", metavar="FOLDER", type=place, shell_complete=folders)
def main(family: str, folder: Path) -> int:
    """Save a family in small, and print how to check and run it."""
    if family not in families():
        raise UsageError(f"models tiny {family}: there is no such family; {suggest(family, families())}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not an empty folder; name a new one")
    try:
        save(family, folder)
    except ImportError as error:
        raise lacking_library(family, error) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            folder, f"cannot be written ({reason})", "name a new folder that you can write to"
        ) from error
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"wrote {folder}: {family} with random weights, {size / 1e6:.1f} MB")
    model, *settings = _settings(family, folder)
    words = " ".join(map(shlex.quote, settings))
    print(f"\nCheck it:  amodal-bench models check {model} {words}")
    print(f"Run it:    amodal-bench model={model} {words} limit=8")
    return 0


def _settings(family: str, folder: Path) -> list[str]:
    """A model that takes the folder, and the settings with which it does and needs nothing else."""
    if segmenter := next((name for name in choices("segmenter", []) if _segmenter(name) == family), None):
        return ["sam", f"segmenter={segmenter}", f"segmenter.weights={folder}"]
    model = _model_of(family)
    settings = [model, f"model.weights={folder}", f"model.backbone.native={SIDE}"]
    settings += [f"model.backbone.prior={folder / 'prior'}"] if (folder / "prior").is_dir() else []
    settings += ["segmenter=random/sam"] if "segmenter" in compose([f"model={model}"], []).model else []
    return settings


def _model_of(family: str) -> str:
    """The model whose backbone is of a family; one with published weights goes before the shipped tiny one."""
    shipped = []
    # The method itself goes before baselines on the same backbone, whose names have more words.
    for name in sorted(choices("model", []), key=lambda name: (name.count("_"), name)):
        found, weights = _backbone(name)
        if found == family and ":" not in weights:
            return name
        shipped += [name] if found == family else []
    return shipped[0]


@cache  # to compose takes long, and these are the package's own choices
def _segmenter(name: str) -> str:
    """The family of a segmenter, which one without weights has for itself."""
    return family_module(str(compose([f"segmenter={name}"], []).segmenter[TARGET]))


@cache
def _backbone(name: str) -> tuple[str, str]:
    """The family and the weights of a model's backbone; empty where it has none."""
    try:
        spec = compose([f"model={name}"], []).model.get("backbone")
    except BenchError:  # a configuration that is broken is not the one to suggest
        return "", ""
    return (family_module(str(spec[TARGET])), str(spec.get("weights"))) if spec else ("", "")
