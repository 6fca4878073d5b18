"""The method end to end with the shipped weights: independent of batches, resumable, and switchable in every part."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import composed
from diffusers import DDIMScheduler
from params import mostly_slow
from PIL import Image as Pillow

from amodal_bench.backbones.base import Schedule
from amodal_bench.backbones.schedules import variance_preserving
from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.config.build import build
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.evaluation.command import evaluate
from amodal_bench.models.base import Completes, Stepwise
from amodal_bench.models.trajectory import estimate
from amodal_bench.models.tuning_free import TuningFree
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.sheet import CELL, EDGE, GAP
from amodal_bench.runner.store import COUNTS, Store
from amodal_bench.segmenters.base import Prompt
from amodal_bench.views.paste import paste
from amodal_bench.views.window import Window

Bench = Callable[..., Outcome]
FAST = ["dataset.images=3", "model.steps=3", "limit=7"]
TABLES = ["summary.csv", "by_occlusion.csv", "instances.csv", "errors.csv"]


def masks(outcome: Outcome) -> dict[str, bytes]:
    with Store(outcome.main.folder / "store.sqlite") as store:
        return {id: store.prediction(id).tobytes() for id in outcome.main.joined["id"]}


@pytest.mark.slow
def test_batch_size_and_order_do_not_change_a_row(bench: Bench, tmp_path: Path) -> None:
    found = []
    ways = [["engine.batch_size=1"], ["engine.batch_size=7"], ["engine.batch_size=32"],
            ["engine.batch_size=7", "engine.shuffle=true"]]  # fmt: skip
    for number, way in enumerate(ways):
        outcome = bench(*FAST, "limit=8", "baselines=null", *way, f"results={tmp_path / str(number)}")
        assert outcome.main.errors().empty
        found.append((outcome.main.digest, outcome.main.joined[["id", *COUNTS]].to_csv(), masks(outcome)))
    assert all(one == found[0] for one in found)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, object]:
    """The digest and the masks of a run of which nothing is switched."""
    results = tmp_path_factory.mktemp("usual")
    outcome, _ = evaluate(composed(*FAST, "baselines=null", "sheet=0", f"results={results}"))
    assert outcome.main.errors().empty
    return outcome.main.digest, masks(outcome)


@pytest.mark.parametrize(
    "override",
    mostly_slow(["leakage=blend", "area=hull", "condition.object_noise=0.3", "leakage=strength", "leakage=soft",
                 "leakage=none", "area=bbox", "area=full", "condition.background=image", "model.guidance=0.75",
                 "view.mode=frame"], 0),
)  # fmt: skip
def test_every_part_can_be_switched_and_matters(bench: Bench, usual: tuple[str, object], override: str) -> None:
    switched = bench(*FAST, "baselines=null", override)
    assert switched.main.errors().empty
    digest, found = usual
    assert switched.main.digest != digest
    assert masks(switched) != found


@pytest.mark.slow
def test_the_table_says_which_view_leakage_and_area_were_used(bench: Bench) -> None:
    table = bench(*FAST, "leakage=blend", "area=full").table()
    assert "view=crop 0.15 leakage=blend area=full segmenter=grabcut area.grow=0 steps=3" in set(table["settings"])


@pytest.mark.slow
def test_the_sheet_shows_every_stage(bench: Bench) -> None:
    outcome = bench(*FAST, "sheet=2")
    assert outcome.sheet is not None
    with Pillow.open(outcome.sheet) as sheet:
        assert sheet.width == 7 * (CELL + GAP) - GAP + 2 * EDGE, "image, V, three stages, prediction, ground truth"


def killed(results: Path, samples: int) -> list[str]:
    """The settings of the run that is killed: long enough for that, as a process of its own begins."""
    return [
        "dataset.images=5" if samples == 1 else "dataset.images=2", "model.steps=6", "engine.batch_size=4", "sheet=0",
        f"results={results}", f"samples={samples}",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    toy = Toy(images=2)
    return [toy.sample(id).query for id in ("test-00001-5", "test-00001-4", "test-00000-1")]


def model(*overrides: str) -> TuningFree:
    built = build(composed("model.steps=3", "model.backbone.micro_batch=2", *overrides).model, "model")
    assert isinstance(built, TuningFree) and isinstance(built, Completes) and isinstance(built, Stepwise)
    return built


@pytest.mark.slow
def test_completing_gives_the_predicted_mask_bit_for_bit(queries: list[Query]) -> None:
    tiny = model()
    masks = tiny.predict(queries, [1, 2, 3])
    for query, seed, mask in zip(queries, (1, 2, 3), masks, strict=True):
        found = tiny.complete(query, seed)
        assert np.array_equal(found.mask, mask)
        painted = np.asarray(found.picture.any(axis=-1))
        assert painted[mask].mean() > 0.9 and not painted.all()
        # The picture lies where the object is: V's own colours are nearer to it than to the picture turned around.
        seen = query.image[query.visible].astype(float)
        here, there = found.picture[query.visible], found.picture[::-1, ::-1][query.visible]
        assert np.abs(here - seen).mean() < 0.6 * np.abs(there - seen).mean()


@pytest.mark.parametrize("override", mostly_slow(["leakage=strength", "leakage=conditioning", "model.guidance=0.75"]))
def test_steps_end_with_the_inpainted_view_and_watching_changes_nothing(queries: list[Query], override: str) -> None:
    tiny = model(override)
    steps = tiny.every_step(queries[0], 5)
    first = 2 if override == "leakage=strength" else 0  # a third of three steps
    assert [step.number for step in steps] == list(range(first, 4))
    assert np.array_equal(steps[-1].sample, tiny.explain(queries[:1], [5])[0]["inpainted"])
    assert steps[-1].estimate is not None and np.array_equal(steps[-1].sample, steps[-1].estimate)
    for one, other in itertools.pairwise(steps):
        assert not np.array_equal(one.sample, other.sample)


@pytest.mark.slow
def test_a_step_that_repeats_after_the_memory_ran_out_is_shown_once(queries: list[Query]) -> None:
    usual, short = model(), model()
    calls = iter(range(9))
    advance = short.backbone.advance

    def scarce(*arguments: object) -> object:
        if next(calls) == 1:
            raise torch.OutOfMemoryError("no room")
        return advance(*arguments)  # type: ignore[arg-type]

    short.backbone.advance = scarce  # type: ignore[method-assign, assignment]
    assert [step.number for step in short.every_step(queries[0], 5)] == [0, 1, 2, 3]
    assert [step.number for step in usual.every_step(queries[0], 5)] == [0, 1, 2, 3]


def test_what_is_estimated_is_what_the_solvers_say_themselves() -> None:
    """DDIM for each kind of prediction, and Euler on a flow."""
    generator = torch.Generator().manual_seed(0)
    x, output = (torch.randn((1, 4, 8, 8), generator=generator) for _ in range(2))
    for kind in ("epsilon", "v_prediction", "sample"):
        scheduler: Any = DDIMScheduler(beta_schedule="scaled_linear", prediction_type=kind, clip_sample=False)
        schedule = variance_preserving(scheduler, 20)
        for step in (0, 7, 19):
            made = scheduler.step(output, int(schedule.times[step]), x)
            found = estimate(schedule, step, x, made.prev_sample)
            assert torch.allclose(found, made.pred_original_sample, rtol=1e-3, atol=1e-3), (kind, step)
    flow = Schedule((1000.0, 500.0), (0.0, 0.4, 1.0), (1.0, 0.6, 0.0), 1.0)
    for step, (sigma, following) in enumerate(((1.0, 0.6), (0.6, 0.0))):
        found = estimate(flow, step, x, x + (following - sigma) * output)
        assert torch.allclose(found, x - sigma * output, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_solver_that_draws_noise_shows_no_estimates(queries: list[Query]) -> None:
    noisy = model()
    advance = noisy.backbone.advance

    def restless(
        output: object, schedule: object, step: int, x: object, generators: Sequence[torch.Generator]
    ) -> object:
        torch.randn(1, generator=generators[0])
        return advance(output, schedule, step, x, generators)  # type: ignore[arg-type]

    noisy.backbone.advance = restless  # type: ignore[method-assign, assignment]
    steps = noisy.every_step(queries[0], 5)
    assert len(steps) == 4 and all(step.estimate is None for step in steps)


def test_a_view_is_pasted_where_it_was_taken_from() -> None:
    ys, xs = np.mgrid[0:40, 0:60]
    image = np.stack([3 * xs, 5 * ys, xs + ys], axis=-1).astype(np.uint8)
    for window in (Window(10, 5, 24, 24, 24), Window(-6, -8, 52, 52, 26), Window(0, 0, 60, 40, 48)):
        picture = paste(window.image(image), window, (40, 60))
        inside = (
            (xs >= window.x) & (xs < window.x + window.width) & (ys >= window.y) & (ys < window.y + window.height)
        )
        assert np.abs(picture[inside].astype(int) - image[inside]).max() <= (0 if window.size == window.width else 6)
        assert not picture[~inside].any()


class _Recorder:
    """A segmenter that keeps what it is told."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    def describe(self) -> dict[str, str]:
        return {}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        self.prompts += prompts
        return [prompt.visible for prompt in prompts]


