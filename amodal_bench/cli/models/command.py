"""`amodal-bench models VERB ...`: which module does a verb's work."""

from __future__ import annotations

from amodal_bench.cli.verbs import Verbs

VERBS = {
    "list": ("listing", "models, their weights, and whether these are on this machine"),
    "fetch": ("fetch", "download the weights of a model, and no more than it needs"),
    "check": ("check", "load a model's parts and try each of them"),
    "tiny": ("tiny", "save a family's pipeline in small, with random weights, to try a set-up"),
}
main = Verbs("models", "amodal_bench.cli.models", VERBS)
