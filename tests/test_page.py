"""`amodal-bench results page`: what its files hold, that they are the same again, and what is refused."""

from __future__ import annotations

import base64
import json
import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_runs import Things, shifted, store_run, things

from amodal_bench.api.load import load_protocol
from amodal_bench.api.page import Page, make_page
from amodal_bench.api.reopen import dataset_of
from amodal_bench.api.runs import Run, open_run
from amodal_bench.cli.results.command import main as command
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.rle import decode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Sample
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.colours import REGIONS
from amodal_bench.report.page import masks
from amodal_bench.report.page.folder import SCRIPTS, STATIC, script
from amodal_bench.report.page.pictures import name_of, shrunk
from amodal_bench.report.page.scripts import literal, packed
from amodal_bench.report.summary import REFERENCE
from amodal_bench.runner.store import Row, Store

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&<!--\u2028\u202egpj"


@cache
def protocol() -> ScoringProtocol:
    """The default one; to compose it takes longer than a page."""
    return load_protocol("instance")


def written(folder: Path, data: Things, answers: Sequence[Any], dataset: Any = None, **settings: Any) -> Page:
    """The page of a run for each answer, which takes A and gives a mask or an error."""
    runs = []
    for number, answer in enumerate(answers):
        home = folder / f"run{number}"
        if not home.exists():
            predicted = {id: [answer(facts[3])] for id, facts in data.instances.items()}
            store_run(home, f"model{number}", data, predicted)
        runs.append(open_run(home))
    return make_page(runs, protocol(), folder / "page", dataset, **settings)


def parsed(file: Path) -> Any:
    """The value in a file's call: what stands in its brackets is JSON."""
    call = re.fullmatch(r"amodalPage\.\w+\((.*)\);\n", file.read_text("ascii"))
    assert call is not None
    return json.loads(f"[{call[1]}]")


def numbers(packed: Sequence[str]) -> list[float]:
    kind, text = packed
    content = base64.b64decode(text)
    return [float(each) for each in struct.unpack(f"<{len(content) // 4}{'f' if kind == 'f32' else 'I'}", content)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def same(amodal: Mask) -> Mask:
    return amodal


def off(amodal: Mask) -> Mask:
    return shifted(amodal, 3)


def failing(_: Mask) -> str:
    return HOSTILE


def test_nothing_in_a_script_is_obeyed_by_a_parser_of_html() -> None:
    text = literal({"id": HOSTILE})
    assert json.loads(text) == {"id": HOSTILE}
    assert text.isascii() and not set(text) & set("<>&")
    with pytest.raises(ValueError, match="JSON"):
        literal(float("nan"))


def test_numbers_are_packed_as_they_are() -> None:
    assert numbers(packed([0.25, 0.5], "f32")) == [0.25, 0.5]
    assert numbers(packed(np.array([7, 1 << 31]), "u32")) == [7, 1 << 31]
    assert np.isnan(numbers(packed([np.nan], "f32"))[0])


@pytest.mark.slow
def test_the_columns_are_the_runs_numbers(tmp_path: Path) -> None:
    data = things(6)
    page = written(tmp_path, data, [same, off, failing], data)
    (index,) = parsed(tmp_path / "page" / "index.data.js")
    assert page.instances == 6 and index["ids"] == sorted(data.instances) and index["draws"] == 1
    assert index["lacking"] == ""
    assert [run["letter"] for run in index["runs"]] == ["A", "B", "C"]
    facts = [data.instances[id] for id in index["ids"]]
    assert numbers(index["pixels"]) == [float(a.sum()) for *_, a, _ in facts]
    assert numbers(index["visible_iou"]) == pytest.approx([v.sum() / a.sum() for *_, a, v in facts])
    assert numbers(index["rate"]) == pytest.approx([1 - v.sum() / a.sum() for *_, a, v in facts], abs=1e-6)
    assert set(numbers(index["runs"][0]["iou"])) == {1.0}
    hidden = [bool((a & ~v).any()) for *_, a, v in facts]
    occluded = [(off(a) & a & ~v).sum() / ((off(a) | a) & ~v).sum() if h else np.nan for h, (*_, a, v) in zip(
        hidden, facts, strict=True)]  # fmt: skip
    assert numbers(index["runs"][1]["occluded_iou"]) == pytest.approx(occluded, nan_ok=True)
    assert set(numbers(index["runs"][2]["error"])) == {1.0} and set(numbers(index["runs"][0]["error"])) == {0.0}
    kind, text = index["errors"][1]
    assert kind == "failed" and "\u202e" not in text and "\\u202e" in text
    titles = [table["title"] for table in index["tables"]]
    assert titles[0].startswith("The instances of this page") and "By occlusion rate, %" in titles
    assert any(title.startswith("Differences to A: all instances") for title in titles)


@pytest.mark.slow
def test_masks_travel_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "CHUNK", 4)
    data = things(6)
    written(tmp_path, data, [same, off], data)
    folder, ids = tmp_path / "page" / "masks", sorted(data.instances)
    assert sorted(file.name for file in folder.iterdir()) == [
        "annotated_0.js", "annotated_1.js", "predicted_0.js", "predicted_1.js"
    ]  # fmt: skip
    found = [parsed(folder / f"{kind}_{n}.js") for n in range(2) for kind in ("annotated", "predicted")]
    assert [each[:2] for each in found] == [["annotated", 0], ["predicted", 0], ["annotated", 1], ["predicted", 1]]
    both = [[*first, *second] for k in (0, 2) for first, second in zip(found[k][3], found[k + 1][3], strict=True)]
    for id, rles in zip(ids, both, strict=True):
        *_, amodal, visible = data.instances[id]
        for rle, mask in zip(rles, (visible, amodal, amodal, off(amodal)), strict=True):
            assert np.array_equal(decode({"size": list(mask.shape), "counts": rle}, *mask.shape), mask)


