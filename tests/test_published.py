"""The ledger of published values: its schema, what it must hold, and how it is listed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import mean

import pytest
from conftest import Run

from amodal_bench.config.compose import choices
from amodal_bench.core.errors import InputError
from amodal_bench.published.ledger import (
    AVERAGE,
    CERTAINTIES,
    ELSEWHERE,
    METRICS,
    STATUSES,
    Published,
    find,
    ledger,
    read_ledger,
    titles,
)

PAPER = ("cocoa", "bsds", "kins", "fishbowl", "sailvos")
"""The datasets of the paper's Table 1."""

TABLE_1 = [each for each in ledger() if (each.source, each.place) == ("tuning-free, AAAI-26", "Table 1")]
ROWS = sorted({(each.method, each.variant) for each in TABLE_1})


@pytest.mark.parametrize("value", ledger(), ids=lambda v: f"{v.method}-{v.dataset}-{v.metric}-{v.value:g}")
def test_a_record_fits_the_schema(value: Published) -> None:
    assert value.protocol_status in STATUSES and value.certainty in CERTAINTIES
    assert value.metric in METRICS and value.method in titles()
    assert 0 < value.value <= (100 if METRICS[value.metric] in ("%", "points") else float("inf"))
    assert value.samples is None or value.samples >= 1
    assert value.protocol in ("", *choices("protocol", []))
    assert value.source or value.note
    if METRICS[value.metric] == "%":
        assert value.dataset in (*choices("dataset", []), AVERAGE, *ELSEWHERE)
    else:
        assert value.dataset == ""


def test_methods_have_the_names_of_the_harness_where_it_has_them() -> None:
    ours = {name for name in choices("model", []) if find(method=name)}
    assert ours == {"visible", "hull", "sam", "sam2", "inpaint_sdxl", "pix2gestalt"}
    # The paper's own rows are named by the method; their variants are the names of the models here.
    backbones = {each.variant.split(" ")[0] for each in find(method="tuning_free")}
    assert backbones == {"sdxl", "sd15", "sd2", "flux"} and backbones <= set(choices("model", []))
    assert set(titles()) == {each.method for each in ledger()}


def test_no_record_stands_twice() -> None:
    assert [each for each, count in Counter(ledger()).items() if count > 1] == []


def test_table_1_is_complete() -> None:
    for method, variant in ROWS:
        on = [each.dataset for each in TABLE_1 if (each.method, each.variant) == (method, variant)]
        whole = sorted([AVERAGE, *PAPER])
        assert sorted(on) == (["bsds", "cocoa"] if method == "inpaint_sdxl" else whole)
    assert len(ROWS) == 8


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] != "inpaint_sdxl"], ids="-".join)
def test_the_average_of_table_1_is_the_plain_mean_of_a_rows_five_values(row: tuple[str, str]) -> None:
    """True of all seven rows that have one: so this is how the paper averages."""
    values = {each.dataset: each.value for each in TABLE_1 if (each.method, each.variant) == row}
    assert round(mean(values[name] for name in PAPER), 1) == values[AVERAGE]


@pytest.mark.parametrize(("method", "variant"), [("pix2gestalt", ""), ("tuning_free", "flux")])
def test_the_gaps_of_figure_4_follow_from_table_1(method: str, variant: str) -> None:
    values = {each.dataset: each.value for each in TABLE_1 if (each.method, each.variant) == (method, variant)}
    gap = mean(values[name] for name in PAPER[:2]) - mean(values[name] for name in PAPER[2:])
    assert [each.value for each in find(method, variant, metric="gap")] == [round(gap, 1)]


def test_values_that_disagree_are_all_there() -> None:
    both = find("tuning_free", "sdxl", "cocoa", "miou")
    assert {(each.value, each.place) for each in both} == {(82.7, "Table 1"), (76.5, "Table 2")}
    assert {each.value for each in find("pix2gestalt", "", "cocoa", "miou")} == {
        82.9, 82.87, 76.9, 77.74, 68.0, 83.17, 85.8,
    }  # fmt: skip
    assert {each.value for each in find("pix2gestalt", "", "kins", "miou")} == {39.2, 81.5}
    assert {each.value for each in find("pix2gestalt", metric="seconds")} == {5.7, 100.0}
    for each in [*both, *find("pix2gestalt", "", "kins", "miou")]:
        assert each.protocol_status == "contradicted" and each.note


def test_a_value_of_the_visible_mask_lies_above_every_row_of_table_1() -> None:
    (visible,) = find("visible", dataset="sailvos")
    assert visible.value == 67.89
    assert all(each.value < visible.value for each in TABLE_1 if each.dataset == "sailvos")


def test_none_means_any() -> None:
    assert find() == ledger()
    assert find(method="nobody") == ()
    assert find(metric="miou", dataset="kins") == tuple(
        each for each in ledger() if each.metric == "miou" and each.dataset == "kins"
    )


