"""What a logger notes in the folder of a run, so that its own record of the run goes on and is never made twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amodal_bench.core.files import read_text, write_whole


def kept(folder: Path, name: str) -> dict[str, Any]:
    """What a logger of this name has noted of a run: `NAME.json` in its folder; empty where there is none."""
    try:
        found = json.loads(read_text(folder / f"{name}.json"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(folder: Path, name: str, said: Mapping[str, Any]) -> None:
    """Note something of a run in place of what was noted before.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(said, indent=2, sort_keys=True) + "\n"
    write_whole(folder / f"{name}.json", lambda partial: partial.write_text(text, encoding="utf-8"))
