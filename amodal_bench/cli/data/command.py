"""`amodal-bench data VERB ...`: which module does a verb's work."""

from __future__ import annotations

from amodal_bench.cli.verbs import Verbs

VERBS = {
    "list": ("listing", "show the datasets, and whether their files are on this machine"),
    "fetch": ("fetch", "download what is free, and print the steps for the rest"),
    "check": ("check", "verify a dataset's files and its class"),
    "info": ("info", "counts, categories, areas and occlusion rates"),
    "preview": ("preview", "a contact sheet: image, V, A and the hidden part"),
    "ids": ("ids", "print the ids that a protocol selects"),
    "readme": ("readme", "write datasets/README.md from the cards (for this repository)"),
}
main = Verbs("data", "amodal_bench.cli.data", VERBS)
