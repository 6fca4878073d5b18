"""Ctrl-C, SIGTERM and SIGHUP end a command alike: what is done is kept, one line says so, and each has its status."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Run
from processes import ended

from amodal_bench.cli import main as door
from amodal_bench.cli.answers import answered
from amodal_bench.core import stops

LINES = [
    (signal.SIGINT, 130, "interrupted"),
    (signal.SIGTERM, 143, "ended by SIGTERM"),
    (signal.SIGHUP, 129, "ended by SIGHUP"),
]


def sent(number: int) -> Callable[[], int]:
    """Work that a signal stops."""

    def work() -> int:
        os.kill(os.getpid(), number)
        time.sleep(5)
        return 0

    return work


@pytest.mark.parametrize(("number", "status", "line"), LINES)
def test_every_signal_has_its_line_and_its_status(
    capsys: pytest.CaptureFixture[str], number: int, status: int, line: str
) -> None:
    before = [signal.getsignal(each) for each in stops.STATUS]
    with stops.stoppable():
        assert answered(sent(number)) == status
        assert capsys.readouterr().err == f"{line}\n"
    assert [signal.getsignal(each) for each in stops.STATUS] == before
    with stops.stoppable():
        assert answered(sent(number), "all is kept") == status
    assert capsys.readouterr().err == f"{line}: all is kept\n"


def test_the_innermost_note_of_what_is_kept_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        with stops.keeping("the table"), stops.keeping("the cells"):
            return sent(signal.SIGTERM)()

    with stops.stoppable():
        assert answered(work, "the run") == 143
    assert capsys.readouterr().err == "ended by SIGTERM: the cells\n"


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    """A signal is ignored as `nohup` does it with SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stops.stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def replaces() -> int:
    """Does what Ray's native code does: another KeyboardInterrupt takes the place of what a signal has raised."""
    with suppress(KeyboardInterrupt):
        sent(signal.SIGTERM)()
    raise KeyboardInterrupt


def test_a_library_that_tells_every_signal_as_ctrl_c_hides_none(capsys: pytest.CaptureFixture[str]) -> None:
    with stops.stoppable():
        assert answered(replaces, "all is kept") == 143
    assert capsys.readouterr().err == "ended by SIGTERM: all is kept\n"
    with stops.stoppable(), pytest.raises(KeyboardInterrupt) as error:
        raise KeyboardInterrupt
    assert stops.status_of(error.value) == 130 and stops.how(error.value) == "interrupted"


def test_signals_that_are_sent_twice_do_not_disturb_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedulers send several, and whoever started the program may pass on what the terminal has sent to both."""
    with stops.stoppable():
        with pytest.raises(stops.Stopped, match="SIGINT"):
            sent(signal.SIGINT)()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
    now = time.monotonic

    def impatient() -> None:
        with stops.stoppable():
            try:
                sent(signal.SIGINT)()
            except stops.Stopped:
                monkeypatch.setattr(time, "monotonic", lambda: now() + 2)
                os.kill(os.getpid(), signal.SIGINT)

    assert ended(impatient) == -signal.SIGINT


def test_a_stop_travels_between_processes() -> None:
    again = pickle.loads(pickle.dumps(stops.Stopped(signal.SIGHUP)))
    assert again.signal is signal.SIGHUP and stops.status_of(again) == 129


@pytest.mark.parametrize("verb", [["paper", "table2"], ["paper", "figure5"]])
def test_the_papers_verbs_say_what_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch, verb: list[str]) -> None:
    def stopped(*_: object) -> None:
        raise stops.Stopped(signal.SIGTERM)

    monkeypatch.setattr("amodal_bench.cli.paper.table._main", stopped)
    monkeypatch.setattr("amodal_bench.cli.paper.figure.draw", stopped)
    assert run(*verb, "toy=1") == (143, "", f"ended by SIGTERM: {stops.KEPT}\n")


def test_a_download_says_what_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(*_: object) -> None:
        raise stops.Stopped(signal.SIGHUP)

    monkeypatch.setattr("amodal_bench.cli.data.fetch._fetch", stopped)
    status, _, said = run("data", "fetch", "bsds", "--root", str(tmp_path / "data"))
    assert (status, said) == (
        129,
        "ended by SIGHUP: what has come is kept; give the same command again to continue\n",
    )


def test_a_component_that_ends_the_program_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(lambda: sys.exit(0)) == 1
    said = "the code of a component called sys.exit(0); let it raise an error instead"
    assert capsys.readouterr().err == f"error: {said}\n"


@pytest.mark.parametrize(("number", "status", "line"), LINES)
def test_the_door_answers_what_comes_outside_of_any_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, status: int, line: str
) -> None:
    """And nothing that libraries log at their end is printed, such as the statistics of torch's FakeTensor."""
    monkeypatch.setattr(door, "program", lambda words: sent(number)())
    monkeypatch.setattr(sys, "argv", ["amodal-bench"])
    try:
        with pytest.raises(SystemExit) as end:
            door.main()
        assert end.value.code == status and capsys.readouterr().err == f"{line}\n"
        assert not logging.getLogger("torch._subclasses.fake_tensor").isEnabledFor(logging.ERROR)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.slow
