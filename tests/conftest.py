"""Shared helpers: compose and run the harness in this process, as the command line would."""

from __future__ import annotations

import copy
import gc
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

import pytest
from composing import remember_compositions
from hydra import compose, initialize_config_dir

from amodal_bench.toy import scene

draws_anew = scene.draw_scene
"""Draws a scene each time; tests of anything but the drawing share what was drawn before."""


@lru_cache(maxsize=200)
def _drawn_once(seed: int, split: str, index: int) -> scene.Scene:
    found = draws_anew(seed, split, index)
    for array in (found.image, *(mask for each in found.instances for mask in (each.amodal, each.visible))):
        array.setflags(write=False)
    return found


scene.draw_scene = _drawn_once  # before any module has taken it for its own
remember_compositions()

from amodal_bench.cli.main import program  # noqa: E402
from amodal_bench.cli.models.command import main as models  # noqa: E402
from amodal_bench.config.settings import Settings, config_folder, register_schema, settings_from  # noqa: E402
from amodal_bench.core.cache import cache_folder  # noqa: E402
from amodal_bench.datasets import toy  # noqa: E402
from amodal_bench.datasets.reading.index import Index, cached_index  # noqa: E402
from amodal_bench.evaluation.command import evaluate  # noqa: E402
from amodal_bench.report.outcome import Outcome  # noqa: E402


def composed(*overrides: str) -> Settings:
    """The settings that a command line with these overrides would run with."""
    register_schema()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return settings_from(compose("config", overrides=list(overrides)))


@lru_cache(maxsize=64)
def _composed_once(*overrides: str) -> Settings:
    """Settings for tests that run the same command: Hydra takes longer than a small run; copy them."""
    return composed(*overrides)


def pytest_collection_finish() -> None:
    """Look less often for circles in memory: with these libraries loaded each look takes long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


SAMPLES = Path(__file__).parents[2] / "shared/samples/cocoa"
"""Real records and pictures of COCO-A; tests that need them skip where they are absent."""


@pytest.fixture(scope="session")
def real_cocoa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real records as an official tree, split "val"."""
    if not SAMPLES.is_dir():
        pytest.skip("the real sample records are not at hand")
    root = tmp_path_factory.mktemp("cocoa")
    (root / "annotations").mkdir()
    (root / "val2014").mkdir()
    records = [json.loads((SAMPLES / f"{n}.json").read_text(encoding="utf-8")) for n in (1, 2, 3)]
    images = [{"id": record["image_id"], "file_name": record["url"].split("/")[-1]} for record in records]
    for n, image in enumerate(images, start=1):
        (root / "val2014" / image["file_name"]).symlink_to(SAMPLES / f"{n}.jpg")
    tree = {"images": images, "annotations": records}
    (root / "annotations" / "COCO_amodal_val2014.json").write_text(json.dumps(tree))
    return root


@pytest.fixture(scope="session")
def drawn_toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes of toys and small random networks, for all tests and workers: to make each takes seconds."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "drawn-toys"
    (folder / "random").mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def cache_with_toys(
    tmp_path: Path, drawn_toys: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A test's own cache, out of the user's, with toys and random weights that earlier tests have made."""
    own = tmp_path.with_name(f"{tmp_path.name}-cache")  # tests look at what lies in tmp_path
    own.mkdir()
    (own / "random").symlink_to(drawn_toys / "random")
    monkeypatch.setenv("AMODAL_BENCH_CACHE", str(own))
    processes = request.node.get_closest_marker("slow") is not None  # that a fast test starts draw no toy
    if processes:
        _link(drawn_toys, own)

    def cached(name: str, version: int, digest: str, build: Callable[[], Index]) -> Index:
        pattern = f"{name}-v{version}-{digest[:32]}.*"
        if cache_folder() == own:
            _link(drawn_toys, own, pattern)
        found = cached_index(name, version, digest, build)
        if cache_folder() == own:
            _link(own, drawn_toys, pattern)
        return found

    monkeypatch.setattr(toy, "cached_index", cached)
    yield
    if processes:
        _link(own, drawn_toys)


def _link(source: Path, target: Path, pattern: str = "toy-*") -> None:
    for file in source.glob(pattern):
        with suppress(FileExistsError, FileNotFoundError):
            (target / file.name).hardlink_to(file)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache without any toy or random weights, for a test of making them."""
    monkeypatch.setenv("AMODAL_BENCH_CACHE", str(tmp_path / "empty cache"))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks on shared machines are faster on one thread, by an order of magnitude."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def logging_goes_on() -> Iterator[None]:
    """The door switches logging off as the process ends; here the process goes on."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def no_processes_are_left() -> Iterator[None]:
    """Joblib keeps its processes for the next call, in the folder and with the cache of the test that began them."""
    yield
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    if loky is not None and (executor := loky._executor) is not None:
        executor.shutdown(wait=True)


@pytest.fixture(autouse=True, scope="session")
def no_window() -> None:
    """What is printed has the width of a pipe; pytest-xdist tells its workers the width of its own window."""
    os.environ.pop("COLUMNS", None)


@pytest.fixture(autouse=True)
def usual_signals() -> None:
    """Signals are as in a terminal: in the background some are ignored, and a library may have taken some before."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's small random networks, saved when it is first asked for; copy it to change it."""

    @cache
    def folder(family: str) -> Path:
        made = tmp_path_factory.mktemp(family)
        importlib.import_module(f"amodal_bench.weights.small.{family}").save(made)
        return made

    return folder


@pytest.fixture(scope="session")
def tiny_by_command(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder that `amodal-bench models tiny FAMILY` saves, marked as random; copy it to change it."""

    @cache
    def folder(family: str) -> Path:
        made = tmp_path_factory.mktemp(family) / "tiny"
        assert models(["tiny", family, str(made)]) == 0
        return made

    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Outcome]:
    """Run the harness with overrides; results go to the test's own folder."""

    def run(*overrides: str) -> Outcome:
        own = str(tmp_path / "results")
        if any(override.startswith(("results=", "logger=")) for override in overrides):
            settings = composed(f"results={own}", "sheet=0", *overrides)
        else:
            settings = replace(copy.deepcopy(_composed_once("sheet=0", *overrides)), results=own)
        outcome, _ = evaluate(settings)
        return outcome

    return run


Run = Callable[..., tuple[int, str, str]]
"""Calls the program with words: status, stdout, stderr."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Call the program in a folder of its own: status, stdout, stderr."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = program(list(words))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    yield call
    root.handlers[:] = handlers  # Hydra has set its own
    root.setLevel(level)
