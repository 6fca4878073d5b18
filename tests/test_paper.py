"""The paper's tables: what is declared, which runs it needs, and what stands in its cells."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from indexes import pictures
from params import mostly_slow

import amodal_bench
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import ConfigError, InputError, UsageError
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.protocols import ScoringProtocol, shipped
from amodal_bench.paper.against import against, source_of, value_of
from amodal_bench.paper.cells import Cell, Plan, adapted, cells
from amodal_bench.paper.estimate import (
    COUNTED,
    H200,
    REACHED,
    duration,
    estimates,
    in_words,
    seconds_of_an_instance,
)
from amodal_bench.paper.frozen import read_plan, register, require_registered
from amodal_bench.paper.gather import Value, gather
from amodal_bench.paper.grid import Grid
from amodal_bench.paper.index import pages_of, write_index
from amodal_bench.paper.prepared import recalled
from amodal_bench.paper.record import is_done, read
from amodal_bench.paper.sample import sampled
from amodal_bench.paper.table import Line, Shown, Table, load_table, names
from amodal_bench.paper.tex import escaped, latex
from amodal_bench.paper.verdict import Verdict, of_cells
from amodal_bench.paper.written import FULL, HEADS, STYLE, grids, markdown, notes, page, write_table
from amodal_bench.published.ledger import find

MINE = """
title: Mine, 50 % of <all> & more
rows:
  - {name: V, run: [model=visible]}
  - {name: hull, run: [model=hull]}
  - {name: "file | of_mine", run: [model=predictions, model.path=nowhere.json]}
columns:
  - {name: first, run: [dataset=toy, dataset.images=2]}
  - {name: second, run: [dataset=toy, dataset.images=2, dataset.seed=1]}
shown:
  - {name: mIoU, number: miou}
  - {name: AP, number: ap, protocol: [protocol=coco_ap]}
average: mean of both
"""


@pytest.fixture
def mine(tmp_path: Path) -> list[str]:
    """Words that add a table of one's own, `mine`."""
    (tmp_path / "conf/table").mkdir(parents=True)
    (tmp_path / "conf/table/mine.yaml").write_text(MINE)
    return ["--config-dir", str(tmp_path / "conf")]


def table_of(folder: Path, name: str = "mine") -> Any:
    """A written table by row, column and number."""
    return pd.read_csv(folder / "paper" / f"{name}.csv").set_index(["row", "column", "number"])


@pytest.mark.parametrize("name", mostly_slow(names(), 1))
def test_every_cell_of_every_table_composes(name: str) -> None:
    """Under the plans that a user can ask for, the settings of the first and the last cell are settings of a run."""
    table = load_table(name)
    for plan in (Plan(), Plan(toy=True), Plan(weights="random", data=Path("/data"))):
        found = cells(adapted(table, plan), plan)
        assert len(found) == len({(cell.row, cell.column) for cell in found})
        for cell in (found[0], found[-1]):
            settings = compose(cell.command, [])
            if plan.toy:
                assert settings.dataset["_target_"].endswith("Toy")
                weights = str(settings.model.get("weights", "package:"))
                assert weights.startswith(("package:", "random:")), weights
            elif plan.data:
                assert settings.dataset["root"].startswith("/data/")


def test_the_rows_of_table_1_have_the_published_values() -> None:
    table = load_table("table1")
    values = [
        Value(row.name, column.name, "mIoU", missing="not run") for row in table.rows for column in table.columns
    ]
    values += [Value(row.name, "average", "mIoU", missing="not run") for row in table.rows]
    beside = against(table, values)
    cell = [
        each.published.value
        for each in beside
        if (each.ours.row, each.ours.column) == ("tuning-free, SDXL", "COCO-A")
    ]
    assert cell == [82.7, 76.5]
    mean = [each.published.value for each in beside if (each.ours.row, each.ours.column) == ("SAM2", "average")]
    assert mean == [60.5]
    assert {each.verdict.partition(";")[0] for each in beside} == {"no value"}


@pytest.mark.slow
def test_a_table_is_run_written_and_not_run_twice(run: Run, mine: list[str], tmp_path: Path) -> None:
    status, out, err = run("paper", "mine", *mine)
    assert status == 1 and "6 of 6 cells are run" in err  # a cell failed
    table = table_of(Path("results"))
    for model, row in (("visible", "V"), ("hull", "hull")):
        means = []
        for seed, column in ((0, "first"), (1, "second")):
            settings = {"dataset.images": 2, "dataset.seed": seed, "sheet": 0}
            expected = amodal_bench.evaluate(model=model, settings=settings, results="other").main.summary().iloc[0]
            means.append(expected["miou"])
            found = table.loc[row, column, "mIoU"]
            assert found["value"] == pytest.approx(expected["miou"])
            assert (found["low"], found["high"]) == pytest.approx((expected["miou_low"], expected["miou_high"]))
            assert (found["ids"], found["protocol"]) == (expected["ids"], "instance@2")
            assert 0 < table.loc[row, column, "AP"]["value"] <= 1
        mean = table.loc[row, "mean of both", "mIoU"]
        assert mean["value"] == pytest.approx(np.mean(means))
        two = table.loc[[(row, "first", "mIoU"), (row, "second", "mIoU")]]
        below = np.sqrt(((two["value"] - two["low"]) ** 2).sum()) / 2
        assert mean["low"] == pytest.approx(mean["value"] - below) and mean["high"] > mean["value"]
    failed = table.loc["file | of_mine", "first", "mIoU"]
    assert failed["missing"].startswith("failed: ") and "nowhere.json" in failed["missing"]
    assert table.loc["file | of_mine", "mean of both", "mIoU"]["missing"] == "lacks first, second"
    assert "| file \\| of_mine | failed | failed | failed | failed | - | - |" in out
    # Only what failed is tried again; what is written is the same.
    before = (Path("results") / "paper/mine.csv").read_bytes()
    status, _, err = run("paper", "mine", *mine)
    assert (
        status == 1 and "2 of 6 cells are run" in err and (Path("results") / "paper/mine.csv").read_bytes() == before
    )
    # Elsewhere, without a dataset, from stores alone, and without the table's own file.
    shutil.move("results", tmp_path / "elsewhere")
    status, out, err = run("paper", "mine", "--render", "results=elsewhere", *mine)
    assert status == 1 and err == "" and (tmp_path / "elsewhere/paper/mine.csv").read_bytes() == before
    (tmp_path / "elsewhere/paper/mine.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine\.json: does not describe a table"):
        recalled(tmp_path / "elsewhere", "mine")


