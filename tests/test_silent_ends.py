"""What ends the process without a word of Python's: each costs its sample, and three starts at most."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ended
from test_faults import BAD, IDS, errors, errors_so_far, flying, started, unseen_kill

from amodal_bench.runner import trial
from amodal_bench.runner.lock import locked

LIBRARY = ctypes.CDLL(None)


def own_exit() -> None:
    """The end that nothing in the process can see."""
    LIBRARY._exit(0)


def test_an_end_that_nothing_shows_is_found_by_the_third_start(tmp_path: Path) -> None:
    for _ in range(2):
        assert ended(lambda: started(tmp_path, own_exit)) == 0
    assert not errors_so_far(tmp_path)
    assert started(tmp_path, own_exit) == [["4", "5"]], "in this process it is not asked for"
    last = "the last time: an exit with status 0 that Python has not seen"
    assert errors(tmp_path)[BAD].startswith(f"took the process with it twice while it was predicted ({last})")
    assert started(tmp_path, own_exit) == [], "it is tried no more"


def test_a_trial_blames_nobody_for_a_kill_from_outside(tmp_path: Path) -> None:
    for _ in range(2):
        ended(lambda: started(tmp_path, unseen_kill))
    assert started(tmp_path, lambda: None)[-1] == [BAD]
    assert not errors(tmp_path) and not flying(tmp_path)


@pytest.mark.slow
def test_a_trial_tells_how_a_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trial.end_of(lambda: None) == trial.end_of(lambda: 1 / 0) == trial.end_of(sys.exit) == ""
    assert trial.end_of(lambda: os._exit(3)) == "an exit with status 3 that Python has not seen"
    assert trial.end_of(unseen_kill) == trial.end_of(lambda: time.sleep(60), 0.05) == ""
    monkeypatch.setattr(trial, "_can_fork", lambda: False)
    assert trial.end_of(lambda: os._exit(3)) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries have no such list")
def test_the_exit_of_native_code_is_no_success(tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    for _ in range(2):
        assert ended(lambda: started(tmp_path, lambda: LIBRARY.exit(0)), told) == 1
    assert told.read_text().startswith(f"\nerror: {BAD} let native code call exit(); all finished batches are kept")
    started(tmp_path, lambda: LIBRARY.exit(0))
    assert "(the last time: exit() in native code)" in errors(tmp_path)[BAD]


def test_the_ordinary_exit_after_a_run_is_left_alone() -> None:
    program = (
        "from amodal_bench.runner.native_exit import noticed\nimport os, sys\n"
        "def then(): os.write(1, b'ended'); os._exit(9)\n"
        "with noticed(then): pass\n"
        "with noticed(then):\n"
        "    if os.fork() == 0: sys.exit(4)\n"
        "    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")


@pytest.mark.parametrize("call", [lambda: os.execv("/bin/true", ["true"]), lambda: os.execlp("true", "true")])
def test_another_program_in_this_process_is_an_error_row(tmp_path: Path, call: Callable[[], object]) -> None:
    started(tmp_path, call)
    assert errors(tmp_path)[BAD].startswith("RuntimeError: called os.execv")
    assert os.execv.__module__ == "posix" or os.name == "nt", "afterwards it is as it was"


def test_a_forked_process_keeps_no_lock_and_does_no_work(tmp_path: Path) -> None:
    def fork() -> None:
        if os.fork() == 0:  # it comes back to the run, where it is ended
            os.close(2)
            os.open(os.devnull, os.O_WRONLY)

    assert sum(map(len, started(tmp_path, fork))) == len(IDS)
    while True:
        try:
            assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
        except ChildProcessError:
            break
    with locked(tmp_path, wait=False):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        program = "import sys; from pathlib import Path; from amodal_bench.runner.lock import locked\n"
        program += "with locked(Path(sys.argv[1]), wait=False): pass"
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
