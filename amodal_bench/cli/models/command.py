"""`amodal-bench models VERB ...`: which module does a verb's work."""

from __future__ import annotations

from amodal_bench.cli.verbs import Verbs

VERBS = {
    "list": ("listing", "show the models, their weights, and whether these are on this machine"),
    "fetch": ("fetch", "download the weights of a model, and nothing else"),
    "check": ("check", "load a model's parts and try each of them"),
    "tiny": ("tiny", "save a small pipeline of a family with random weights, to try a set-up"),
}
main = Verbs("models", "amodal_bench.cli.models", VERBS)
