"""`amodal-bench results VERB ...`: which module does a verb's work."""

from __future__ import annotations

from amodal_bench.cli.verbs import Verbs

VERBS = {
    "list": ("listing", "runs, and how many predictions and errors each has"),
    "export": ("export", "write a run's predictions, and what they are compared with, in COCO's format"),
    "table": ("table", "one table of what all runs scored"),
}
main = Verbs("results", "amodal_bench.cli.results", VERBS)