def test_the_same_call_writes_the_same_bytes_and_no_picture_again(tmp_path: Path) -> None:
    data = things(4)
    first = written(tmp_path, data, [same], data)
    before = contents(tmp_path / "page")
    stats = {file: file.stat().st_mtime_ns for file in (tmp_path / "page").rglob("*")}
    assert (first.reused, first.pictures) == (0, 2)
    again = written(tmp_path, data, [same], Sealed(data, ()))
    assert (again.reused, again.pictures) == (4, 2)
    assert contents(tmp_path / "page") == before
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "page").rglob("*")} == stats


@pytest.mark.slow
def test_an_interrupted_page_is_completed(tmp_path: Path) -> None:
    data, folder = things(4), tmp_path / "page"
    written(tmp_path, data, [same], data)
    before = contents(folder)
    picture = next(iter(sorted((folder / "pictures" / "small").iterdir()))).relative_to(folder)
    for name in ("index.data.js", "masks/annotated_0.js", picture):
        (folder / name).unlink()
        written(tmp_path, data, [same], data)
        assert contents(folder) == before, name
    (folder / "masks" / "predicted_7.js").touch()
    written(tmp_path, data, [same], data)
    assert contents(folder) == before, "what an earlier page had of more instances is gone"


@dataclass(frozen=True)
class Sealed:
    """A dataset of which only some samples can be read."""

    data: Things
    readable: Sequence[str] | None = None
    image: Any = None

    @property
    def name(self) -> str:
        return self.data.name

    def records(self) -> Any:
        return self.data.records()

    def fingerprint(self) -> str:
        return self.data.fingerprint()

    def check(self) -> Sequence[Any]:
        return []

    def sample(self, id: str) -> Sample:
        if self.readable is not None and id not in self.readable:
            raise InputError("a.jpg", "is cut off", "fetch it again", id)
        return self.data.sample(id) if self.image is None else replace(self.data.sample(id), image=self.image)


def test_a_picture_that_is_none_costs_itself(tmp_path: Path) -> None:
    data = things(2)
    page = written(tmp_path, data, [same], Sealed(data, image=np.zeros((24, 20), complex)))
    assert (page.unreadable, page.pictures) == (1, 0)
    *_, found = parsed(tmp_path / "page" / "masks" / "annotated_0.js")
    assert len(found[1]) == 2 and "its picture cannot be shown" in found[0][2] and found[0][0] is not None
    (index,) = parsed(tmp_path / "page" / "index.data.js")
    assert index["pictures"] == [""] and index["annotated"]