@pytest.mark.slow
def test_a_larger_sample_keeps_what_a_smaller_one_has_run(run: Run, mine: list[str]) -> None:
    assert run("paper", "mine", "sample=3", *mine)[0] == 1
    small = table_of(Path("results"))
    assert small.loc["V", "first", "mIoU"]["sampled"] and small.loc["V", "first", "mIoU"]["instances"] >= 3
    (store,) = [
        file for file in Path("results/runs").glob("toy-visible-*/run.json") if '"images": 2' in file.read_text()
    ][:1]
    begun = json.loads(store.read_text())["dates"]["begun"]
    _, out, _ = run("paper", "mine", "sample=7", *mine)
    large = table_of(Path("results"))
    assert large.loc["V", "first", "mIoU"]["run"] == small.loc["V", "first", "mIoU"]["run"]
    assert large.loc["V", "first", "mIoU"]["instances"] >= 7
    assert json.loads(store.read_text())["dates"]["begun"] == begun
    assert "~ of a sample of the instances" in out, out
    # Back to the smaller one: its own numbers, out of the larger run.
    assert run("paper", "mine", "sample=3", "--render", *mine)[0] == 1
    pd.testing.assert_frame_equal(table_of(Path("results")), small)


def test_a_sample_is_whole_images_spread_over_occlusion_and_part_of_every_larger_one() -> None:
    rng = np.random.default_rng(0)
    records = pictures(rng.choice([0.0, 0.1, 0.3, 0.6, 0.9], 1000).repeat(3), each=3)
    protocol = shipped("instance")
    assert isinstance(protocol, ScoringProtocol)
    small, large = (sampled(records, protocol, wanted) for wanted in (300, 900))
    assert set(small) <= set(large) and 300 <= len(small) < 303 and 900 <= len(large) < 903
    taken = records[records["id"].isin(small)]
    assert (taken.groupby("image_id").size() == 3).all()
    share = taken["occlusion_rate"].value_counts(normalize=True)
    assert (share - records["occlusion_rate"].value_counts(normalize=True)).abs().max() < 0.02
    assert sampled(records, protocol, 300, seed=1) != small
    assert sampled(records, protocol, 10**6) == records["id"].to_list()


@pytest.mark.slow
def test_the_best_is_marked_where_every_paired_gain_is_decisive(tmp_path: Path) -> None:
    """On 24 scenes V is far above the hull; a row beside its own copy is the best of nothing."""
    settings = {"dataset.images": 24, "sheet": 0}
    amodal_bench.evaluate(model="hull", settings=settings, results=str(tmp_path))
    plan = Plan(overrides=["dataset.images=24"])
    apart = Table(
        "t", "t", [Line("V", ["model=visible"]), Line("hull", ["model=hull"])], [Line("toy", ["dataset=toy"])]
    )
    from amodal_bench.paper.launch import launch

    launch(cells(apart, plan), tmp_path, [], [], ["test"])
    assert [value.best for value in gather(apart, cells(apart, plan), tmp_path)] == [True, False]
    twice = Table("t", "t", [*apart.rows, Line("V again", ["model=visible"])], apart.columns)
    assert not any(value.best for value in gather(twice, cells(twice, plan), tmp_path))
    assert all(is_done(tmp_path, read(tmp_path, cell.key)) for cell in cells(twice, plan))


def test_the_documented_times_are_those_that_are_told() -> None:
    """The time of Table 1 on one H200: measured, 20 steps of one pass or two; or by the operations of the network."""
    page_ = (Path(__file__).parents[1] / "docs/reproducing.md").read_text(encoding="utf-8")
    head = next(line for line in page_.splitlines() if line.startswith("| model | seconds | COCO-A, "))
    counts = [int(number.replace(",", "")) for number in re.findall(r", ([\d,]+) \|", head)]
    assert len(counts) == 4
    seconds = {}
    for name, passes in {"SD1.5": 40, "SD2": 40, "SDXL": 40, "Flux": 40, "Kandinsky": 40, "Inpaint-SDXL": 20}.items():
        one_pass, encode, decode = H200[name.lower().replace(".", "").replace("-", "_")]
        seconds[name] = passes * one_pass + encode + decode, "measured"
    for name, passes in {"pix2gestalt": 3 * 200 * 2, "SAM": 0, "SAM2": 0}.items():
        one_pass, rest = COUNTED[name.lower()]
        seconds[name] = (passes * one_pass + rest) / REACHED, "counted"
    for name, (each, known) in seconds.items():
        times = " | ".join(in_words(each * count) for count in counts)
        (line,) = [line for line in page_.splitlines() if re.match(rf"\| {re.escape(name)} (\(|\| 0)", line)]
        assert line.endswith(f" | {each:.2g} | {times} | {known} |")


def test_what_was_not_measured_is_estimated_from_operations_and_every_draw_counts() -> None:
    settings = {"steps": 200, "guidance": 2.0, "samples": 3}
    cell = Cell("pix2gestalt", "BSDS-A", ["model=pix2gestalt", "dataset=bsds"])
    one, source = seconds_of_an_instance(cell, [], settings, 1)
    assert source == "one H200, from operations" and one is not None
    assert one == pytest.approx((1200 * 0.176 + 2.4) / 198)
    two, _ = seconds_of_an_instance(cell, [], settings, 2)
    assert two == pytest.approx(2 * one)
    measured, source = seconds_of_an_instance(Cell("SD2", "toy", ["model=sd2"]), [], {"steps": 20}, 3)
    assert source == "one H200, without a segmenter" and measured == pytest.approx(3 * 0.098, rel=0.01)
    assert seconds_of_an_instance(Cell("V", "toy", ["model=visible"]), [], {}, 1) == (None, "")


