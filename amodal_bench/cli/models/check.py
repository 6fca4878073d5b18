"""Load everything that a model needs, part by part, try each step, then the contract of the model and of its parts.

Batches have the size of a run's, so that memory and time are those of a run. The contract asks about small scenes of
the toy aquarium: masks must have the right form, an answer may not depend on the rest of the batch or on its order,
inputs are left unchanged, and the description has every setting.
Exit status: 0 all is well, 1 there are problems, 2 the command line is wrong.
Settings are those of a run: model.weights=FOLDER, model.backbone.device=cpu.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.cli.models.holdings import Component, components, holdings
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import model
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError
from amodal_bench.core.progress import stage
from amodal_bench.core.shown import one_line
from amodal_bench.testing.printed import Printed
from amodal_bench.weights.catalogue import catalogue

if TYPE_CHECKING:
    from amodal_bench.testing.specifications import Finding

LARGE = 2 * 10**8
"""Bytes of weights that are not loaded more than once."""


@verb(__doc__)
@model("as in model=NAME")
def main(name: str, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Try every part of a model; returns 1 where there are problems."""
    settings = compose([f"model={name}", *overrides], config_dir)
    printed = Printed()
    tried = _parts(settings, printed)
    _line("model", name)
    if not tried:
        print("needs no weights")
    for holding in holdings(tried):
        _line("weights", f"{holding.source.spec} ({holding.state()})")
    problems = [problem for part in tried for problem in _examined(part, printed)]
    if not problems:
        problems = _contract(settings, tried, printed)
    if said := printed.summary():
        _line("note", said)
    _line("problems", str(len(problems) or "none"))
    for problem in problems:
        print(one_line(problem))
    return 1 if problems else 0


def _parts(settings: Settings, printed: Printed) -> list[Component]:
    """The components that are tried by themselves: those with weights, and a backbone, which may be a user's own.

    Raises:
        BenchError: one of them cannot be built, whatever its class raised.
    """
    from amodal_bench.testing.clauses import FAILURES, described

    try:
        with printed.kept():
            parts = components(settings.model)
            return [part for part in parts if part.holdings() or part.key == "model.backbone"]
    except BenchError:
        raise
    except FAILURES as error:
        raise BenchError(f"model: a part cannot be built: {described(error)}") from error


def _examined(part: Component, printed: Printed) -> list[str]:
    """Say what a component is and does; returns its problems."""
    from amodal_bench.cli.models.examine import examine, peak_memory
    from amodal_bench.testing.clauses import FAILURES, described

    try:
        with printed.kept():
            facts, device = part.built.describe(), part.built.device
    except BenchError as error:
        return [str(error)]
    except FAILURES as error:
        return [f"{part.key}: describe() or device raises {described(error)}"]
    _line("part", part.key)
    if isinstance(facts, Mapping):
        _told(facts)
    _line("device", device)
    with printed.kept():
        found = examine(part)
    for name, said in found.lines:
        _line(name, said)
    _line("peak", peak_memory())
    return found.problems


def _contract(settings: Settings, tried: list[Component], printed: Printed) -> list[str]:
    """Say which contracts are kept; returns the violations."""
    from amodal_bench.testing.specifications import examine

    built = {part.key.removeprefix("model."): part.built for part in tried}
    vary = sum(holding.bytes() for holding in holdings(tried)) < LARGE
    findings, problems, aside = examine(settings.model, settings.protocol, built, vary), [], []
    while True:
        with printed.kept(), stage("asking the contract's questions"):
            finding = next(findings, None)
        if finding is None:
            break
        _line("contract", f"{finding.place}: {_verdict(finding)}")
        problems += [f"{finding.place}: {violation}" for violation in finding.violations]
        aside += finding.aside
    if aside:
        _line("note", f"settings not varied: {', '.join(aside)}")
    if not vary:
        _line("note", "settings are not varied, which would load the weights again; check random/NAME varies them")
    return problems


def _verdict(finding: Finding) -> str:
    count = len(finding.violations)
    if not finding.tried:
        return "not tried, since a part of it breaks its contract"
    return f"{count} violation{'s' * (count > 1)}" if count else "kept"


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