def test_a_sample_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    data = things(4)
    page = written(tmp_path, data, [same], Sealed(data, ("id-001", "id-003")))
    assert (page.unreadable, page.pictures) == (2, 2), "the other instance of each image has the picture"
    *_, found = parsed(tmp_path / "page" / "masks" / "annotated_0.js")
    assert found[0][:2] == [None, None] and "is cut off" in found[0][2] and len(found[1]) == 2


@pytest.mark.parametrize("readable", [0, 2])
def test_what_no_run_could_read_is_listed_all_the_same(tmp_path: Path, readable: int) -> None:
    data = things(4)
    home = store_run(tmp_path / "run0", "a", data, {id: [same(facts[3])] for id, facts in data.instances.items()})
    with Store(home / "store.sqlite") as store:
        store.write([Row(id, "a.jpg is cut off") for id in sorted(data.instances)[readable:]])
    page = written(tmp_path, data, [same], data)
    assert page.instances == 4 and page.unreadable == 4 - readable
    (index,) = parsed(tmp_path / "page" / "index.data.js")
    assert index["errors"][1:] == [["unreadable", "a.jpg is cut off"]]
    assert numbers(index["runs"][0]["error"]) == [0.0] * readable + [1.0] * (4 - readable)
    assert numbers(index["pixels"])[readable:] == [0.0] * (4 - readable)
    *_, found = parsed(tmp_path / "page" / "masks" / "predicted_0.js")
    assert found[readable:] == [[None]] * (4 - readable)


@pytest.mark.slow
def test_without_a_dataset_the_page_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = things(4)
    written(tmp_path, data, [same], data)
    assert command(["page", str(tmp_path / "run0"), "-o", str(tmp_path / "page")]) == 0
    printed = capsys.readouterr().out
    assert (
        "without pictures: " in printed
        and "does not say how its dataset is opened; give dataset=NAME with" in printed
    )
    (index,) = parsed(tmp_path / "page" / "index.data.js")
    assert not index["annotated"] and "does not say how its dataset is opened" in index["why"]
    assert written(tmp_path, data, [same], data).reused == 4, "what there was is kept for when the dataset is back"


def test_a_dataset_of_ones_own_is_asked_for_in_the_shells_words(tmp_path: Path) -> None:
    own = {"_target_": "mine.Own"}
    home = store_run(tmp_path / "run", "a", things(1), {}, dataset=own)
    with pytest.raises(UsageError, match=r"'mine.Own' .*; --config-dir FOLDER adds one of yours"):
        dataset_of(open_run(home), [])
    with pytest.raises(UsageError, match=r"in these folders of configurations; give dataset=NAME"):
        dataset_of(open_run(home), [tmp_path])


@pytest.mark.slow
def test_runs_of_other_instances_are_refused_or_joined(tmp_path: Path) -> None:
    data = things(6)
    fewer = replace(data, instances=dict(list(data.instances.items())[:4]))
    home = store_run(tmp_path / "a", "a", data, {id: [same(facts[3])] for id, facts in data.instances.items()})
    other = store_run(tmp_path / "b", "b", fewer, {id: [off(facts[3])] for id, facts in fewer.instances.items()})
    runs = [open_run(home), open_run(other)]
    with pytest.raises(UsageError, match="compare runs of one dataset"):
        make_page(runs, protocol(), tmp_path / "page")
    assert not (tmp_path / "page").exists()
    joined = make_page(runs, protocol(), tmp_path / "page", common=True)
    assert (joined.instances, joined.left_out) == (4, 2)


