"""`amodal-bench results VERB ...`: which module does a verb's work."""

from __future__ import annotations

from amodal_bench.cli.verbs import Verbs

VERBS = {
    "list": ("listing", "show the runs, and how many predictions and errors each one has"),
    "score": ("score", "score a finished run under another protocol, without its model"),
    "compare": ("compare", "compare finished runs on the same instances: differences, verdicts, where each wins"),
    "merge": ("merge", "join the shards of a run, which machines have run apart, into one run"),
    "page": ("page", "write a page to look into runs, which opens from the disk"),
    "check": ("check", "check a run's files and counts, and repair what can be made again"),
    "pack": ("pack", "write a run into one file that others can verify"),
    "verify": ("verify", "recount a packed run against your own copy of its dataset"),
    "unpack": ("unpack", "make a packed run a run like any other"),
    "export": ("export", "write a run's predictions, and the ground truth, in COCO's format"),
    "table": ("table", "one table of what all runs scored"),
}
main = Verbs("results", "amodal_bench.cli.results", VERBS)
