"""Predict the whole of an object in a picture of your own, with any model.

    amodal-bench predict photo.jpg --mask mask.png
    amodal-bench predict photo.jpg --point 310,190 --point 350,240 model=sdxl view=crop -o out

What is visible of the object is a mask of the picture's size (white on black, or opaque), or what the segmenter finds
at points of it: X,Y in pixels from the upper left of the upright picture (which the segmenter sees with 1024 pixels
along its longer side, at most). Written are

    amodal.png   the mask (V is part of it, unless model.union_visible=false)
    amodal.json  the same as COCO's compressed RLE, its areas, and all that led to it
    object.png   the object cut out, its hidden part as the model painted it
    overlay.png  the picture with the contours of V (green) and of what was gained (blue)
    visible.png  V, with --point
    steps.png    with --every-step: the sample after each denoising step, and the picture that is seen in it

They replace what an earlier call with the same model and picture has left. A folder with the answer of another model,
or to another picture, is refused, so that answers are never mixed.

Random numbers depend on `seed` and on the picture's name (without .jpg), as those of a run do on an instance's id.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, file_option, files, folder_option, overrides, place
from amodal_bench.core.errors import UsageError


@verb(__doc__)
@word("image", "a picture", metavar="IMAGE", type=place, shell_complete=files)
@file_option("--mask", metavar="FILE", help="What is visible of the object.")
@click.option("--point", metavar="X,Y", multiple=True, help="A pixel of it; may be repeated.")
@folder_option("-o", "--output", metavar="FOLDER", help="Default: IMAGE-amodal, here.")
@click.option("--every-step", is_flag=True, help="Also write the denoising, step by step.")
@overrides("as in a run, such as model=sdxl segmenter=sam seed=1")
@config_dir
def main(
    image: Path,
    mask: Path | None,
    point: Sequence[str],
    output: Path | None,
    every_step: bool,
    overrides: Sequence[str],
    config_dir: Sequence[Path],
) -> int:
    """Predict, and write what came of it."""
    if bool(mask) == bool(point):
        raise UsageError("what is visible of the object? give either --mask FILE or --point X,Y")
    from amodal_bench.cli.predict.work import Request, predict
    from amodal_bench.config.compose import composed
    from amodal_bench.config.effect import of_no_picture, without_effect
    from amodal_bench.config.settings import settings_from

    config = composed(overrides, config_dir)
    settings = settings_from(config)
    unused = without_effect(config, overrides, used=["segmenter"] if point else [])
    for line in [*unused, *of_no_picture(overrides)]:
        print(f"warning: {line}", file=sys.stderr)
    predict(Request(image, mask, point, output, every_step), settings)
    return 0