GOOD = (
    "method: sam, dataset: kins, metric: miou, value: 40.8, source: a paper, certainty: printed, protocol_status: {}"
)


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        (GOOD.format("unknown").replace("sam,", "sma,"), "method: there is no 'sma'; did you mean 'sam'?"),
        (GOOD.format("unknown").replace("kins", "kinz"), "dataset: there is no 'kinz'; did you mean 'kins'?"),
        (GOOD.format("unknown").replace("miou", "miuo"), "metric: there is no 'miuo'; did you mean 'miou'?"),
        (GOOD.format("unknown").replace("printed", "sure"), "certainty: there is no 'sure'"),
        (GOOD.format("likely"), "protocol_status: there is no 'likely'"),
        (GOOD.format("unknown") + ", protocol: pcnett", "protocol: there is no 'pcnett'; did you mean 'pcnet'?"),
        (GOOD.format("unknown") + ", protocol: pcnet", "protocol: must be empty where its status is unknown"),
        (GOOD.format("assumed"), "protocol: must be named where its status is assumed"),
        (GOOD.format("contradicted"), "note: must say what contradicts it"),
        (GOOD.format("unknown").replace("40.8", "140.8"), "value: 140.8 must be at most 100"),
        (GOOD.format("unknown").replace("40.8", "high"), "value: 'high' must be a number > 0"),
        (GOOD.format("unknown") + ", samples: 0", "samples: 0 must be a whole number >= 1"),
        (GOOD.format("unknown") + ", pages: 3", "pages: unknown field; did you mean 'page'?"),
        (GOOD.format("unknown") + ", page: 3", "page: 3 must be text"),
        (
            GOOD.format("unknown") + ", page: p. 3",
            "page: 'p. 3' must be a page of the source, such as 5 or 5872-5880",
        ),
        (
            GOOD.format("unknown").replace("source: a paper,", "note: a,") + ", page: '3'",
            "page: '3' must be a page of",
        ),
        (GOOD.format("unknown") + ", place: 3", "place: 3 must be text"),
        (GOOD.format("unknown").replace("dataset: kins, ", ""), "dataset: must be named for miou"),
        (GOOD.format("unknown").replace("source: a paper, ", ""), "source: must be given"),
    ],
)
def test_a_record_that_does_not_fit_is_named_in_one_line(tmp_path: Path, record: str, wrong: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"methods: {{sam: SAM}}\nvalues:\n- records:\n  - {{{GOOD.format('unknown')}}}\n  - {{{record}}}\n"
    )
    with pytest.raises(InputError) as caught:
        read_ledger(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: values[0].records[1]: {wrong}") and "\n" not in said


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("values: []", "must have a mapping `methods` and a list `values`"),
        ("methods: {}\nvalues: [1]", "values[0]: must be a mapping with a list `records`"),
        ("methods: {}\nvalues: [{records: [1]}]", "values[0].records[0]: must be a mapping"),
        ("values: [", "is not YAML"),
    ],
)
def test_a_file_that_is_not_a_ledger_is_named_in_one_line(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_ledger(file)
    assert str(caught.value).startswith(f"{file}: {wrong}") and "\n" not in str(caught.value)


def test_the_list_shows_every_value_of_a_cell(run: Run) -> None:
    status, out, err = run("published", "--dataset", "cocoa", "--method", "tuning_free", "--variant", "sdxl")
    assert (status, err) == (0, "")
    assert "82.7 %" in out and "76.5 %" in out and "Table 1" in out and "Table 2" in out
    assert out.count("Table 1, pages 5872-5880") == out.count("Table 2, pages 5872-5880") == 1
    assert out.endswith("2 values in 1 cells; 1 cells have several\n")
    assert run("published", "list", "--method=sam2", "--metric", "miou")[1].count("sam2 ") == 6


def test_without_options_the_list_has_every_value_and_cells_lie_together(run: Run) -> None:
    status, out, err = run("published")
    assert (status, err) == (0, "") and len(out.splitlines()) == len(ledger()) + 4
    rows = [tuple(line.split()[:2]) for line in out.splitlines() if line.startswith("sam ")]
    assert len(rows) == len(find(method="sam"))
    on_cocoa = [n for n, line in enumerate(out.splitlines()) if line.startswith("sam ") and " cocoa " in line]
    assert on_cocoa[1] == on_cocoa[0] + 1
    unpaged = sum(not each.page for each in ledger())
    assert unpaged > 0 and out.endswith(f"\nof {unpaged} no page is recorded\n")


def test_every_value_that_a_paper_prints_has_the_page_or_is_said_to_have_none() -> None:
    """A page is of the table itself, or the paper's first and last; what nobody here has seen has none."""
    pages = {(each.source, each.page) for each in ledger() if each.certainty == "printed"}
    assert pages == {
        ("tuning-free, AAAI-26", "5872-5880"),
        ("pix2gestalt, CVPR 2024", "3931-3940"),
        ("C2F-Seg, ICCV 2023", "1262-1271"),
        ("Diffusion-VAS, CVPR 2025", "5"),
        ("SDAmodal, CVPR 2024", ""),
    }
    (one,) = find("diffusion_vas", "", "sailvos", "miou")
    assert (one.paged, find("plug")[0].paged) == ("page 5", "")


def test_a_narrow_window_has_a_paragraph_for_each_value(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amodal_bench.cli.published.listing.room", lambda: 80)
    out = run("published", "--dataset=kins", "--method=pix2gestalt")[1]
    assert out.startswith(
        "pix2gestalt on kins: miou 39.2 %\n  printed: tuning-free, AAAI-26, Table 1, pages 5872-5880\n"
    )
    assert "  protocol samba (contradicted)\n" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--dataset kinss", "--dataset kinss: has no published value; did you mean 'kins'?"),
        ("--method tuning-free", "--method tuning-free: has no published value; did you mean 'tuning_free'?"),
        ("--metric miuo", "--metric miuo: has no published value; did you mean 'miou'?"),
        ("--method sam --variant sdxl", "--method sam --variant sdxl: no published value has all of these"),
    ],
)
def test_a_name_without_a_value_is_answered(run: Run, words: str, said: str) -> None:
    status, out, err = run("published", *words.split())
    assert (status, out) == (2, "") and err.startswith(f"error: {said}") and err.count("\n") == 1


def test_help_shows_the_verbs(run: Run) -> None:
    status, out, err = run("published", "--help")
    assert (status, err) == (0, "") and out.startswith("Usage: amodal-bench published")
    assert run("published", "help")[1] == out
