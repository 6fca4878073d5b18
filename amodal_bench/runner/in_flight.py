"""What is being predicted is on record, so that a prediction that takes the process with it is found and left out.

A start after such an end tries what was in flight alone, before all else. What takes the process with it there again,
and leaves last words, is marked by the start after that. Where nothing shows what ended the process, a kill from
outside looks the same: then it is tried again last, after a trial in a process of its own that tells the one from the
other, and marked once it has happened `MOST` times where there can be no trial.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

# Nothing of it is in a result, and a version that does not know the table leaves it alone.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS in_flight (id TEXT, draw INTEGER, ends INTEGER, why TEXT, stage TEXT, "
    "running INTEGER, PRIMARY KEY (id, draw))"
)

LEAST, MOST = 2, 4
"""How often a process has to end during a prediction that is marked: with last words, and without."""

Key = tuple[str, int]
"""An instance's id and the number of a draw."""


class Stage(Enum):
    """What was done with an instance when the process ended."""

    READING = "reading"
    PREDICTING = "predicting"


_STAGES = {stage.value: stage for stage in Stage}


@dataclass(frozen=True)
class Suspect:
    """A prediction that was in flight when the process ended, or that took too long.

    Attributes:
        key: which.
        ends: how often the process has ended during it; 0 of one that took too long.
        why: what ended the process the last time that it was alone; "" where nothing shows it, or in company.
        stage: what was done with it.
    """

    key: Key
    ends: int
    why: str
    stage: Stage

    @property
    def guilty(self) -> bool:
        """Whether it is left out from now on."""
        return self.ends >= (LEAST if self.why else MOST)

    @property
    def untried(self) -> bool:
        """Whether a process has ended during it, and it has not been tried alone since."""
        return 0 < self.ends < LEAST

    @property
    def error(self) -> str:
        """Why it has no prediction."""
        times = "twice" if self.ends == 2 else f"{self.ends} times"
        doing = "read" if self.stage is Stage.READING else "predicted"
        why = f" (the last time: {self.why})" if self.why else ""
        return (
            f"took the process with it {times} while it was {doing}{why}; "
            "it is not tried again, unless engine.retry_fatal=true"
        )


class InFlight:
    """The record in a run's store, which one process at a time writes.

    Args:
        db: the store's database.
        last_words: what ended the process before this one; "" where nothing shows it.
        retry: whether what was marked is tried again, as if it had happened once.
    """

    def __init__(self, db: sqlite3.Connection, last_words: str = "", retry: bool = False) -> None:
        self._db = db
        with db:
            db.execute(_TABLE)
            left = db.execute("SELECT COUNT(DISTINCT id) FROM in_flight WHERE running").fetchone()[0]
            why = last_words if left == 1 else ""  # of several instances nobody knows which it was
            db.execute("UPDATE in_flight SET ends = ends + 1, why = ?, running = 0 WHERE running", (why,))
            if retry:
                db.execute("UPDATE in_flight SET ends = 1, why = ''")

    def suspects(self, wanted: Collection[Key]) -> list[Suspect]:
        """Those among what is wanted, in its order."""
        rows = self._db.execute("SELECT id, draw, ends, why, stage FROM in_flight")
        found = {
            (id, draw): Suspect((id, draw), ends, str(why), _STAGES.get(stage, Stage.PREDICTING))
            for id, draw, ends, why, stage in rows
            if isinstance(ends, int)  # what somebody else has written there is believed as little
        }
        return [found[key] for key in wanted if key in found]

    def begin(self, keys: Sequence[Key], stage: Stage) -> None:
        """Note what is taken up, beside what is in flight already."""
        with self._db:
            self._take_up(keys, stage)

    def ended(self, keys: Sequence[Key], why: str, stage: Stage) -> list[Suspect]:
        """Note that a process has ended during these, and what is known of each since.

        Args:
            keys: what it was at.
            why: what ended it; "" where nothing shows it.
            stage: what it did with them.
        """
        alone = len({id for id, _ in keys}) == 1  # of several instances nobody knows which it was
        with self._db:
            self._take_up(keys, stage)
            self._db.executemany(
                "UPDATE in_flight SET ends = ends + 1, why = ?, running = 0 WHERE id = ? AND draw = ?",
                [(why if alone else "", *key) for key in keys],
            )
        return self.suspects(keys)

    def blame(self, key: Key, why: str) -> None:
        """Note what a prediction that has ended processes does, once that is known."""
        with self._db:
            self._db.execute("UPDATE in_flight SET why = ? WHERE id = ? AND draw = ?", (why, *key))

    def go_on(self, keys: Sequence[Key], stage: Stage) -> None:
        """Note that something taken up is at another stage now."""
        with self._db:
            self._db.executemany(
                "UPDATE in_flight SET stage = ? WHERE id = ? AND draw = ?", [(stage.value, *key) for key in keys]
            )

    def finish(self, keys: Sequence[Key], late: Collection[Key] = ()) -> None:
        """Note that something taken up has come to its end; what was too `late` is tried alone another time."""
        with self._db:
            self._db.executemany("DELETE FROM in_flight WHERE id = ? AND draw = ?", keys)
            self._db.executemany(
                "INSERT OR REPLACE INTO in_flight VALUES (?, ?, 0, '', ?, 0)",
                [(id, draw, Stage.PREDICTING.value) for id, draw in late],
            )

    def put_down(self) -> None:
        """Note that what is in flight was left in good order, such as by Ctrl-C: nobody is to blame for it."""
        put_down(self._db)

    def _take_up(self, keys: Sequence[Key], stage: Stage) -> None:
        self._db.executemany(
            "INSERT INTO in_flight VALUES (?, ?, 0, '', ?, 1) "
            "ON CONFLICT (id, draw) DO UPDATE SET running = 1, stage = excluded.stage",
            [(id, draw, stage.value) for id, draw in keys],
        )


def put_down(db: sqlite3.Connection) -> None:
    """Note in a run's store that what is in flight was left in good order: nobody is to blame for it."""
    with db:
        db.execute(_TABLE)
        db.execute("DELETE FROM in_flight WHERE running AND ends = 0")
        db.execute("UPDATE in_flight SET running = 0 WHERE running")
