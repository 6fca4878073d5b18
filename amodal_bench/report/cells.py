"""Tables as CSV: numbers with all their digits, and texts that no spreadsheet takes for formulas."""

from __future__ import annotations

import pandas as pd

from amodal_bench.core.shown import spreadsheet


def as_csv(table: pd.DataFrame) -> str:
    """A table without its index as the text of a CSV."""
    safe = table.copy(deep=False)
    for place, name in enumerate(table.columns):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[place]):
            values = [spreadsheet(value) if isinstance(value, str) else value for value in table.iloc[:, place]]
            safe[name] = pd.Series(values, index=table.index, dtype=object)
    safe.columns = [spreadsheet(str(name)) for name in table.columns]
    return safe.to_csv(index=False, lineterminator="\n")
