"""The verbs of `amodal-bench`: of each its module below `cli`, and one line of help."""

from __future__ import annotations

VERBS = {
    "data": ("data.command", "datasets: list, fetch, check, info, preview, ids, readme"),
    "models": ("models.command", "models and their weights: list, fetch, check, tiny"),
    "results": ("results.command", "runs: list, score, compare, check, export, table, pack, verify, unpack"),
    "paper": ("paper.command", "the paper's tables and figures: run what they lack, beside what was published"),
    "published": ("published.command", "published values: list, explain one by the ways of scoring a run"),
    "predict": ("predict.command", "any model on a picture of your own"),
    "toy": ("toy.command", "the toy aquarium: export it in official formats, train the tiny model"),
}
