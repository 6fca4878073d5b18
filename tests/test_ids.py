"""Lists of ids: what a protocol selects can be printed, run again, and told from another selection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import composed

from amodal_bench.cli.data.command import main as data
from amodal_bench.cli.results.table import collect
from amodal_bench.config.build import build
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.ids import among, is_listable, label, read_ids
from amodal_bench.datasets.toy import Toy
from amodal_bench.evaluation.command import evaluate
from amodal_bench.metrics.selection import select
from amodal_bench.report.outcome import Outcome

Bench = Callable[..., Outcome]
TOY = ("model=hull", "dataset.images=4")


def listed(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


# Files and labels


def test_comments_blanks_and_repetitions_are_ignored_whatever_the_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbf# made by hand\r\nb-2\r\n\r\n  a-1  \r\n  # more\r\nb-2\r\nimage 7, region 2\r\n")
    assert read_ids(file) == ["b-2", "a-1", "image 7, region 2"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file of ids"),
        (b"# nothing\n\n", "lists no id"),
        (b"\xff\x00\xff", r"not a text file \(byte 0 is not UTF-8\)"),
        ("1\n2\n".encode("utf-16"), "no list of ids: it is text in UTF-16; save it in UTF-8"),
        (b"<!DOCTYPE html>\n<p>log in", r"no list of ids: it is a web page \(HTML\)"),
    ],
)
def test_a_file_that_is_no_list_is_one_line(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "ids.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"ids\.txt: {problem}.*amodal-bench data ids"):
        read_ids(file)


def test_the_label_is_the_documented_digest_in_any_order() -> None:
    digest = hashlib.sha256(b"a\nb\nc").hexdigest()[:12]
    assert label(["b", "c", "a"]) == label(("a", "b", "c")) == f"3:{digest}"
    assert label(["a", "b"]) != label(["a", "c"])


@pytest.mark.parametrize(("id", "fits"), [("7-1", True), ("a b", True), ("", False), ("#7", False), ("7 ", False)])
def test_ids_that_a_list_would_change_are_known(tmp_path: Path, id: str, fits: bool) -> None:
    assert is_listable(id) is fits
    assert (read_ids(listed(tmp_path, "other", id)) == ["other", id]) is fits


# The command


@pytest.mark.slow
def test_the_printed_list_selects_the_same_instances_again(
    tmp_path: Path, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data(["ids", "dataset.images=4", "protocol.filter.min_occlusion=0.1"]) == 0
    printed = capsys.readouterr().out
    comments = [line for line in printed.splitlines() if line.startswith("# ")]
    ids = [line for line in printed.splitlines() if not line.startswith("# ")]
    records = Toy("test", 4).records()
    assert ids == records.loc[~records["stuff"] & (records["occlusion_rate"] >= 0.1), "id"].tolist()
    assert comments[:3] == [
        "# dataset: toy",
        f"# fingerprint: {Toy('test', 4).fingerprint()}",
        "# protocol: instance@2 with filter.min_occlusion=0.1",
    ]
    assert "min_occlusion 0.1" in comments[3]
    assert comments[4:6] == [f"# count: {len(ids)}", f"# ids: {label(ids)}"]
    left = int(records["stuff"].sum())
    assert comments[6] == f"# left out: {left} for stuff, {len(records) - left - len(ids)} for occlusion rate"
    outcome = bench(*TOY, f"ids={listed(tmp_path, printed)}")
    assert outcome.main.instances()["id"].tolist() == sorted(ids)
    assert outcome.ids == label(ids) and outcome.excluded == {}


@pytest.mark.slow
def test_a_limit_is_said_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert data(["ids", "dataset.images=3", "limit=2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "# limit: the first 2" in printed
    assert len([line for line in printed if not line.startswith("#")]) == 2


def test_a_wrong_override_of_the_ids_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert data(["ids", "protocol=poled"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: protocol=poled: there is no such choice; did you mean 'pooled'?"
    )


# A run with a list


@pytest.mark.slow
def test_the_file_is_the_explicit_list(tmp_path: Path, bench: Bench) -> None:
    """Stuff, which the protocol would leave out, is run where it is listed; the index gives the order."""
    records = Toy("test", 4).records()
    wanted = [*records.loc[records["stuff"], "id"].head(2), records.loc[~records["stuff"], "id"].iloc[-1]]
    outcome = bench(*TOY, f"ids={listed(tmp_path, *reversed(wanted))}")
    assert outcome.main.records["id"].tolist() == [id for id in records["id"] if id in wanted]
    assert set(outcome.main.instances()["id"]) == set(wanted)
    assert outcome.main.errors().empty
    limited = bench(*TOY, f"ids={tmp_path / 'ids.txt'}", "limit=1")
    assert limited.main.records["id"].tolist() == outcome.main.records["id"].tolist()[:1]


@pytest.mark.slow
def test_hidden_instances_are_left_out_of_the_list_and_counted(tmp_path: Path) -> None:
    class Half(Toy):
        def records(self) -> pd.DataFrame:
            records = super().records()
            return records.assign(hidden=[n % 2 == 0 for n in range(len(records))])

    dataset = Half("test", 2)
    ids = dataset.records()["id"].tolist()
    protocol = build(composed().protocol, "protocol")
    chosen, excluded = select(dataset, protocol, listed(tmp_path, *ids[:4]))
    assert chosen["id"].tolist() == [ids[1], ids[3]]
    assert excluded == {"hidden": 2}
    with pytest.raises(ConfigError, match=r"ids\.txt selects no instance of toy \(1 for hidden\)"):
        select(dataset, protocol, listed(tmp_path, ids[0]))


def test_unknown_ids_are_one_line_with_the_first_of_them_and_their_number(tmp_path: Path) -> None:
    known = Toy("test", 1).records()["id"].iloc[0]
    wrong = [f"7-{n}" for n in range(5)]
    file = listed(tmp_path, *wrong, known)
    with pytest.raises(InputError) as caught:
        evaluate(composed(*TOY, f"results={tmp_path}", f"ids={file}"))
    assert str(caught.value).startswith(f"{file}: 5 of its 6 ids are not in toy: 7-0, 7-1, 7-2, ...; was it made for")


# What the list does to results


@pytest.mark.slow
def test_the_selection_stands_in_every_result_and_not_in_the_identity(bench: Bench) -> None:
    few, whole = bench(*TOY, "limit=3"), bench(*TOY)
    assert few.main.folder == whole.main.folder
    assert few.ids.startswith("3:") and few.ids != whole.ids
    table = whole.table()
    assert table["ids"].tolist() == [label(whole.main.records["id"])] * len(table)
    summaries = [few.main.score_folder / "summary.csv", whole.main.score_folder / "summary.csv"]
    assert [pd.read_csv(file)["ids"].unique().tolist() for file in summaries] == [[few.ids], [whole.ids]]


@pytest.mark.slow
def test_an_instance_that_cannot_be_read_is_in_nobodys_list(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bench(*TOY).main
    lost = whole.records["id"].iloc[0]
    sample = Toy.sample

    def broken(self: Toy, id: str) -> object:
        if id == lost:
            raise InputError("toy", "lost", "find it", id)
        return sample(self, id)

    monkeypatch.setattr(Toy, "sample", broken)
    again = bench(*TOY, "seed=1").main
    assert again.errors()["kind"].tolist() == ["unreadable"]
    assert again.ids == label(set(whole.records["id"]) - {lost})


@pytest.mark.slow
def test_collect_keeps_a_baseline_for_each_selection_it_was_scored_on(tmp_path: Path, bench: Bench) -> None:
    """The baseline's run is shared by both commands; its numbers belong to two sets of instances."""
    bench("model=hull", "dataset.images=4", "limit=3")
    bench("model=visible", "dataset.images=4")
    table = collect(tmp_path / "results")
    rows = table[(table["model"] == "visible") & (table["protocol"] == "instance@2")]
    assert rows["run"].nunique() == 1
    assert sorted(rows["instances"]) == [3, len(bench(*TOY).main.records)]
    assert rows["ids"].nunique() == 2


@pytest.mark.slow
def test_tables_from_before_the_column_can_still_be_collected(tmp_path: Path, bench: Bench) -> None:
    bench(*TOY)
    for file in (tmp_path / "results" / "runs").glob("*/scores/*/summary.csv"):
        pd.read_csv(file).drop(columns="ids").assign(run="0123456789e5").to_csv(file, index=False)
    table = collect(tmp_path / "results")
    assert set(table["ids"]) == {""}
    assert set(table["run"]) == {"0123456789e5"}  # not the number it looks like


def test_among_tells_which_ids_are_wanted_as_isin_does() -> None:
    ids = pd.Series(["b", "a", "c", "a"], index=[7, 3, 5, 9])
    for wanted in (["a", "x"], {"c"}, [], pd.Series(["a", "b"])):
        assert among(ids, wanted).tolist() == ids.isin(list(wanted)).tolist()
    assert among(pd.Series([7, 8]), ["8"]).tolist() == [False, True], (
        "numbers are compared as the texts they print as"
    )
