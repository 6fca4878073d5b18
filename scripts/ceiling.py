"""What the toy allows at most: `python scripts/ceiling.py` segments *true* completions instead of inpainted ones.

Each hidden part is painted by the toy itself onto the condition image; then the model's autoencoder and segmenter do
their work as usual. What is lost here, no denoiser can win back: look at it before training one for hours. And what a
perfect painter and segmenter could reach at most inside M, V and the part of A in M, for the hull and for the tiny
model's area: `--split test --images 160` gives the numbers of the README.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import torch

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Floats, Image, Integers, Mask
from amodal_bench.method.area import Area
from amodal_bench.method.condition import Condition
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.protocols import iou, occluded_iou
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.grabcut import GrabCut
from amodal_bench.tiny.networks import WEIGHTS
from amodal_bench.toy.scene import Instance, Scene, draw_scene
from amodal_bench.views.points import draw_points
from amodal_bench.views.window import View


def completed(scene: Scene, instance: Instance) -> Image:
    """The scene's size, with this object alone, nothing in front of it; (H, W, 3) uint8."""
    canvas: Floats = np.zeros(scene.image.shape, np.float32)
    instance.sprite.paint(canvas)
    return np.round(np.clip(canvas, 0, 1) * 255).astype(np.uint8)


def through(backbone: StableDiffusion, picture: Floats) -> Floats:
    """A picture, encoded and decoded; (S, S, 3) float32 in [0, 1]."""
    with torch.inference_mode():
        tensor = torch.from_numpy(picture).permute(2, 0, 1)[None] * 2 - 1
        return backbone.decode(backbone.encode(tensor))[0].permute(1, 2, 0).numpy()


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=str(WEIGHTS))
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--split", default="val")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    backbone, segmenter = StableDiffusion(args.weights, native=64), GrabCut()
    view, area, condition = View(margin=0.15), Area("dilated_hull", 0.3), Condition(object_noise=0.0, blur=0.0625)
    areas = {"hull": Area("hull"), "dilated hull": area}
    counts: dict[str, list[Integers]] = {"pixel grid": [], "segmenter": [], "autoencoder and segmenter": []}
    counts |= {name: [] for name in areas}
    for index in range(args.images):
        scene = draw_scene(0, args.split, index)
        for number, instance in enumerate(scene.instances):
            if instance.kind != "fish" or not instance.visible.any():
                continue
            seed = sample_seed(0, f"{args.split}-{index:05d}-{number}")
            window = view.window(instance.visible, 64)
            visible, amodal = window.mask(instance.visible), window.mask(instance.amodal)
            shown = condition(window.image(scene.image), visible, seed)
            truth = window.image(completed(scene, instance)).astype(np.float32) / 255
            picture = np.where((amodal | visible)[..., None], truth, shown)
            before = np.round(shown * 255).astype(np.uint8)
            prompt = Prompt(visible, area(visible), draw_points(visible, 9, seed), seed, before)

            def segmented(picture: Floats, prompt: Prompt = prompt) -> Mask:
                pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
                return segmenter.segment([pixels], [prompt])[0]

            shape = (instance.visible.shape[0], instance.visible.shape[1])
            found = amodal, segmented(picture), segmented(through(backbone, picture))
            masks = [window.back(mask, shape) for mask in found]
            masks += [window.back(each(visible), shape) & instance.amodal for each in areas.values()]
            for name, mask in zip(counts, masks, strict=True):
                predicted = mask | instance.visible
                counts[name].append(
                    joint_counts(predicted, instance.amodal, instance.visible, np.zeros_like(instance.visible))
                )
    print(f"{len(counts['segmenter'])} instances of {args.images} images, split {args.split}, in %")
    for name, made in counts.items():
        whole, part = (100 * float(np.nanmean(measure(np.array(made)))) for measure in (iou, occluded_iou))
        print(f"limit of the {name}: mIoU {whole:.1f}, occluded mIoU {part:.1f}")


if __name__ == "__main__":
    main()
