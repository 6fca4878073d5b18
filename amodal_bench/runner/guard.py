"""What keeps one sample from blocking a run: the record of what is in flight, last words, and the limit of time."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from amodal_bench.core.errors import TooLong
from amodal_bench.core.stops import is_wish
from amodal_bench.runner.in_flight import LEAST, InFlight, Key, Stage, Suspect
from amodal_bench.runner.last_words import LATE, LastWords
from amodal_bench.runner.limit import Late, Limit, end_process
from amodal_bench.runner.store import Store
from amodal_bench.runner.trial import end_of

log = logging.getLogger(__name__)


class Guard:
    """Guards the samples of one run in one process; use it in `guarded`.

    Args:
        store: of the run.
        wanted: the predictions to make, in their order.
        time_limit: seconds for each sample; None for no limit.
        retry: whether what has taken the process with it is tried again.

    Attributes:
        limit: of the time for each sample.
        guilty: those among what is wanted that are not tried any more, which is every draw of their instance.
        suspects: those that were in flight when an earlier process ended, or took too long.
    """

    def __init__(self, store: Store, wanted: Collection[Key], time_limit: float | None, retry: bool) -> None:
        self.words = LastWords(store.path.parent, self._line)
        self.flight = InFlight(store.db, self.words.found(), retry)
        self.limit = Limit(time_limit, self._end, self.words.end_after)
        found = self.flight.suspects(wanted)
        guilty = {suspect.key[0]: suspect for suspect in found if suspect.guilty}
        self.guilty = [replace(guilty[id], key=(id, draw)) for id, draw in wanted if id in guilty]
        self.suspects = [suspect for suspect in found if suspect.key[0] not in guilty]
        if ended := [suspect for suspect in self.suspects if suspect.ends]:
            log.warning("%s", _ended_before(ended, "" if self.guilty else self.words.found()))
        self._wanted, self._flying, self._late = wanted, dict[Key, None](), set[Key]()

    def batches(self, size: int) -> Iterator[list[Key]]:
        """What is to be tried, `size` at once; suspects alone, before the others where nobody has tried that yet."""
        yield from self.first()
        yield from self.others(size)
        yield from self.last()

    def first(self) -> Iterator[list[Key]]:
        """Suspects that nobody has tried alone yet, each alone."""
        yield from ([suspect.key] for suspect in self.suspects if suspect.untried)

    def others(self, size: int) -> Iterator[list[Key]]:
        """What nothing speaks against, `size` at once."""
        apart = {suspect.key for suspect in [*self.guilty, *self.suspects]}
        rest = [key for key in self._wanted if key not in apart]
        yield from (rest[start : start + size] for start in range(0, len(rest), size))

    def last(self) -> Iterator[list[Key]]:
        """The other suspects, each alone."""
        yield from ([suspect.key] for suspect in self.suspects if not suspect.untried)

    def tried(self, batch: Sequence[Key], work: Callable[[], object]) -> Suspect | None:
        """Try what has ended the process twice without a sign of how in another process, before it is in this one.

        Args:
            batch: what is to be done next; anything but such a one is not tried.
            work: reads and predicts it, without noting anything.

        Returns:
            The guilty one; None where nothing is known of it but that it was in flight.
        """
        known = [suspect for suspect in self.suspects if [suspect.key] == list(batch)]
        if not known or known[0].ends < LEAST:
            return None
        log.warning("%s is tried in a process of its own first", batch[0][0])
        if not (why := end_of(work, self.limit.seconds)):
            return None
        self.flight.blame(batch[0], why)
        return replace(known[0], why=why)

    def begin(self, batch: Sequence[Key]) -> None:
        """Note that a batch is read from now on."""
        self.words.forget()
        self._flying |= dict.fromkeys(batch)
        self.flight.begin(batch, Stage.READING)
        self.limit.arm(len(self._flying))

    def predicting(self, batch: Sequence[Key]) -> None:
        """Note that a batch has been read, and is predicted from now on."""
        self.flight.go_on(batch, Stage.PREDICTING)

    def end(self, batch: Sequence[Key]) -> None:
        """Note that a batch has been committed."""
        late = self._late.intersection(batch)
        self.flight.finish(batch, late)
        self._late -= late
        for key in batch:
            self._flying.pop(key, None)

    def second_limit(self) -> Limit:
        """The limit of the time for each sample for a thread of its own."""
        return Limit(self.limit.seconds, self._end)

    def see(self, key: Key, failure: BaseException) -> None:
        """Take note of why one has no prediction: what took too long is tried alone and last by the next start."""
        if isinstance(failure, TooLong):
            self._late.add(key)

    @contextmanager
    def reading_again(self, suspect: Suspect) -> Iterator[None]:
        """Note that the sample of a guilty one is read for its row; guilty it stays."""
        self.begin([suspect.key])
        yield
        self.flight.go_on([suspect.key], suspect.stage)
        self.flight.put_down()
        self._flying.pop(suspect.key)

    def failure(self, error: BaseException, limit: Limit | None = None) -> BaseException:
        """What became of a sample that raised an error.

        Args:
            error: that.
            limit: of the thread that does this; the one that predicts unless it is given.

        Raises:
            KeyboardInterrupt: the user wants to stop.
        """
        if is_wish(error):
            raise error
        if isinstance(error, Late):
            return TooLong(f"took longer than engine.time_limit={self.limit.seconds:g} s")
        try:
            with (limit or self.limit).of(1):
                str(error)  # of anybody's class: to make it may take for ever, and is never tried again then
        except Late:
            return TooLong(f"raised {type(error).__name__}, whose text took longer than engine.time_limit allows")
        except Exception as fault:
            if is_wish(fault):
                raise
        return error

    def _end(self) -> None:
        self.words.say(LATE)
        seconds = self.limit.seconds
        end_process(self._line(f"took longer than engine.time_limit={seconds:g} s allows and cannot be interrupted"))

    def _line(self, what: str) -> str:
        """What to print where a sample ends the process."""
        flying = list(self._flying)
        which, then = flying[0][0] if flying else "a sample", "it is tried alone once more"
        if len(flying) > 1:
            which = f"one of the {len(flying)} predictions from {which} on"
            then = "each of them is tried alone"
        elif any(suspect.key in flying for suspect in self.suspects):
            then = "it is left out"
        return f"{which} {what}; all finished batches are kept; give the same command again: {then}"


@contextmanager
def guarded(store: Store, wanted: Collection[Key], time_limit: float | None, retry: bool) -> Iterator[Guard]:
    """A guard at work; what is in flight when this is left, by an error or by Ctrl-C, is to blame for nothing."""
    guard = Guard(store, wanted, time_limit, retry)
    try:
        with guard.words.kept(), guard.limit.watching():
            yield guard
    finally:
        with suppress(sqlite3.Error):  # what went wrong before is what counts
            guard.flight.put_down()


def _ended_before(suspects: Sequence[Suspect], words: str) -> str:
    count, first = len(suspects), suspects[0].key[0]
    what = f"{first} was" if count == 1 else f"{count} predictions, from {first} on, were"
    why = f" ({words})" if words else ""
    return f"{what} in flight when an earlier process ended{why}: {'it is' if count == 1 else 'each is'} tried alone"
