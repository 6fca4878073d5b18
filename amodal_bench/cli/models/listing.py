"""List the models: family, weights, licence, size, and whether they are on this machine; a row for each repository.

"complete" means that every file that is needed is here, "partial" that some are. GPU memory is that of the networks
in half precision; a batch's activations come on top (`amodal-bench models check NAME` measures both).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from amodal_bench.cli.columns import print_columns
from amodal_bench.cli.models.holdings import Holding, components
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import config_dir
from amodal_bench.config.compose import choices, compose
from amodal_bench.core.errors import BenchError
from amodal_bench.weights.catalogue import catalogue
from amodal_bench.weights.source import PACKAGED

HEAD = ("model", "family", "disk", "GPU", "here", "weights", "licence")


@verb(__doc__)
@config_dir
def main(config_dir: Sequence[Path]) -> int:
    """Print a row for each repository of weights."""
    names = choices("model", config_dir)
    print_columns((row for name in names for row in _rows(name, config_dir)), HEAD)
    return 0


def _rows(name: str, config_dirs: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """A model's row, and one for each further repository that it needs."""
    try:
        parts = components(compose([f"model={name}"], config_dirs).model)
    except BenchError as error:
        yield (name, "-", "-", "-", "-", f"error: {error}", "")
        return
    rows = [(part.family, *_facts(holding)) for part in parts for holding in part.holdings()]
    if not rows:
        own = [part.family for part in parts if part.key == "model.backbone"]
        rows = [(*(own or ["-"]), "-", "-", "-", "unknown to this command" if own else "needs no weights", "")]
    for number, row in enumerate(rows):
        yield (name if number == 0 else "", *row)


def _facts(holding: Holding) -> tuple[str, ...]:
    spec = holding.source.spec
    known = catalogue().get(spec)
    size = holding.bytes()
    here = f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
    if known is None:
        # Of what is not in the catalogue the size is known once it is here.
        licence = "shipped with the package" if spec.startswith(PACKAGED) else "unknown"
        return (here if size else "-", "-", holding.state(), spec, licence)
    licence = f"{known.licence}, gated" if known.gate else known.licence
    return (f"{known.disk_gb:g} GB", f"{known.gpu_gb:g} GB" if known.gpu_gb else "-", holding.state(), spec, licence)