@pytest.mark.slow
def test_the_row_of_v_is_the_one_of_the_runs_seed_and_stands_once(tmp_path: Path) -> None:
    data = things(4)
    v = {id: [facts[4]] for id, facts in data.instances.items()}
    for age, seed in enumerate((0, 1)):
        made = store_run(tmp_path / f"v{seed}", "visible", data, v, deterministic=True, target=REFERENCE, seed=seed)
        os.utime(made / "run.json", (1e9 + age, 1e9 + age))  # the sweep's later run is the newer one
    runs = []
    for seed in (0, 1):
        predicted = {id: [same(facts[3])] for id, facts in data.instances.items()}
        runs.append(open_run(store_run(tmp_path / f"run{seed}", f"own{seed}", data, predicted, seed=seed)))

    def models(*given: Run) -> list[str]:
        make_page(given, protocol(), tmp_path / "page")
        (index,) = parsed(tmp_path / "page" / "index.data.js")
        return [row[1] for row in index["tables"][0]["rows"]]

    assert models(runs[0]) == ["visible", "own0"]
    assert models(*runs) == ["visible", "own0", "own1 seed=1"]
    assert models(open_run(tmp_path / "v1"), runs[0]) == ["visible seed=1", "own0"], "V is one of the runs"


@pytest.mark.slow
def test_what_was_not_run_is_counted_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = things(6)
    predicted = {id: [same(facts[3])] for id, facts in list(data.instances.items())[:4]}
    home = store_run(tmp_path / "run", "a", data, predicted)
    assert make_page([open_run(home)], protocol(), tmp_path / "page").missing == 2
    (index,) = parsed(tmp_path / "page" / "index.data.js")
    assert index["lacking"].startswith("2 of the instances that instance@") and "run has not run" in index["lacking"]
    assert command(["page", str(home), "-o", str(tmp_path / "page"), "--no-pictures"]) == 0
    assert "not run, and not on the page: 2 instances" in capsys.readouterr().out


def test_a_folder_of_other_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = things(2)
    home = store_run(tmp_path / "run", "a", data, {id: [facts[3]] for id, facts in data.instances.items()})
    assert command(["page", str(home), "-o", str(home)]) == 2
    assert "holds other files and no page" in capsys.readouterr().err
    assert command(["page", "-o", str(tmp_path / "page")]) == 2
    assert "takes the folders of one run or more" in capsys.readouterr().err


def test_pictures_are_made_small_and_named_without_an_id(tmp_path: Path) -> None:
    image = np.arange(30 * 60 * 3, dtype=np.uint8).reshape(30, 60, 3)
    assert shrunk(image, 20).shape == (10, 20, 3) and np.array_equal(shrunk(image, 60), image)
    assert shrunk(np.zeros((3000, 1, 3), np.uint8), 96).shape == (96, 1, 3)
    names = {name_of("f", HOSTILE, 3, 4), name_of("f", HOSTILE, 4, 3), name_of("g", HOSTILE, 3, 4)}
    assert len(names) == 3 and all(re.fullmatch(r"[0-9a-f]{20}\.jpg", name) for name in names)
    assert not list(tmp_path.iterdir())


def test_the_script_has_every_part_and_fetches_nothing() -> None:
    assert sorted(file.stem for file in STATIC.glob("*.js")) == sorted(SCRIPTS)
    text = script() + (STATIC / "index.html").read_text() + (STATIC / "page.css").read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "fetch(", "XMLHttp", "import(",
                 "eval(", "http://", "https://", "url("):  # fmt: skip
        assert word not in text, word


def test_colours_of_outcomes_are_okabes_and_itos() -> None:
    style = (STATIC / "page.css").read_text()
    known = {"#0072b2", "#009e73", "#e69f00", "#d55e00", "#56b4e9", "#f0e442", "#cc79a7"}
    roles = dict(re.findall(r"--(kept|gained|missed|wrong|v|a|p): (#\w{6})", style))
    assert set(roles.values()) == known and len(roles) == 7


def test_counts_say_what_the_page_shows() -> None:
    """A gain over V of an instance is the difference of two IoUs that the same counts give."""
    amodal, visible = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    amodal[:, :3], visible[:, :2] = True, True
    from amodal_bench.report.page.rows import _visible_iou

    counts = joint_counts(amodal, amodal, visible, np.zeros_like(amodal))[None]
    assert _visible_iou(counts) == pytest.approx([8 / 12])


def test_regions_have_the_colours_of_all_pictures() -> None:
    css = (STATIC / "page.css").read_text()
    for region in REGIONS:
        assert f"--{region.name}: {region.colour.lower()};" in css
