"""Predict the whole of an object in a picture of your own, with any model.

    amodal-bench predict photo.jpg --mask mask.png
    amodal-bench predict photo.jpg --point 310,190 --point 350,240 model=sdxl view=crop -o out

What is visible of the object is a mask of the picture's size (white on black, or opaque), or what the segmenter finds
at points of it: X,Y in pixels from the upper left of the upright picture (which the segmenter sees with 1024 pixels
along its longer side, at most). Written are

    amodal.png   the mask (V is part of it, unless protocol.union_visible=false)
    amodal.json  the same as COCO's compressed RLE, its areas, and all that led to it
    object.png   the object cut out, its hidden part as the model painted it
    overlay.png  the picture with V in green and what was gained in blue
    visible.png  V, with --point
    steps.png    with --every-step: the sample after each denoising step, and the picture that is seen in it

Random numbers depend on `seed` and on the picture's name (without .jpg), as those of a run do on an instance's id.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.verbs import add_config_dir, answered
from amodal_bench.core.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status: 0 all is well, 1 something is wrong, 2 a usage error."""
    parser = argparse.ArgumentParser(
        prog="amodal-bench predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", metavar="IMAGE", type=Path, help="a picture")
    parser.add_argument("--mask", metavar="FILE", type=Path, help="what is visible of the object")
    parser.add_argument("--point", metavar="X,Y", action="append", default=[], help="a pixel of it; may be repeated")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, help="default: IMAGE's name and -amodal, here")
    parser.add_argument("--every-step", action="store_true", help="also write the denoising, step by step")
    parser.add_argument(
        "overrides",
        metavar="OVERRIDE",
        nargs="*",
        default=[],  # else argparse says that it is required
        help="as in a run, such as model=sdxl segmenter=sam seed=1",
    )
    add_config_dir(parser)
    parsed = parser.parse_intermixed_args(list(arguments))
    return answered(lambda: _run(parsed))


def _run(arguments: argparse.Namespace) -> int:
    if bool(arguments.mask) == bool(arguments.point):
        raise UsageError("what is visible of the object? give either --mask FILE or --point X,Y")
    from amodal_bench.cli.predict.work import Request, predict
    from amodal_bench.config.compose import compose

    request = Request(arguments.image, arguments.mask, arguments.point, arguments.output, arguments.every_step)
    predict(request, compose(arguments.overrides, arguments.config_dir))
    return 0