def test_the_times_of_an_h200_are_those_that_were_measured_there() -> None:
    """One pass a step, of which an instance has 20; the file is what the benchmark wrote on the card."""
    file = Path(__file__).parents[1] / "benchmarks/measured/gpu-h200.jsonl"
    for line in file.read_text(encoding="utf-8").splitlines():
        measured = json.loads(line)
        if "--guidance" in measured["args"]:
            continue
        one_pass, *rest = H200[measured["args"][0]]
        stages = measured["result"]["families"][0]["stages"]
        found = [stages["denoise"]["median"] / 20, stages["encode"]["median"], stages["decode"]["median"]]
        assert [one_pass, *rest] == pytest.approx(found, rel=0.01)
        assert measured["result"]["environment"]["device"] == "NVIDIA H200"


def test_the_verdict_has_two_parts() -> None:
    table = Table(
        "t",
        "t",
        [Line("ours", published={"method": "tuning_free", "variant": "sdxl"})],
        [Line("COCO-A", published={"dataset": "cocoa"})],
        [Shown("mIoU", published={"metric": "miou"})],
    )
    inside = Value("ours", "COCO-A", "mIoU", 0.76, 0.75, 0.77)
    found = {each.published.value: each for each in against(table, [inside])}
    assert found[76.5].inside and found[76.5].difference == pytest.approx(-0.5)
    assert found[82.7].inside is False and found[82.7].verdict.startswith("outside; protocol ")
    for value in found.values():
        (record,) = [each for each in find("tuning_free", "sdxl", "cocoa") if each.value == value.published.value]
        assert value.verdict.endswith(record.protocol_status)
    random = Value("ours", "COCO-A", "mIoU", 0.76, 0.75, 0.77, random=True)
    assert {each.verdict.partition(";")[0] for each in against(table, [random])} == {"random weights"}
    assert {each.inside for each in against(table, [random])} == {None}


def parsed_latex(text: str) -> list[list[list[str]]]:
    """Tables of cells out of LaTeX, with every character accounted for; raises where a compiler would stop."""
    body = "\n".join(line for line in text.split("\n") if not line.startswith(("%", "\\providecommand")))
    found = []
    for columns, inner in re.findall(
        r"\\begin\{tabular\}\{((?:[lr]|p\{\S+?\})+)\}\n(.*?)\\end\{tabular\}", body, re.DOTALL
    ):
        rules = re.findall(r"\\(top|mid|bottom)rule", inner)
        assert rules == ["top", "mid", "bottom"]
        lines = [line for line in inner.split("\n") if line and not line.endswith("rule")]
        rows = []
        for line in lines:
            assert line.endswith(r" \\")
            cells_ = re.split(r"(?<!\\)&", line.removesuffix(r" \\"))
            assert len(cells_) == len(re.sub(r"\{.*?\}", "", columns))
            for cell in cells_:
                plain = re.sub(r"\\text(bf|backslash|asciitilde|asciicircum|less|greater|asciigrave|bar)\b", "", cell)
                plain = re.sub(r"\\[&%$#_{}]|\$\\pm\$|\\cellragged |\\allowbreak|(?<=,)~(?=[\d.]+\])", "", plain)
                assert not re.search(r"[&%$#_~^\\<>`|]", plain), cell
                assert plain.count("{") == plain.count("}")
            rows.append([cell.strip().removeprefix("\\cellragged ") for cell in cells_])
        found.append(rows)
    assert body.count(r"\begin{") == body.count(r"\end{") == len(found)
    return found


HOSTILE = ["a & b", "50 %", "x_y^2", "{open", "~5 \\ $1", "<b>", "`|#±", "= 1+1"]


def test_every_format_holds_the_same_cells_whatever_their_text() -> None:
    part = Grid("A <title> & more_", ["", *HOSTILE], [["row", *HOSTILE]], frozenset({(0, 1)}))
    (rows,) = parsed_latex(latex([part], ["note 5 %"]))
    assert rows[0][1:] == [escaped(text) for text in HOSTILE] and rows[1][1] == f"\\textbf{{{escaped(HOSTILE[0])}}}"
    lines = markdown([part], ["note"]).splitlines()
    assert re.split(r"(?<!\\)\|", lines[4])[2].strip() == "**a & b**"
    assert len(re.split(r"(?<!\\)\|", lines[4])) == len(HOSTILE) + 3
    shown = page(load_table("table1"), [part], ["a < b"])
    assert "<td><b>a &amp; b</b></td>" in shown and "&lt;b&gt;" in shown and "<p>a &lt; b</p>" in shown


