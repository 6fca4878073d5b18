"""`amodal-bench toy VERB ...`: which module does a verb's work."""

from __future__ import annotations

from amodal_bench.cli.verbs import Verbs

VERBS = {
    "export": ("export", "write the toy aquarium in a benchmark's official format"),
    "train": ("train", "train the tiny inpainting model, stage by stage"),
}
main = Verbs("toy", "amodal_bench.cli.toy", VERBS)