@pytest.mark.slow
def test_an_area_without_v_is_painted_as_it_is_and_the_segmenter_may_find_v(queries: list[Query]) -> None:
    tiny = model("area=background")
    tiny.segmenter = _Recorder()
    painted: list[Mask] = []
    inpaint = tiny.inpainter.inpaint

    def watched(conditions: object, areas: Sequence[Mask], seeds: object) -> list[Image]:
        painted.extend(areas)
        return inpaint(conditions, areas, seeds)  # type: ignore[arg-type]

    tiny.inpainter.inpaint = watched  # type: ignore[method-assign, assignment]
    tiny.predict(queries[:1], [1])
    (prompt,), (area,) = tiny.segmenter.prompts, painted
    assert np.array_equal(area, ~prompt.visible) and prompt.area.all()
    assert np.array_equal(tiny.explain(queries[:1], [1])[0]["area"][..., 0] > 0, area)


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "samples"), [(2, 1), (1, 3)])
def test_a_run_killed_in_the_middle_ends_with_the_same_bytes(tmp_path: Path, kills: int, samples: int) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    evaluate(composed(*killed(whole, samples)))
    (reference,) = (whole / "runs").glob("toy-tiny-*")
    (score,) = (reference / "scores").iterdir()
    total = samples * len(pd.read_csv(score / "instances.csv"))
    cut_folder = cut / "runs" / reference.name
    done = 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-m", "amodal_bench", *killed(cut, samples)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        before = done
        while done <= before:
            assert process.poll() is None, "the run ended before it was killed: make it longer"
            time.sleep(0.01)
            done = rows_in(cut_folder / "store.sqlite")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < rows_in(cut_folder / "store.sqlite") < total
    assert not (cut_folder / "scores").exists()
    kept = timed(cut_folder / "store.sqlite")
    assert len(kept) == done
    evaluate(composed(*killed(cut, samples)))
    # What was committed before the kill still has its seconds: nothing is done twice.
    assert kept == [row for row in timed(cut_folder / "store.sqlite") if row in kept]
    for name in [*TABLES, *(["draws.csv"] if samples > 1 else [])]:
        assert (cut_folder / "scores" / score.name / name).read_bytes() == (score / name).read_bytes(), name


