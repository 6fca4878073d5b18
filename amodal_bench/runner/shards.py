"""Shards: parts of a run's instances, each in a store of its own, so that machines share a run without a server."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from amodal_bench.core.errors import ConfigError
from amodal_bench.runner.store import STORE

FOLDER = "shards"
_TEXT = re.compile(r"(\d{1,6})/(\d{1,6})")
_NAME = re.compile(r"(\d{1,6})-of-(\d{1,6})")


@dataclass(frozen=True, order=True)
class Shard:
    """One of `count` parts of a run, `number` from 0 on.

    Pictures are dealt out, not instances: those of one picture share its reading and a segmenter's encoding.
    """

    number: int
    count: int

    @classmethod
    def parsed(cls, text: str) -> Shard:
        """A shard by its text `k/K`, such as `0/4`. Raises `ConfigError` where it is none."""
        found = _TEXT.fullmatch(text.strip())
        if found is None or not int(found[1]) < int(found[2]):
            raise ConfigError(f"engine.shard: {text!r} is not k/K with 0 <= k < K, such as 0/4, 1/4, 2/4 and 3/4")
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        """Its folder's name, such as `0-of-4`."""
        return f"{self.number}-of-{self.count}"

    def of(self, records: pd.DataFrame) -> pd.DataFrame:
        """Its rows of an index. Each row is in one shard of so many, on every machine."""
        pictures = records["image_id"].astype(str)
        mine = {each for each in pictures.unique() if _number(each) % self.count == self.number}
        return records[pictures.isin(mine)]

    def folder(self, run: Path) -> Path:
        """Where it is kept, below its run's folder."""
        return run / FOLDER / self.name


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def shards_of(run: Path) -> dict[Shard, Path]:
    """The shards that lie in a run's folder, and where; in order."""
    found = {named(file.parent): file.parent for file in (run / FOLDER).glob(f"*/{STORE}")}
    return dict(sorted((shard, folder) for shard, folder in found.items() if shard is not None))


def named(folder: Path) -> Shard | None:
    """Which shard a folder is by its name and place; None where it is none."""
    found = _NAME.fullmatch(folder.name) if folder.parent.name == FOLDER else None
    return None if found is None else Shard(int(found[1]), int(found[2]))
