"""Load everything that a model needs, part by part, try each step, then the contract of the model and of its parts.

Batches have the size of a run's, so that memory and time are those of a run. The contract asks about small scenes of
the toy aquarium: masks of the right form, the same answer alone, in company and in another order, inputs left alone,
a description that has every setting. Exit status: 0 all is well, 1 there are problems, 2 the command line is wrong.
Settings are those of a run: model.weights=FOLDER, model.backbone.device=cpu.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amodal_bench.cli.models.holdings import Component, components, holdings
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import model
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError
from amodal_bench.weights.catalogue import catalogue

LARGE = 2 * 10**8
"""Bytes of weights that are not loaded more than once."""


@verb(__doc__)
@model("as in model=NAME")
def main(name: str, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Try every part of a model; returns 1 where there are problems."""
    settings = compose([f"model={name}", *overrides], config_dir)
    parts = components(settings.model)
    _line("model", name)
    # Of what has no weights only a backbone is worth a trial: it may be a user's own.
    tried = [part for part in parts if part.holdings() or part.key == "model.backbone"]
    if not tried:
        print("needs no weights")
    for holding in holdings(tried):
        _line("weights", f"{holding.source.spec} ({holding.state()})")
    problems = [problem for part in tried for problem in _examined(part)]
    if not problems:
        problems = _contract(settings, tried)
    _line("problems", str(len(problems) or "none"))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _examined(part: Component) -> list[str]:
    """Say what a component is and does; returns its problems."""
    try:
        facts = part.built.describe()
    except BenchError as error:
        return [str(error)]
    _line("part", part.key)
    _told(facts)
    from amodal_bench.cli.models.examine import examine, peak_memory

    _line("device", part.built.device)
    found = examine(part)
    for stage, said in found.lines:
        _line(stage, said)
    _line("peak", peak_memory())
    return found.problems


def _contract(settings: Settings, tried: list[Component]) -> list[str]:
    """Say which contracts are kept; returns the violations."""
    from amodal_bench.testing.specifications import examine

    built = {part.key.removeprefix("model."): part.built for part in tried}
    vary = sum(holding.bytes() for holding in holdings(tried)) < LARGE
    problems = []
    for finding in examine(settings.model, settings.protocol, built, vary):
        count = len(finding.violations)
        _line("contract", f"{finding.place}: {f'{count} violations' if count else 'kept'}")
        problems += [f"{finding.place}: {violation}" for violation in finding.violations]
    if not vary:
        _line("note", "settings are not varied, which would load the weights again; check random/NAME varies them")
    return problems


def _told(facts: Mapping[str, Any]) -> None:
    """What identifies the component in a run."""
    known = catalogue().get(str(facts.get("hub")))
    if commit := facts.get("commit"):
        differs = f" (the catalogue knows {known.revision})" if known and known.revision not in ("", commit) else ""
        _line("commit", f"{commit}{differs}")
    for name, key in (("digest", "weights"), ("precision", "precision")):
        if key in facts:
            _line(name, str(facts[key]))
    if facts.get("random_weights"):
        _line("note", "random weights: results mean nothing")


def _line(name: str, text: str) -> None:
    print(f"{name:12} {text}", flush=True)