def test_a_sweep_that_sigterm_ends_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "stopped.yaml").write_text("_target_: stopped_model.Stopped\n")
    (tmp_path / "stopped_model.py").write_text(
        "import os, pathlib, signal, time\n\n\nclass Stopped:\n    batches = 0\n"
        "    def describe(self): return {}\n"
        "    def predict(self, queries, seeds):\n"
        "        Stopped.batches += 1\n"
        "        if Stopped.batches == 3 and pathlib.Path('stop').exists():\n"
        "            pathlib.Path('stop').unlink()\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            time.sleep(5)\n"
        "        return [query.visible for query in queries]\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ["model=stopped", "baselines=null", "dataset.images=4", "engine.batch_size=2", "sheet=0"]
    monkeypatch.setattr(sys, "argv", ["amodal-bench", "--config-dir", "conf", *words, "-m", "seed=0,1"])
    told = tmp_path / "told.txt"

    def main() -> int:
        try:
            door.main()
        except SystemExit as end:
            os._exit(int(end.code or 0))
        return 0

    (tmp_path / "stop").touch()
    assert ended(main, told) == 143
    assert told.read_text().endswith(f"ended by SIGTERM: {stops.KEPT}\n") and "Traceback" not in told.read_text()
    assert ended(main, told) == 0


@pytest.mark.parametrize(("number", "status", "line"), LINES)
def test_a_signal_has_its_line_before_the_program_is_loaded_and_after_it_is_done(
    number: int, status: int, line: str
) -> None:
    loading = (
        "import sys, os\nfrom amodal_bench.__main__ import start\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'amodal_bench.cli.main': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\nstart()\n"
    )
    kill = f"atexit.register(os.kill, os.getpid(), {int(number)})"
    done = (
        "import atexit, os, sys, types\nfrom amodal_bench.__main__ import start\n"
        "module = sys.modules['amodal_bench.cli.main'] = types.ModuleType('main')\n"
    )
    leaving = f"{done}module.main = lambda: ({kill}, sys.exit(3))\nstart()\n"
    left = f"{done}{kill}\nmodule.main = lambda: sys.exit(3)\nstart()\n"  # what is asked first comes last
    answer = (status, "", f"{line}\n")
    ends = {loading: answer, leaving: answer, left: (3, "", "")}
    for program in ends if number == signal.SIGINT else (loading,):
        end = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
        assert (end.returncode, end.stdout, end.stderr) == ends[program]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status", "line"), LINES[:2])
def test_a_stop_waits_for_the_lanes_that_compute(tmp_path: Path, number: int, status: int, line: str) -> None:
    """Python that leaves while torch computes in another thread is aborted."""
    program = (
        "import os, sys, threading\n"
        "from amodal_bench.__main__ import start\nfrom amodal_bench.method import inpaint\n"
        "heed, steps = inpaint.heed, []\n"
        "def heeded():\n"
        "    heed()\n"
        "    if threading.current_thread().name == 'lane':\n"
        "        steps.append(0)\n"
        f"        if len(steps) == 3: os.kill(os.getpid(), {int(number)})\n"
        "inpaint.heed = heeded\nstart()\n"
    )
    words = ["dataset.images=12", "sheet=0", "baselines=null", f"results={tmp_path / 'results'}"]
    environment = os.environ | {"OMP_NUM_THREADS": "2", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", program, *words]
    end = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # A slow machine says how far it is.
    told = [each for each in end.stderr.splitlines() if not each.startswith("toy tiny: ")]
    assert (end.returncode, told) == (status, [f"{line}: {stops.KEPT}"])


def test_what_the_program_begins_with_gives_way_to_a_run_and_comes_back() -> None:
    from amodal_bench.__main__ import leave

    before = signal.signal(signal.SIGINT, leave)
    try:
        with stops.stoppable(), pytest.raises(stops.Stopped):
            sent(signal.SIGINT)()
        assert signal.getsignal(signal.SIGINT) is leave
    finally:
        signal.signal(signal.SIGINT, before)
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"amodal-bench": "amodal_bench.__main__:start"}
