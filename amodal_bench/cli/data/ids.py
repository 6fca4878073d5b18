"""Print the ids of the instances that a run with the same overrides would score, one per line.

`amodal-bench data ids dataset=cocoa protocol=pooled > ids.txt`, and later, for exactly these instances,
`amodal-bench dataset=cocoa ids=ids.txt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.data.compose import open_dataset
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import config_dir, overrides
from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import BenchError
from amodal_bench.core.ids import COMMENT, is_listable, label


@verb(__doc__)
@overrides("such as dataset=cocoa protocol=pooled")
@config_dir
def main(overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print the ids, below comments that say how they were selected."""
    settings = compose(overrides, config_dir)
    protocol = build(settings.protocol, "protocol")
    dataset = open_dataset(settings)
    from amodal_bench.metrics.selection import select

    records, excluded = select(dataset, protocol, settings.ids, settings.limit)
    ids = [str(id) for id in records["id"]]
    if unlistable := [id for id in ids if not is_listable(id)]:
        raise BenchError(
            f"id {unlistable[0]!r} cannot be in a list; an id must not have a line break or begin with '#'"
        )
    facts = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "protocol": protocol.label if settings.ids is None else f"none, the list is {settings.ids}",
        "filter": ", ".join(f"{name} {value}" for name, value in vars(protocol.filter).items()),
        "count": len(ids),
        "ids": label(ids),
        "left out": ", ".join(f"{count} for {reason}" for reason, count in excluded.items()) or "none",
    }
    if settings.ids is not None:
        del facts["filter"]
    if settings.limit is not None:
        facts["limit"] = f"the first {settings.limit}"
    for name, value in facts.items():
        print(f"{COMMENT} {name}: {value}")
    print("\n".join(ids))
    return 0
