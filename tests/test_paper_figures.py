"""Figures of pictures: the right rows and columns, what is drawn equals the stores, one line for what is lacking."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from matplotlib.figure import Figure
from PIL import Image as pillow

import amodal_bench
from amodal_bench.api.runs import open_run
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.protocols import iou
from amodal_bench.models.tuning_free import TuningFree
from amodal_bench.paper.figures import at_work, drawing, examples, pictures
from amodal_bench.paper.figures.chosen import Example, Predicted, asked_ids, choose
from amodal_bench.paper.figures.declared import Declared
from amodal_bench.paper.figures.drawing import PAGE, SIZE, styled
from amodal_bench.paper.figures.examples import draw_examples, draw_gains, iou_of
from amodal_bench.report.colours import GAINED, KEPT, MISSED, REGIONS, WRONG, Region, compared, rgb
from amodal_bench.runner.store import COUNTS
from amodal_bench.testing.export import kins

TABLE = """
title: Mine
rows:
  - {name: visible mask, run: [model=visible]}
  - {name: hull, run: [model=hull]}
  - {name: tiny, run: [model=tiny, model.steps=4]}
  - {name: SD1.5, run: [model=random/sd15, model.steps=2]}
columns:
  - {name: first, run: [dataset=toy, dataset.images=4]}
  - {name: second, run: [dataset=toy, dataset.images=4, dataset.seed=1]}
"""
FIGURES = {
    "examples": "title: Examples\nkind: examples\ntable: mine\nrows: [hull, SD1.5]\ncount: 4\nocclusion: [0.05, 1]",
    "gains": "title: Gains\nkind: gains\ntable: mine\nrows: [hull]\ncount: 2\nocclusion: [0.05, 1]",
    "scene": "title: A scene\nkind: scene\ntable: mine\nrows: [tiny]\ncolumns: [first]\nocclusion: [0.05, 1]",
    "steps": "title: Steps\nkind: denoising\ntable: mine\nrows: [tiny]\ncolumns: [first]\nocclusion: [0.05, 1]",
    "means": "title: Means\nkind: averages\ntable: mine",
}


@pytest.fixture
def mine(tmp_path: Path) -> list[str]:
    """Words that add a table and figures of one's own."""
    for folder, files in {"table": {"mine": TABLE}, "figure": FIGURES}.items():
        (tmp_path / "conf" / folder).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / "conf" / folder / f"{name}.yaml").write_text(text)
    return ["--config-dir", str(tmp_path / "conf")]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every grid of pictures that is drawn, in order."""
    found: list[Figure] = []

    def draw_grid(*words: Any) -> Figure:
        found.append(pictures.draw_grid(*words))
        return found[-1]

    for module in (examples, at_work):
        monkeypatch.setattr(module, "draw_grid", draw_grid)
    return found


def said(figure: Figure) -> list[str]:
    """The lines that are written beside the pictures."""
    return [text.get_text() for text in figure.texts]


def grid_of(figure: Figure) -> tuple[int, int]:
    """Rows and columns of pictures."""
    places = [tuple(map(int, str(axes.get_label()).split())) for axes in figure.axes]
    assert len(set(places)) == len(places)
    return max(row for row, _ in places) + 1, max(column for _, column in places) + 1


def corners(figure: Figure) -> list[str]:
    """The texts in the pictures."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def is_print(file: Path) -> None:
    """Assert that a PNG is as wide as a page of print at 300 dots an inch."""
    assert pillow.open(file).size[0] == 300 * PAGE