def timed(store: Path) -> list[tuple[str, int, float]]:
    """Predictions with the seconds that each took, which no two agree on."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id, draw, predict_s FROM instances WHERE error IS NULL ORDER BY id, draw")
        return [tuple(row) for row in rows]


def rows_in(store: Path) -> int:
    """Committed predictions, seen as any reader sees them while the run goes on."""
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM instances WHERE error IS NULL").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not created yet


@pytest.mark.slow
def test_a_second_command_waits_for_the_first(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = bench("model=hull", "dataset.images=2").main.folder
    with (folder / ".lock").open("a") as held:  # as another process has it
        fcntl.flock(held, fcntl.LOCK_EX)

        def let_go() -> None:
            for _ in range(600):  # until the second one says that it waits
                if "waiting for it" in caplog.text:
                    break
                time.sleep(0.05)
            fcntl.flock(held, fcntl.LOCK_UN)

        threading.Thread(target=let_go, daemon=True).start()
        assert bench("model=hull", "dataset.images=2").main.folder == folder
    assert "another process is working on this run" in caplog.text and "waiting for it" in caplog.text


@pytest.mark.slow
def test_a_query_is_explained_alike_in_any_batch(queries: list[Query]) -> None:
    tiny, seeds = model(), list(range(len(queries)))
    assert len(queries) > 1
    for query, seed, together in zip(queries, seeds, tiny.explain(queries, seeds), strict=True):
        (alone,) = tiny.explain([query], [seed])
        assert list(together) == list(alone) == ["condition image", "area", "inpainted"]
        assert all(np.array_equal(together[name], alone[name]) for name in alone)


def test_a_network_is_gone_when_the_next_run_begins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once may be more than a GPU holds."""
    networks, tuned = list[Any](), StableDiffusion.tuned

    def noted(self: StableDiffusion, network: Any) -> Any:
        networks.append((weakref.ref(network), [earlier() is None for earlier, _ in networks]))
        return tuned(self, network)

    monkeypatch.setattr(StableDiffusion, "tuned", noted)
    gc.disable()
    try:
        for seed in range(3):
            bench("model=tiny", "model.steps=1", "dataset.images=1", "baselines=null", f"seed={seed}")
    finally:
        gc.enable()
    assert [gone for _, gone in networks] == [[], [True], [True, True]]
