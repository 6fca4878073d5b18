"""Train the tiny inpainting model that ships with the package, one stage a call, on the CPU.

The stages are autoencoder, denoiser, decoder (optional) and export. Each saves checkpoints into --folder, stops when
its steps or --minutes are over, and goes on where it stopped when it is started again. `export` writes half-precision
safetensors in diffusers' folder layout.
"""

from __future__ import annotations

from pathlib import Path

import click

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import folder_option

STAGES = ("autoencoder", "denoiser", "decoder", "export")


@verb(__doc__)
@word("stage", ", ".join(STAGES), metavar="STAGE", type=click.Choice(STAGES))
@folder_option(
    "--folder",
    default="results/tiny-training",
    help="Checkpoints.",
    show_default=True,
)
@folder_option("out", "-o", "--output", help="Where `export` writes; over the shipped weights by default.")
@click.option("--steps", type=int, default=12_000, help="Length of the stage's schedule.", show_default=True)
@click.option("--minutes", type=float, default=1e9, help="Stop after so long; start again to continue.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
def main(stage: str, folder: Path, out: Path | None, steps: int, minutes: float, seed: int, threads: int) -> int:
    """Train a stage, or go on with it."""
    from amodal_bench.tiny.networks import WEIGHTS
    from amodal_bench.tiny.train import Training, train

    train(stage, Training(folder, out or WEIGHTS, steps, minutes, seed, threads))
    return 0