@pytest.mark.slow
def test_examples_have_a_row_for_each_instance_and_a_column_for_each_model(
    run: Run, mine: list[str], drawn: list[Figure]
) -> None:
    status, out, err = run("paper", "examples", *mine)
    assert status == 0 and "4 of 4 cells are run" in err and "wrote results/paper/examples.png" in out
    (figure,) = drawn
    assert grid_of(figure) == (4, 5)  # picture, V, two models, ground truth
    lines = said(figure)
    assert lines[0] == "Examples" and lines.count("random weights") == 1 and "SD1.5" in lines
    assert [line.partition(" ")[0] for line in lines if "occlusion" in line] == ["first"] * 2 + ["second"] * 2
    assert any("mean nothing" in line for line in lines)
    # Each IoU is the one that the counts in the store give.
    shares = set()
    for folder in Path("results/runs").iterdir():
        rows = open_run(folder).instances()
        shares |= {f"IoU {100 * share:.1f} %" for share in iou(rows[COUNTS].to_numpy(np.int64))}
    assert len(corners(figure)) == 8 and set(corners(figure)) <= shares
    for row in range(4):  # one frame for all pictures of a row
        frames = {
            (*axes.get_xlim(), *axes.get_ylim())
            for axes in figure.axes
            if str(axes.get_label()).startswith(f"{row} ")
        }
        assert len(frames) == 1
    assert min(float(text.get_fontsize()) for text in figure.texts) >= SIZE
    is_print(Path("results/paper/examples.png"))
    # Again: nothing is run, and the bytes are the same; from the stores alone, too.
    before = Path("results/paper/examples.png").read_bytes()
    assert "cells are run" not in run("paper", "examples", *mine)[2]
    assert Path("results/paper/examples.png").read_bytes() == before
    assert run("paper", "examples", "--render", *mine)[0] == 0
    assert Path("results/paper/examples.png").read_bytes() == before


@pytest.mark.slow
def test_ids_choose_the_instances(run: Run, mine: list[str], drawn: list[Figure]) -> None:
    records = Toy(images=4).records()
    first, second = records["id"].iloc[:2]
    assert run("paper", "gains", f"ids={first},{second}", *mine)[0] == 0
    labels = [line for line in said(drawn[0]) if "occlusion" in line]
    assert {line.split()[1].rstrip(",") for line in labels} == {first, second}
    status, _, err = run("paper", "gains", "ids=nobody", *mine)
    assert status == 2 and "nobody" in err and len(err.strip().splitlines()) == 1
    status, _, err = run("paper", "means", f"ids={first}", *mine)
    assert status == 2 and "shows numbers and no instances" in err


@pytest.mark.slow
def test_a_figure_that_was_never_run_says_so_in_one_line(run: Run, mine: list[str]) -> None:
    for name, what in (
        ("examples", "no prediction of these instances"),
        ("scene", "without --render"),
        ("means", "no row has all"),
    ):
        status, _, err = run("paper", name, "--render", *mine)
        assert status == 2 and f"{name}: was never made in results" in err and err.count("\n") == 1
        status, _, err = run("paper", name, "--render", "sample=2", *mine)
        assert status == 2 and what in err.splitlines()[-1]
    assert not list(Path().glob("results/paper/*.png"))


@pytest.mark.slow
def test_a_dry_run_lists_cells_and_draws_nothing(run: Run, mine: list[str], drawn: list[Figure]) -> None:
    status, out, _ = run("paper", "scene", "--dry-run", *mine)
    assert status == 0 and "A scene: 1 cells, 0 done" in out and not drawn


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "heads"), [("scene", (1, 5), "inpainted"), ("steps", (2, 5), "step 4")])
def test_a_model_at_work_is_kept_and_drawn_again_without_it(
    run: Run, mine: list[str], drawn: list[Figure], monkeypatch: pytest.MonkeyPatch, name: str, size: tuple[int, int],
    heads: str,
) -> None:  # fmt: skip
    assert run("paper", name, *mine)[0] == 0
    assert grid_of(drawn[0]) == size and heads in said(drawn[0])
    assert any("occlusion" in line and "tiny" in line for line in said(drawn[0]))
    file = Path(f"results/paper/{name}.png")
    is_print(file)
    before = file.read_bytes()
    monkeypatch.setattr(TuningFree, "predict", lambda *_: pytest.fail("the model is asked again"))
    assert run("paper", name, *mine)[0] == 0 and file.read_bytes() == before
    Path("results").rename("elsewhere")
    assert run("paper", name, "--render", "results=elsewhere", *mine)[0] == 0
    assert Path(f"elsewhere/paper/{name}.png").read_bytes() == before
    Path(f"elsewhere/paper/{name}.npz").write_bytes(b"PK")
    status, _, err = run("paper", name, "--render", "results=elsewhere", *mine)
    assert status != 0 and f"{name}.npz: does not hold a figure's pictures" in err


