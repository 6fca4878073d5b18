"""What a run has cost, by stage."""

from __future__ import annotations

from typing import Any

import pandas as pd


def timing_table(name: str, counted: pd.DataFrame, stages: pd.DataFrame) -> pd.DataFrame:
    """What a run has cost, one row for each stage; see `Scored.timing`.

    Args:
        name: of the model.
        counted: the store's rows that have a prediction.
        stages: the store's table of stages.
    """
    rows: list[dict[str, Any]] = [
        {"stage": stage, "instances": len(counted), "seconds": counted[column].sum()}
        for stage, column in (("read", "data_s"), ("predict", "predict_s"))
    ]
    rows += [{str(k): v for k, v in row.items()} for row in stages.to_dict("records")]
    table = pd.DataFrame(rows, columns=["stage", "instances", "seconds", "batch", "peak"])
    table.insert(0, "model", name)
    table["seconds_per_instance"] = table["seconds"] / table["instances"].where(table["instances"] > 0)
    table["batch"] = table["batch"].where(table["batch"] > 0).astype("Int64")
    table["peak_gb"] = table["peak"].where(table["peak"] > 0) / 1e9
    return table[["model", "stage", "seconds_per_instance", "instances", "batch", "peak_gb"]]


def seconds_of(timing: pd.DataFrame) -> float:
    """Seconds of an instance out of such a table: predicting, and what no model worked in; 0 where nothing is known.

    Runs of earlier versions do not know the latter, and read and predicted in turn.
    """
    seconds = timing.set_index("stage")["seconds_per_instance"]
    return float(seconds.reindex(["predict", "idle" if "idle" in seconds else "read"]).sum())