def test_a_page_of_all_tables_leads_to_the_pages_of_their_runs(tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = results / "paper"
    for run in ("toy-model-0123456789ab/page", "toy-# %-ba9876543210"):
        (results / "runs" / run).mkdir(parents=True)
    (results / "runs/toy-model-0123456789ab/page/index.html").touch()
    pages = pages_of(results)
    assert pages == {"0123456789ab": "../runs/toy-model-0123456789ab/page/index.html"}
    values = [
        Value("row", "toy", number, 0.5, clusters=30, run=run, best=True)
        for number, run in (("mIoU", "0123456789ab"), ("<b>", "ba9876543210"))
    ]
    for name in ("table10", "table2", "table-views"):
        table = Table(name, f"Title of {name} & more", [Line("row")], [Line("toy")])
        write_table(folder, table, values, [], pages)
    text = write_index(folder, STYLE).read_text()
    assert re.findall(r'<h2 id="([\w-]+)">', text) == ["table2", "table10", "table-views"]
    assert re.findall(r'<a href="#([\w-]+)">Title of \1 &amp; more</a>', text) == ["table2", "table10", "table-views"]
    link = '<td><a href="../runs/toy-model-0123456789ab/page/index.html"><b>50.0</b></a></td>'
    assert text.count(link) == 3 and text.count("<td><b>50.0</b></td>") == 3 and "&lt;b&gt;" in text
    before = text
    assert write_index(folder, STYLE).read_text() == before, "the page is no table of its own"


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("tectonic") is None and shutil.which("pdflatex") is None, reason="there is no TeX here"
)
def test_latex_compiles(tmp_path: Path) -> None:
    import subprocess

    values = ["82.7 [81.9, 83.5]", "~100.0 [100.0, 100.0]*", "-", "failed"]
    names = [
        "tuning-free, SDXL",
        "[x] 日本 αβ ✓",
        "* Ünïcode ąłß “—” ‰",
        "a/path/of_somebody/with/no/space/at/all.json",
    ]
    compared = ["tuning-free, SDXL", "SAIL-VOS", values[0], "82.87 (split test) (best of 3)", "-12.3",
                "outside; protocol contradicted", "Tuning-Free Amodal Segmentation, Table 1, copied"]  # fmt: skip
    body = latex(
        [
            Grid("A title", ["", *HOSTILE], [["row", *HOSTILE], *([name, *HOSTILE] for name in names)]),
            Grid("Wide", ["", *(f"column {k}" for k in range(11))], [[name, *(values * 3)[:11]] for name in names]),
            Grid("Published values", HEADS, [compared] * 40),
            Grid("High", ["row", "value"], [["a", "1"]] * 60),
            Grid("Capitals", ["", "COCO-A", "BSDS-A", "KINS", "FishBowl", "SAIL-VOS", "average"],
                 [["visible mask", *["~98.0*"] * 6]]),
        ],
        ["note 日"],
    )  # fmt: skip
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + body + "\\end{document}\n"
    )
    program = shutil.which("tectonic") or shutil.which("pdflatex")
    assert program
    subprocess.run([program, "t.tex"], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    log = tmp_path / "t.log"
    said = log.read_text(errors="replace") if log.exists() else ""  # tectonic keeps none
    assert not re.findall(r"Overfull \\vbox|Overfull \\hbox \(\d\d", said), "a table runs off the page"


def test_a_wide_table_is_folded_and_stands_in_blocks_with_its_rows_names() -> None:
    cells_ = [f"{k}.7 [{k}.1, {k}.9]" for k in range(11)]
    wide = latex([Grid("Wide", ["", *map(str, range(11))], [["tuning-free", *cells_]], frozenset({(0, 1)}))], [])
    blocks = parsed_latex(wide)
    assert len(blocks) == 2 and all(rows[1][0].endswith("tuning-free") for rows in blocks)
    assert sum(len(rows[1]) - 1 for rows in blocks) == 11 and "\\textbf{0.7 [0.1,~0.9]}" in blocks[0][1][1]
    shares = [[float(share) for share in re.findall(r"p\{([\d.]+)", line)] for line in wide.split("begin")[1:]]
    assert all(0.5 < sum(own) < 1 for own in shares)


def test_any_sign_is_one_that_every_engine_takes() -> None:
    assert escaped("é Ł β ✓ “x”") == r"\'{e} \L{} $\beta$ $\surd$ ``x''"
    assert escaped("日") == r"\orcode{日}{U+65E5}" and escaped("ą").startswith(r"\orcode{ą}")
    assert r"\providecommand{\orcode}" in latex([Grid("t", ["日"], [["[x]"]])], [])
    assert "\n{}[x] " in latex([Grid("t", ["a"], [["[x]"]])], [])


def test_random_rows_stand_apart_and_gaps_say_why() -> None:
    table = Table("t", "Title", [Line("real"), Line("random"), Line("none")], [Line("toy")])
    values = [
        Value("real", "toy", "mIoU", 0.5, 0.4, 0.6, 30, 20, ids="10:abc", protocol="instance@2", sampled=True),
        Value("random", "toy", "mIoU", 0.9, 0.8, 1.0, 10, random=True, ids="10:abc", protocol="instance@2"),
        Value("none", "toy", "mIoU", missing="failed: no weights; fetch them"),
    ]
    first, second = grids(table, values, [])
    assert [row[0] for row in first.rows] == ["real", "none"] and first.rows[0][1] == "~50.0 [40.0, 60.0]"
    assert [row[0] for row in second.rows] == ["random"] and second.title.startswith("Random weights")
    assert "failed: no weights; fetch them: none / toy." in notes(table, values)


def test_every_number_says_whether_it_is_of_a_sample() -> None:
    table = Table("t", "Title", [Line("a")], [Line("toy")])
    full = Value("a", "toy", "mIoU", 0.5, 0.4, 0.6, 30, 20, ids="10:abc")
    assert [line for line in notes(table, [full]) if "sample" in line] == [FULL]
    some = notes(table, [full, replace(full, number="AP", sampled=True)])
    assert [line for line in some if "sample" in line] == [
        "~ of a sample of the instances; all others of all of them."
    ]
    assert not any("sample" in line for line in notes(table, [Value("a", "toy", "mIoU", missing="not run")]))


def test_no_number_of_random_weights_stands_beside_a_published_one(tmp_path: Path) -> None:
    lines = [Line("random", published={"method": "sam"}), Line("real", published={"method": "sam2"})]
    table = Table("t", "T", lines, [Line("KINS", published={"dataset": "kins"})],
                  [Shown("mIoU", published={"metric": "miou"})])  # fmt: skip
    values = [
        Value("random", "KINS", "mIoU", 0.41, 0.4, 0.42, random=True),
        Value("real", "KINS", "mIoU", 0.47, clusters=20),
    ]
    beside = against(table, values)
    said = [row[:6] for row in grids(table, values, beside)[-1].rows]
    assert said == [
        ["real", "KINS", "47.0", "46.9", "+0.1", "no interval; protocol unknown"],
        ["random", "KINS", "", "40.8", "", "random weights; protocol unknown"],
    ]
    write_table(tmp_path, table, values, beside)
    written = pd.read_csv(tmp_path / "t_published.csv").set_index("row")
    assert written.loc["random", ["ours", "low", "high", "difference"]].isna().all()
    assert written.loc["real", "ours"] == pytest.approx(47)
    # Seconds are no shares.
    lines = [Line("SD2", published={"method": "tuning_free", "variant": "sd2"})]
    table = Table("c", "C", lines, table.columns, [Shown("s", "seconds", published={"metric": "seconds"})])
    values = [Value("SD2", "KINS", "s", 0.5, cost=True)]
    write_table(tmp_path, table, values, against(table, values))
    (cost,) = pd.read_csv(tmp_path / "c_published.csv").to_dict("records")
    assert (cost["ours"], cost["difference"]) == (0.5, pytest.approx(0.2))


def test_rows_that_score_alike_throughout_are_named_once() -> None:
    table = Table("t", "Title", [Line(name) for name in "abcd"], [Line("toy")])
    values = [
        Value(row, "toy", number, 0.5, counts=counts)
        for row, counts in zip("abcd", ("x", "y", "x", ""), strict=True)
        for number in ("mIoU", "occluded mIoU")
    ]
    assert [line for line in notes(table, values) if "Alike" in line] == ["Alike in every instance: a; c (toy)."]
    assert not any("Alike" in line for line in notes(table, values[2:4]))


@pytest.mark.slow
def test_what_will_be_run_is_told_before(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data/cocoa").mkdir(parents=True)
    status, out, err = run("paper", "table2", "--dry-run", f"data={tmp_path / 'data'}")
    assert (status, err) == (0, "") and "4 cells, 0 done" in out
    assert "one H200, without a segmenter" in out and "weights" in out and not Path("results").exists()
    status, out, _ = run("paper", "table2", "--dry-run", "dataset.root=nowhere")
    # What is missing stands once: the dataset, and each network by itself.
    found = [line for line in out.splitlines() if line.startswith("(")]
    assert [line.split()[1] for line in found] == [
        "nowhere:", "diffusers/stable-diffusion-xl-1.0-inpainting-0.1:", "facebook/sam-vit-huge:",
    ] and "nowhere: the folder of COCO-A does not exist" in found[0]  # fmt: skip
    assert sum(line.endswith("(1) (2) (3)") for line in out.splitlines()) == 4


@pytest.mark.slow
def test_the_time_of_an_instance_is_that_of_earlier_runs_or_of_an_h200(tmp_path: Path) -> None:
    plan = Plan(overrides=["dataset.images=1"])
    table = Table("t", "t", [Line("V", ["model=visible"])], [Line("toy", ["dataset=toy"])])
    from amodal_bench.paper.launch import launch

    (before,) = estimates(cells(table, plan), tmp_path, [])
    assert before.seconds is None and not before.done
    launch(cells(table, plan), tmp_path, [], [], ["test"])
    (after,) = estimates(cells(table, plan), tmp_path, [])
    assert after.done and after.seconds and 0 < after.seconds < 5 and after.source == "measured here"
    real = Table("t", "t", [Line("SDXL", ["model=sdxl"])], [Line("KINS", ["dataset=kins"])])
    (guess,) = estimates(cells(real, Plan()), tmp_path, [])
    # The paper's w needs two passes a step; 0.943 s were measured with them on an H200.
    assert guess.seconds == pytest.approx(0.943, rel=0.05)


@pytest.mark.slow
def test_a_budget_becomes_a_sample(run: Run, mine: list[str]) -> None:
    text = Path(mine[1]) / "table/mine.yaml"
    text.write_text(
        MINE.replace('  - {name: "file | of_mine", run: [model=predictions, model.path=nowhere.json]}\n', "")
    )
    status, _, err = run("paper", "mine", "budget=1h", *mine)
    assert status == 2 or status == 1
    assert "what an instance of V on first takes is not known; run it once with sample=50" in err
    assert run("paper", "mine", "sample=3", *mine)[0] == 0
    status, _, err = run("paper", "mine", "budget=2h", *mine)
    assert status == 0 and re.search(
        r"budget 2 h: instances \d+ of first, \d+ of second, .* stored; intervals of about ±\d", err
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("8h", 28800), ("90m", 5400), ("2d", 172800), ("1.5h", 5400), ("30s", 30)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds
    assert in_words(seconds)


@pytest.mark.parametrize("text", ["8", "h", "-1h", "8x", "nanh", "0h", "infh", "1h2"])
def test_what_is_no_duration_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^budget: "):
        duration(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tabel1"], "there is no such verb; did you mean 'table1'?"),
        (["table1", "toy=maybe"], "toy=maybe: must be 1 or 0"),
        (["table1", "sample=0"], "sample=0: must be a whole number >= 1"),
        (["table1", "sample=3", "budget=8h"], "sample and budget: only one of them can be given"),
        (["table1", "weights=rnd"], "weights=rnd: did you mean 'random'?"),
        (["table1", "data=nowhere"], "there is no such folder"),
        (["table1", "results="], "results=: must be a folder"),
        (["table1", "--dry-run", "hydra/launcher=nope"], "nope"),
        (["figure5", "--dry-run", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "n_jobs=0: must be how many"),
        (["table1", "--render", "--dry-run"], "--render and --dry-run: only one of them can be given"),
        (["table1", "nonsense"], "nonsense"),
        (["table1", "toy=1", "sample=2", "model=tiny"], "model=tiny: table1 sets model itself"),
        (["table1", "toy=1", "sample=2", "dataset=kins"], "dataset=kins: table1 sets dataset itself"),
        (["table1", "toy=1", "sample=2", "protocol.errors=exclude"], "table1 sets protocol.errors itself"),
        (["table1", "toy=1", "sample=2", "++results=other"], "++results=other: table1 sets results itself"),
        (["table1", "toy=1", "--render", "results=nowhere"], "results=nowhere: there is no such folder"),
    ],
)
def test_a_mistake_is_one_line(run: Run, words: list[str], said: str) -> None:
    status, _, err = run("paper", *words)
    assert status == 2 and said in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: x\nrows: []\ncolumns: [{name: a}]\n", "must have rows, columns and shown"),
        ("title: x\nrows: [{nam: a}]\ncolumns: [{name: a}]\n", "nam: is not known; did you mean 'name'?"),
        ("title: x\nrows: [3]\ncolumns: [{name: a}]\n", "3: must be a mapping with name"),
        ("rows: [{name: a}]\ncolumns: [{name: a}]\n", "bad.yaml: title is missing"),
        ("title: x\nrows: [{run: []}]\ncolumns: [{name: a}]\n", "{'run': []}: name is missing"),
        ("title: x\nrows: [{name: a, published: {method: samm}}]\ncolumns: [{name: a}]\n", "did you mean 'sam'"),
        ("title: x\nrows: [{name: a, published: {by: sam}}]\ncolumns: [{name: a}]\n", "by: is not known"),
        ("title: x\nrows: [{name: a, published: sam}]\ncolumns: [{name: a}]\n", "must be a mapping"),
        ("title: x\nrows: [{name: a}, {name: a}]\ncolumns: [{name: a}]\n", "'a' stands there twice"),
        (
            'title: x\nrows: [{name: "a\\nb"}]\ncolumns: [{name: a}]\n',
            r"'a\nb' must be one line of text, and not empty",
        ),
        ('title: x\nrows: [{name: a}]\ncolumns: [{name: ""}]\n', "name: '' must be one line of text, and not empty"),
        ("title: x\nrows: [{name: 3}]\ncolumns: [{name: a}]\n", "name: 3 must be one line of text"),
        ("title: x\nrows: [{name: a}]\ncolumns: [{name: a}]\nshown: [{name: ' '}]\n", "name: ' ' must be one line"),
        ("", "is not a table: it must be a mapping"),
        ("- a\n", "is not a table: it must be a mapping"),
        (
            "title: x\nrows: [{name: a, run: [results=other]}]\ncolumns: [{name: a}]\n",
            "a: results=other: cannot be set",
        ),
        ("title: x\nrows: [{name: a}]\ncolumns: [{name: b, run: [++sheet=3]}]\n", "b: ++sheet=3: cannot be set"),
        ("title: x\nrun: [hydra/launcher=joblib]\nrows: [{name: a}]\ncolumns: [{name: b}]\n", "give it on the comma"),
        ("{", "is not a table"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table/bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_table("bad", [tmp_path])
    assert said in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="there is no such table; did you mean 'bad'"):
        load_table("bda", [tmp_path])


@pytest.mark.slow
def test_all_tables_are_made_on_the_toy_aquarium(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing, with the shipped model and small random ones; the second call runs no cell.

    Two tables stand for all sixteen, which take minutes: `make paper toy=1` makes them.
    """
    some = {name: file for name, file in names().items() if name in ("table2", "table-draws")}
    assert len(some) == 2
    monkeypatch.setattr("amodal_bench.paper.table.names", lambda config_dirs=(): some)
    monkeypatch.setattr("amodal_bench.paper.figures.declared.figure_names", lambda config_dirs=(): {})
    status, _, err = run("paper", "all", "toy=1", "sample=2")
    assert status == 0, err
    for name in some:
        for ending in ("csv", "md", "tex", "html"):
            assert (Path("results/paper") / f"{name}.{ending}").stat().st_size > 100
        parsed_latex((Path("results/paper") / f"{name}.tex").read_text())
    assert len(Toy().records()) > len(table_of(Path("results"), "table2"))
    status, _, err = run("paper", "all", "toy=1", "sample=2")
    assert status == 0 and "cells are run" not in err


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [["joblib", "hydra.launcher.n_jobs=2"], ["submitit_local"]])
def test_cells_run_side_by_side(run: Run, mine: list[str], launcher: list[str]) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher[0].split('_')[0]}_launcher")
    assert run("paper", "mine", *mine)[0] == 1
    before = (Path("results") / "paper/mine.csv").read_bytes()
    shutil.rmtree("results")
    status, _, err = run("paper", "mine", f"hydra/launcher={launcher[0]}", *launcher[1:], *mine)
    assert status == 1, err
    assert (Path("results") / "paper/mine.csv").read_bytes() == before


@pytest.mark.slow
def test_a_row_that_cannot_be_composed_fails_alone(run: Run, mine: list[str]) -> None:
    file = Path(mine[1]) / "table/mine.yaml"
    file.write_text(MINE.replace("model=predictions, model.path=nowhere.json", "modl=hull"))
    status, out, _ = run("paper", "mine", "--dry-run", *mine)
    assert status == 0 and out.count("did you mean 'model'") == 1
    status, out, err = run("paper", "mine", *mine)
    assert status == 1 and "failed: file | of_mine / first: modl" in err
    assert "| file \\| of_mine | failed | failed | failed | failed | - | - |" in out
    assert table_of(Path("results")).loc["hull", "second", "mIoU"]["missing"] != "failed"
    # What no cell can be composed with is one line.
    status, out, err = run("paper", "mine", "sed=1", *mine)
    assert status == 2 and out == "" and err.splitlines()[1].startswith("error: sed: unknown key")
    file.with_name("other.yaml").write_text(MINE.replace("number: miou", "number: miuo"))
    status, out, err = run("paper", "other", *mine)
    assert status == 2 and out == "" and "mIoU: instance@2 has no number miuo; did you mean 'miou'" in err


@pytest.mark.slow
def test_a_ratio_is_the_cost_of_another_row_by_ones_own(run: Run, mine: list[str]) -> None:
    shown = "  - {name: s, number: seconds}\n  - {name: times, number: speed_ratio, to: V}\n"
    file = Path(mine[1]) / "table/mine.yaml"
    file.write_text(MINE.replace("shown:\n", f"shown:\n{shown}").replace("average: mean of both\n", ""))
    assert run("paper", "mine", *mine)[0] == 1
    table = table_of(Path("results"))["value"]
    assert table["V", "first", "times"] == 1
    assert table["hull", "first", "times"] == pytest.approx(table["V", "first", "s"] / table["hull", "first", "s"])


@pytest.mark.slow
def test_a_ratio_to_random_weights_is_not_told_of_a_real_row(run: Run, mine: list[str]) -> None:
    shown = "  - {name: s, number: seconds}\n  - {name: times, number: speed_ratio, to: small}\n"
    small = "  - {name: small, run: [model=random/sam]}\n"
    text = MINE.replace("shown:\n", f"shown:\n{shown}").replace("average: mean of both\n", "")
    (Path(mine[1]) / "table/mine.yaml").write_text(text.replace("rows:\n", f"rows:\n{small}"))
    assert run("paper", "mine", *mine)[0] == 1  # a row fails
    table = table_of(Path("results"))
    assert table.loc["V", "first", "times"]["missing"] == "small has random weights here"
    assert not table.loc["V", "first", "s"]["random"] and table.loc["small", "first", "times"]["value"] == 1
    assert Path("results/paper/mine.png").is_file()


PLANNED = """
title: Planned
rows:
  - {name: V, run: [model=visible], published: {method: visible}}
  - {name: SAM, run: [model=sam], published: {method: sam}}
columns:
  - {name: first, run: [dataset=toy, dataset.images=2], published: {dataset: sailvos}}
average: mean
shown:
  - {name: mIoU, number: miou, published: {metric: miou}}
"""


@pytest.fixture
def planned(mine: list[str]) -> list[str]:
    """Words that add a table with published values, `planned`."""
    (Path(mine[1]) / "table/planned.yaml").write_text(PLANNED)
    return mine


def planned_verdicts(
    run: Run, words: list[str], file: str = "plan.yaml", column: str = "first"
) -> tuple[int, list[str]]:
    status, out, _ = run("paper", "verdict", file, *words)
    lines = [line for line in out.splitlines() if line.startswith(("V ", "SAM "))]
    return status, [line for line in lines if line.split()[1] == column]


@pytest.mark.slow
def test_a_plan_is_frozen_before_its_runs_and_judged_afterwards(run: Run, planned: list[str]) -> None:
    status, plan, err = run("paper", "plan", "planned", "tolerance=40", *planned)
    assert status == 0 and "2 cells, of which 1 cannot be planned: their weights or data are missing" in err
    Path("plan.yaml").write_text(plan)
    assert "not run" in planned_verdicts(run, planned)[1][0]
    run("paper", "planned", *planned)
    status, (visible, sam) = planned_verdicts(run, planned)
    # V is given as 67.89 by one paper; 40 points are enough for the toy's.
    assert status == 1 and visible.endswith("held") and "not planned: " in sam
    # So is the average, which says which of its cells was not as planned.
    _, (nothing, average) = planned_verdicts(run, planned, column="mean")
    assert nothing.endswith("nothing was published") and "60.5" not in average and "first: not planned: " in average
    # A stricter plan after the run is not one before it; and one that is edited has lost its seal.
    late = run("paper", "plan", "planned", "tolerance=0", *planned)[1]
    Path("late.yaml").write_text(late)
    assert "run before the plan, or by another one" in planned_verdicts(run, planned, "late.yaml")[1][0]
    Path("edited.yaml").write_text(plan.replace("tolerance: 40.0", "tolerance: 50.0"))
    status, _, err = run("paper", "verdict", "edited.yaml", *planned)
    assert status == 1 and "edited.yaml: was changed after it was made" in err and err.count("\n") == 1
    for text in ("", "- 1", "seal: x", "{"):
        Path("edited.yaml").write_text(text)
        status, _, err = run("paper", "verdict", "edited.yaml", *planned)
        assert status == 1 and "is not a plan" in err and err.count("\n") == 1


@pytest.mark.slow
def test_what_a_strict_plan_denies_did_not_hold(run: Run, planned: list[str]) -> None:
    Path("plan.yaml").write_text(run("paper", "plan", "planned", "tolerance=0", *planned)[1])
    run("paper", "planned", *planned)
    status, (visible, _) = planned_verdicts(run, planned)
    value = table_of(Path("results"), "planned").loc["V", "first", "mIoU"]
    held = value["low"] <= 0.6789 <= value["high"]
    assert status == 1 and visible.endswith("held" if held else "did not hold")
    # The protocol is another one than was planned.
    other = PLANNED.replace("number: miou", "number: miou, protocol: [protocol=instance, protocol.errors=exclude]")
    (Path(planned[1]) / "table/planned.yaml").write_text(other)
    assert run("paper", "verdict", "plan.yaml", *planned)[0] == 1  # the plan's own table counts


@pytest.mark.slow
def test_another_run_than_planned_is_told(run: Run, planned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from amodal_bench.runner import identity

    Path("plan.yaml").write_text(run("paper", "plan", "planned", "tolerance=40", *planned)[1])
    monkeypatch.setattr(identity, "__version__", "9.9.9")
    run("paper", "planned", *planned)
    assert "another run than planned: amodal_bench changed" in planned_verdicts(run, planned)[1][0]


@pytest.mark.parametrize(
    ("whats", "cell"),
    [
        ([("held", True), ("did not hold", True)], "held"),  # values that contradict each other
        ([("did not hold", True), ("held", False)], "did not hold"),  # a printed one counts before a copied one
        ([("did not hold", False), ("held", False)], "held"),
        ([("did not hold", True)], "did not hold"),
        ([("nothing was published", False)], "nothing was published"),
        ([("not run", False)], "without a verdict"),  # whether a value was published for it or not
        ([("run before the plan, or by another one", True)], "without a verdict"),
    ],
)
def test_a_cell_holds_where_one_of_its_printed_values_does(whats: list[tuple[str, bool]], cell: str) -> None:
    found = [Verdict("r", "c", "n", "1", "1", what, printed=printed) for what, printed in whats]
    assert of_cells(found) == [cell] and of_cells([*found, Verdict("r", "c", "m", "", "", "held")]) == [cell, "held"]


def test_a_verdict_names_the_folder_in_which_the_plan_is_not(tmp_path: Path) -> None:
    plan = {"seal": "0" * 64}
    with pytest.raises(UsageError, match=f"results={tmp_path}: this plan is not noted there; give the folder of"):
        require_registered(tmp_path, plan)
    register(tmp_path, plan)
    require_registered(tmp_path, plan)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a plan: it has no table, cells and seal; make one with"),
        ("- 1", "is not a plan: it has no table, cells and seal"),
        ("seal: x", "is not a plan: it has no table;"),
        ("{", "is not a plan: it is not valid YAML (while parsing a flow node)"),
        ("[" * 1000, "is not a plan: it is not valid YAML"),
        ("{table: 1, tolerance: 1, made: 2020-01-01, protocols: 1, cells: 1, seal: x}", "its seal does not fit"),
        (None, "no such file; check the path"),
    ],
)
def test_what_is_no_plan_is_said_in_plain_words(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "plan.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError) as refused:
        read_plan(file)
    assert said in str(refused.value) and "NoneType" not in str(refused.value) and "Errno" not in str(refused.value)


def test_a_published_value_is_told_with_split_and_source() -> None:
    (value,) = [each for each in find("pix2gestalt", dataset="cocoa") if each.value == 83.17]
    assert (value_of(value), source_of(value)) == ("83.17 (split test)", "source not recorded, secondhand")


@pytest.mark.parametrize("word", ["tolerance=x", "tolerance=-1", "tolerance=nan", "tolerance=100"])
def test_a_tolerance_is_points(run: Run, planned: list[str], word: str) -> None:
    status, _, err = run("paper", "plan", "planned", word, *planned)
    assert status == 2 and f"{word}: must be a number of points from 0 to 100" in err


@pytest.mark.slow
def test_a_cell_whose_data_have_changed_is_run_again(run: Run, tmp_path: Path) -> None:
    """A dataset's annotations, a file that a setting names, and files of a user's folder; nothing else."""
    from amodal_bench.testing.export.kins import export

    export(tmp_path / "kins", "test", 2)
    (tmp_path / "conf/table").mkdir(parents=True)
    (tmp_path / "conf/table/one.yaml").write_text(
        "title: One\nrows: [{name: hull, run: [model=hull]}]\ncolumns: [{name: KINS, run: [dataset=kins]}]\n"
    )
    words = ["paper", "one", f"dataset.root={tmp_path / 'kins'}", "--config-dir", str(tmp_path / "conf")]
    assert "1 of 1 cells are run" in run(*words)[2]
    assert "cells are run" not in run(*words)[2]
    first = table_of(Path("results"), "one").loc["hull", "KINS", "mIoU"]
    file = tmp_path / "kins/update_test_2020.json"
    said = json.loads(file.read_text())
    said["annotations"] = said["annotations"][:-1]
    file.write_text(json.dumps(said))
    assert "1 of 1 cells are run" in run(*words)[2]
    assert table_of(Path("results"), "one").loc["hull", "KINS", "mIoU"]["instances"] == first["instances"] - 1
    assert "cells are run" not in run(*words)[2]
    assert "1 of 1 cells are run" in run(*words, "again=1")[2]
    (tmp_path / "conf/mine.py").write_text("X = 1\n")
    assert "1 of 1 cells are run" in run(*words)[2]


@pytest.mark.slow
def test_a_sample_that_was_damaged_is_written_again_and_is_never_scored(run: Run, mine: list[str]) -> None:
    assert run("paper", "mine", "sample=3", *mine)[0] == 1
    before = table_of(Path("results"))
    for file in Path("results/paper/ids").iterdir():
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    _, out, err = run("paper", "mine", "--render", *mine)
    assert "lists other ids than its name says" in out and "Traceback" not in err
    run("paper", "mine", "sample=3", *mine)
    pd.testing.assert_frame_equal(table_of(Path("results")), before)
    for file in Path("results/paper/ids").iterdir():
        file.unlink()
    _, out, err = run("paper", "mine", "--render", *mine)
    assert "no such file of ids" in out and "Traceback" not in err


@pytest.mark.slow
def test_what_was_never_run_replaces_no_table(run: Run, mine: list[str]) -> None:
    assert run("paper", "mine", *mine)[0] == 1
    before = Path("results/paper/mine.csv").read_bytes()
    status, _, err = run("paper", "mine", "--render", "seed=5", *mine)
    assert status == 2 and "none of its cells has been run with these words" in err
    assert Path("results/paper/mine.csv").read_bytes() == before
    Path("afile").touch()
    for words in (["results=afile"], ["results=/proc/x"]):
        status, _, err = run("paper", "mine", *words, *mine)
        assert status in (1, 2) and err.count("\n") == 1


@pytest.mark.slow
def test_a_plan_counts_only_predictions_that_were_begun_after_it(run: Run, planned: list[str]) -> None:
    run("paper", "planned", *planned)
    (file,) = Path("results/runs").glob("toy-visible-*/run.json")
    said = json.loads(file.read_text())
    said["dates"]["begun"] = "2020-01-01T00:00:00+00:00"
    file.write_text(json.dumps(said))
    Path("plan.yaml").write_text(run("paper", "plan", "planned", "tolerance=40", *planned)[1])
    shutil.rmtree("results/paper/cells")
    run("paper", "planned", *planned)
    assert "its predictions were begun before the plan" in planned_verdicts(run, planned)[1][0]