@pytest.mark.slow
def test_a_scene_shows_the_mask_that_a_run_has(run: Run, mine: list[str]) -> None:
    assert run("paper", "scene", *mine)[0] == 0
    made = at_work.read(Path("results/paper/scene.npz"))
    id = made.label.split()[1].rstrip(",")
    settings = {"dataset.images": 4, "model.steps": 4, "sheet": 0}
    main = amodal_bench.evaluate(model="tiny", settings=settings, results="other").main
    assert np.array_equal(open_run(main.folder).prediction(id), made.arrays["mask"])


@pytest.mark.slow
def test_without_pictures_one_line_says_which_and_why(run: Run, tmp_path: Path) -> None:
    kins.export(tmp_path / "tree/kins", images=2)
    (tmp_path / "conf/table").mkdir(parents=True)
    (tmp_path / "conf/figure").mkdir()
    text = "title: T\nrows: [{name: hull, run: [model=hull]}]\ncolumns: [{name: KINS, run: [dataset=kins]}]"
    (tmp_path / "conf/table/mine.yaml").write_text(text)
    (tmp_path / "conf/figure/rows.yaml").write_text("title: F\nkind: examples\ntable: mine\ncount: 2")
    words = ["paper", "rows", f"data={tmp_path}/tree", "--config-dir", str(tmp_path / "conf")]
    assert run(*words)[0] == 0
    shutil.rmtree(tmp_path / "tree/kins/testing/image_2")
    status, _, err = run(*words, "--render")
    assert status == 2 and "no pictures of KINS" in err and "rows: there is no picture to draw" in err
    shutil.rmtree(tmp_path / "tree/kins")
    status, _, err = run("paper", "rows", "--render", "--config-dir", str(tmp_path / "conf"))
    lines = err.strip().splitlines()
    assert status == 2 and lines[0].startswith("rows: no pictures of KINS: ") and len(lines) == 2


@pytest.mark.slow
def test_without_matplotlib_tables_are_written_and_figures_say_what_to_install(
    run: Run, mine: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf/table/small.yaml").write_text(
        "title: T\nrows: [{name: V, run: [model=visible]}]\n"
        "columns: [{name: toy, run: [dataset=toy, dataset.images=2]}]"
    )
    assert run("paper", "small", *mine)[0] == 0
    assert {file.suffix for file in Path("results/paper").glob("small*")} >= {".csv", ".svg", ".png"}
    for file in Path("results/paper").glob("small.*g"):
        file.unlink()
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    status, _, err = run("paper", "small", *mine)
    assert status == 0 and err.strip().splitlines()[-1].startswith("no chart: a chart: needs matplotlib; install it")
    assert {file.suffix for file in Path("results/paper").glob("small.*")} == {
        ".csv",
        ".md",
        ".tex",
        ".html",
        ".json",
    }
    for name in ("examples", "scene", "means"):
        status, _, err = run("paper", name, *mine)
        assert status == 2 and err.strip().endswith("pip install 'amodal-bench[paper]'")
        assert len(err.strip().splitlines()) == 1


def test_figures_are_listed_with_their_titles(run: Run) -> None:
    status, out, _ = run("paper", "--help")
    assert status == 0
    for name in ("figure1", *(f"figure{k}" for k in range(3, 9))):
        assert f"{name} " in out and f"Figure {name[-1]}," in out


def example(count: int = 1) -> list[Example]:
    """Instances of the toy aquarium with a made prediction each, half right and half wrong, and one that failed."""
    dataset = Toy(images=4)
    records = dataset.records()
    found = []
    for id in choose(records, count, (0.1, 1.0)):
        sample = dataset.sample(id)
        hidden = sample.amodal & ~sample.visible
        wrong = np.zeros_like(hidden)
        wrong[:4, :4] = ~sample.amodal[:4, :4]
        rows = [Predicted("mine", sample.visible | hidden | wrong), Predicted("other", None, "failed")]
        found.append(Example("toy", sample, [*rows, Predicted("third", sample.visible, random=True)]))
    return found


FIGURE = Declared("f", "F", "examples")


