"""Draw the pictures of the tiny model's card: `python scripts/model_card.py` (needs matplotlib, an extra of `dev`).

`loss.png` comes from the curves that training left in `training.json`, `samples.png` from scenes that no training
shard holds.
"""

from __future__ import annotations

import json

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Image
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import NoLeakage
from amodal_bench.report.panels import Panel, whole
from amodal_bench.report.sheet import Row, Sheet, save_sheet
from amodal_bench.tiny.networks import WEIGHTS
from amodal_bench.tiny.samples import SIZE, draw_scene, random_mask

SEED = 123_456_789


def loss_curves() -> None:
    """Both stages' losses over their steps."""
    stages = json.loads((WEIGHTS / "training.json").read_text())
    figure, axes = plt.subplots(1, len(stages), figsize=(4.5 * len(stages), 3), constrained_layout=True)
    for axis, (name, stage) in zip(axes, stages.items(), strict=True):
        steps, losses = zip(*stage["losses"], strict=True)
        axis.plot(steps, losses, linewidth=1)
        axis.set(title=f"{name}, {stage['seconds'] / 60:.0f} minutes", xlabel="step", ylabel="loss", yscale="log")
        axis.grid(alpha=0.3, which="both")
    figure.savefig(WEIGHTS / "loss.png", dpi=100)


def samples(count: int = 6) -> None:
    """Plain inpainting of fresh unoccluded scenes: what the model was trained to do."""
    rng = np.random.default_rng(SEED)
    scenes = [draw_scene(rng)[0] for _ in range(count)]
    masks = [random_mask(rng) for _ in range(count)]
    backbone = StableDiffusion(str(WEIGHTS), native=SIZE)
    painter = Inpainter(backbone, Denoising(NoLeakage(), 20, 0.0), Stages())
    painted = painter.inpaint(scenes, masks, list(range(count)))

    def pixels(scene: np.typing.NDArray[np.floating]) -> Image:
        shown: Image = np.round(np.clip(scene, 0, 1) * 255).astype(np.uint8)
        return shown

    rows = []
    for scene, mask, image in zip(scenes, masks, painted, strict=True):
        shown = {"scene": scene, "shown": np.where(mask[..., None], 0.5, scene)}
        panels = {head: Panel(pixels(picture)) for head, picture in shown.items()} | {"inpainted": Panel(image)}
        rows.append(Row("", whole((SIZE, SIZE)), panels))
    save_sheet(Sheet("", rows, {}), WEIGHTS / "samples.png")


if __name__ == "__main__":
    loss_curves()
    samples()
