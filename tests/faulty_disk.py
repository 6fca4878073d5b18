"""Runs on a disk that refuses, in a process under `faulty_disk.c`: prints what was tried, and what was said."""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import sys
from collections import Counter
from pathlib import Path

from stored_runs import Things, things

from amodal_bench.core.errors import BenchError
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.place import opened
from amodal_bench.runner.run_json import finish, write_facts
from amodal_bench.runner.store import prediction_row

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.EACCES)
EVERY = 7
"""One of so many calls is tried, another one for each error; 1 tries all, 1,000 of them in a minute."""

DISK = ctypes.CDLL(None)


def run(folder: Path, data: Things, wait: bool = False) -> None:
    """What a command does with a run's folder, in batches of four; done predictions are kept."""
    ran = {"name": data.name, "fingerprint": data.fingerprint()}
    identity = Identity({"dataset": ran, "model": {"target": "own.a"}, "seed": 0})
    with opened(folder, wait) as store:
        store.write_records(data.records())
        ids = [id for id in data.instances if id not in store.done()]
        if ids:
            write_facts(folder, "a", "", identity, None, {}, store=store)
        for start in range(0, len(ids), 4):
            rows = []
            for id in ids[start : start + 4]:
                sample = data.sample(id)
                rows.append(
                    prediction_row(id, sample.visible, sample.amodal, sample.visible, sample.others, 0.25, 0.5)
                )
            store.write(rows)
        finish(folder, store)


def told(folder: Path) -> str:
    """What the run has."""
    with opened(folder) as store:
        return str(store.drawn().to_csv()) + str(store.records().to_csv())


def refused(base: Path) -> dict[str, object]:
    """Each error from each call on that changes a file: what is said, what is lost, and how often."""
    data = things(16)
    run(base / "whole", data)
    whole, said, tried, lost = told(base / "whole"), Counter[str](), 0, 0
    logging.disable(logging.WARNING)
    every = int(sys.argv[3]) if len(sys.argv) > 3 else EVERY
    for place, code in enumerate(ERRORS):
        for call in range(1 + place % every, 1000, every):
            folder = base / f"{code}-{call}"
            DISK.set_fault(call, code)
            try:
                run(folder, data)
                ended = True
            except BenchError as error:
                ended = False
                said[str(error).replace(str(folder), "RUN")] += 1
            finally:
                DISK.set_fault(0, 0)
            if ended:
                break
            tried += 1
            run(folder, data)
            lost += told(folder) != whole
    return {"tried": tried, "lost": lost, "said": said}


def unlocked(base: Path) -> dict[str, object]:
    """Two holders of one lock where flock is lacking, and where all locks are."""
    answers = []
    for lacks in ((1, 0), (1, 1)):
        DISK.set_locks(*lacks)
        try:
            with opened(base / "locked"):
                DISK.set_locks(1, 0)
                try:
                    with opened(base / "locked"):
                        answers.append("both")
                except BenchError as error:
                    answers.append(str(error).replace(str(base), "BASE"))
        except BenchError as error:
            answers.append(str(error).replace(str(base), "BASE"))
        finally:
            DISK.set_locks(0, 0)
    return {"answers": answers}


if __name__ == "__main__":
    print(json.dumps({"refused": refused, "unlocked": unlocked}[sys.argv[1]](Path(sys.argv[2]))))