@pytest.mark.parametrize("draw", [draw_gains, pytest.param(draw_examples, marks=pytest.mark.slow)])
def test_a_prediction_is_drawn_in_the_colours_of_its_regions(draw: Callable[..., Figure]) -> None:
    (one,) = example()
    regions = compared(one.predicted[0].mask, one.sample.amodal, one.sample.visible)  # type: ignore[arg-type]
    counts = {region: int(mask.sum()) for region, mask in regions.items()}
    assert counts[KEPT] and counts[GAINED] and counts[WRONG] and not counts[MISSED]
    with styled():
        figure = draw(FIGURE, [one])
    assert [text for text in corners(figure) if text] == [
        f"IoU {100 * iou_of(one.predicted[at].mask, one.sample.amodal):.1f} %"  # type: ignore[arg-type]
        for at in (0, 2)
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [region.meaning for region in REGIONS]
    assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes}) == 1
    for region, count in counts.items():
        assert (inked_in(figure, 2, region) > 0) == (count > 0), region.name
    # V alone misses what is hidden.
    assert inked_in(figure, 3, MISSED) and not inked_in(figure, 3, GAINED)
    assert not inked_in(figure, 0, KEPT) and inked_in(figure, 1, KEPT) and inked_in(figure, 4, GAINED)


def inked_in(figure: Figure, place: int, region: Region) -> int:
    """The pixels of a region's colour in one of a figure's pictures."""
    shown: Any = figure.axes[place].images[0]
    return int((np.asarray(shown.get_array()) == rgb(region.colour)).all(axis=-1).sum())


@pytest.mark.slow
def test_a_failed_prediction_says_so_and_a_row_without_any_has_no_column() -> None:
    one, two = example(2)
    partly = Example(
        two.column, two.sample, [two.predicted[0], Predicted("other", two.sample.visible), two.predicted[2]]
    )
    with styled():
        figure = draw_examples(FIGURE, [one, partly])
        assert grid_of(figure) == (2, 6) and "failed" in corners(figure)
        figure = draw_examples(FIGURE, [one])
    assert grid_of(figure) == (1, 5)
    assert "Without predictions: other." in said(figure)
    assert f"IoU {100 * iou_of(one.sample.visible, one.sample.amodal):.1f} %" in corners(figure)


def records_of(rates: Sequence[float], images: Sequence[str]) -> pd.DataFrame:
    ids = [f"i{n}" for n in range(len(rates))]
    return pd.DataFrame({"id": ids, "image_id": list(images), "occlusion_rate": list(rates), "hidden": False})


def test_instances_are_chosen_by_a_seed_and_spread_over_occlusion_rates() -> None:
    rates = np.linspace(0, 1, 200)
    records = records_of(rates.tolist(), [f"p{n // 2}" for n in range(200)])
    found = choose(records, 5, (0.2, 0.8))
    own = records.set_index("id")["occlusion_rate"].loc[found].to_numpy()
    assert len(found) == 5 and (np.diff(own) > 0).all()
    for k, rate in enumerate(own):  # one in each fifth
        assert 0.2 + 0.12 * k - 0.01 <= rate <= 0.2 + 0.12 * (k + 1) + 0.01
    assert choose(records.sample(frac=1, random_state=0), 5, (0.2, 0.8)) == found
    assert choose(records, 5, (0.2, 0.8), seed=1) != found
    assert choose(records.assign(hidden=True), 5, (0, 1)) == [] and choose(records, 5, (2, 3)) == []
    few = records_of([0.1, 0.2, 0.3], ["p", "p", "q"])
    assert choose(few, 9, (0, 1)) == ["i0", "i1", "i2"]
    assert {image for id, image in zip(few["id"], few["image_id"], strict=True) if id in choose(few, 2, (0, 1))} == {
        "p",
        "q",
    }


def test_ids_are_given_as_words_or_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("a\nb\n")
    assert asked_ids("a,b, a") == ["a", "b"] == asked_ids(str(tmp_path / "ids.txt"))
    with pytest.raises(UsageError, match="ids: must be a file"):
        asked_ids(" , ")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(InputError, match="lists no id"):
        asked_ids(str(tmp_path / "empty.txt"))
