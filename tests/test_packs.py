"""`results pack`, `verify` and `unpack`: the same numbers elsewhere, and nothing in a file is believed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from params import mostly_slow
from stored_runs import Things, shifted, store_run, things

from amodal_bench.api.load import load_protocol
from amodal_bench.api.packs import dataset_named, fill_run, pack_run, unpack, usual_folder
from amodal_bench.api.runs import open_run
from amodal_bench.api.verified import Verification
from amodal_bench.api.verify import verify
from amodal_bench.cli.results.command import main as command
from amodal_bench.cli.results.tables import write_tables
from amodal_bench.cli.results.verify import _with_dataset
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.rle import decode, encode
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.rebuild import content_digest, number_classes, protocol_from
from amodal_bench.report.csv_logger import CsvLogger
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner import packed
from amodal_bench.runner.packed import opened_pack
from amodal_bench.runner.private import PATH, without_paths
from amodal_bench.runner.regions import complete
from amodal_bench.runner.store import Store

Parts = dict[str, bytes]
HOWS_TO = {"_target_": "amodal_bench.datasets.toy.Toy", "split": "test", "images": 3, "seed": 0}


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy("test", 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, toy: Toy) -> Path:
    """A run of two draws on the toy, of which one failed, with counts that need masks again; and its pack."""
    folder, predicted = tmp_path_factory.mktemp("made"), dict[str, Any]()
    records = toy.records().query("not stuff and not hidden")
    for n, id in enumerate(records["id"].astype(str)):
        sample = toy.sample(id)
        predicted[id] = ["no answer" if n == 1 else shifted(sample.amodal, n % 3), sample.visible]
    run = store_run(folder / "runs" / "toy-own", "own", toy, predicted, HOWS_TO)
    with Store(run / "store.sqlite") as store:
        complete(store, toy, ["boundary_0.02", "pairs"], records)
        complete(store, toy, ["majority"], records, 2)
    for name in ("instance", "pooled", "draws", "coco_ap"):
        write_tables(open_run(run), load_protocol(name))
    pack_run(open_run(run), folder / "own.zip")
    return folder


@pytest.fixture
def run_folder(made: Path) -> Path:
    return made / "runs" / "toy-own"


@pytest.fixture
def pack(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made / "own.zip", tmp_path))


def parts_of(file: Path) -> Parts:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(file: Path, parts: Parts) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


def changed(file: Path, part: str, change: Callable[[list[dict[str, Any]]], Any]) -> Path:
    """The pack with the lines of one part changed in place, by somebody who thinks of the counts in its head."""
    parts = parts_of(file)
    lines = [json.loads(line) for line in parts[part].splitlines()]
    change(lines)
    parts[part] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    if part == packed.PREDICTIONS:
        errors = sum(line.get("error") is not None for line in lines)
        head = {**json.loads(parts[packed.HEAD]), "predictions": len(lines) - errors, "errors": errors}
        parts[packed.HEAD] = json.dumps(head).encode()
    return written(file.with_name(f"changed-{file.name}"), parts)


def flip(line: dict[str, Any]) -> None:
    """Change one pixel of a mask; the counts stay."""
    height, width = line["size"]
    mask = decode({"size": [height, width], "counts": line["rle"]}, height, width)
    mask[0, 0] ^= True
    line["rle"] = encode(mask)["counts"]


@pytest.mark.slow
def test_a_pack_holds_nothing_but_json_and_is_the_same_again(pack: Path, run_folder: Path, tmp_path: Path) -> None:
    parts = parts_of(pack)
    assert list(parts) == list(packed.LIMITS)
    for name, content in parts.items():
        for text in content.splitlines() if name.endswith("l") else [content]:
            json.loads(text)
    again = tmp_path / "again.zip"
    pack_run(open_run(run_folder), again)
    assert again.read_bytes() == pack.read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(run_folder, copy)
    with sqlite3.connect(copy / "store.sqlite") as db:  # in another order, and elsewhere
        rows = db.execute("SELECT * FROM instances ORDER BY id DESC").fetchall()
        db.execute("DELETE FROM instances")
        db.executemany(f"INSERT INTO instances VALUES ({', '.join('?' * len(rows[0]))})", rows)
    pack_run(open_run(copy), again)
    assert again.read_bytes() == pack.read_bytes()


@pytest.mark.slow
def test_the_same_numbers_are_verified(pack: Path, toy: Toy) -> None:
    found = verify(pack)
    assert found.same and found.notes == []
    assert found.recounted == 2 * len(toy.records().query("not stuff and not hidden"))
    assert set(found.scores) == {"instance@2", "pooled@2", "draws@1", "coco_ap@1"}
    assert verify(pack, toy).same


@pytest.mark.slow
def test_an_unpacked_run_is_a_run_like_any_other(pack: Path, run_folder: Path, tmp_path: Path, run: Run) -> None:
    status, out, _ = run("results", "unpack", str(pack))
    digest = open_run(run_folder).digest
    folder = Path("results/runs") / f"toy-own-{digest}"
    assert status == 0 and out.startswith(f"wrote {folder}: ")
    theirs, own = open_run(folder), open_run(run_folder)
    for read in ("instances", "draws", "stages", "records", "errors"):
        pd.testing.assert_frame_equal(getattr(theirs, read)(), getattr(own, read)())
    assert theirs.regions(["boundary_0.02"])[0].keys() == own.regions(["boundary_0.02"])[0].keys()
    for file in sorted(run_folder.glob("scores/*/*.csv")):
        assert (folder / file.relative_to(run_folder)).read_bytes() == file.read_bytes(), file
    assert len(list(folder.glob("scores/*/summary.csv"))) == 4
    assert str(folder) in run("results", "list")[1]
    assert digest in run("results", "table")[1]
    other = store_run(tmp_path / "other", "other", Toy("test", 3), {
        id: [Toy("test", 3).sample(id).amodal] for id in own.instances()["id"]})  # fmt: skip
    assert run("results", "compare", str(folder), str(other))[0] == 0
    again = tmp_path / "again.zip"
    pack_run(theirs, again)
    assert again.read_bytes() == pack.read_bytes()
    assert run("results", "score", str(folder), "protocol=boundary")[0] == 0
    status, _, err = run("results", "unpack", str(pack))
    assert status == 2 and "is there already; nothing is overwritten" in err
    assert run("results", "unpack", str(pack), "results=elsewhere")[0] == 0
    assert run("results", "unpack", str(pack), "-o", "mine")[0] == 0 and open_run("mine").digest == digest
    assert run("results", "unpack", str(pack), "limit=3")[0] == 2
    assert run("results", "unpack", str(pack), "results=x", "-o", "y")[0] == 2


@pytest.mark.slow
def test_a_flipped_pixel_is_named(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = ""

    def change(lines: list[dict[str, Any]]) -> None:
        nonlocal name
        line = next(line for line in lines[4:] if line["rle"] and line["draw"] == 0)
        name = line["id"]
        flip(line)

    file, output = changed(pack, packed.PREDICTIONS, change), tmp_path / "differences.csv"
    assert command(["verify", str(file), "-o", str(output)]) == 1
    printed = capsys.readouterr().out
    assert f"counts {name}: c00 c01: " in printed or f"counts {name}: c08 c09: " in printed
    table = pd.read_csv(output)
    assert set(table.loc[table["kind"] == "counts", "id"]) == {name}
    before, after = (list(map(int, str(table.loc[0, each]).split())) for each in ("packed", "recounted"))
    assert sorted(abs(a - b) for a, b in zip(before, after, strict=True)) == [1, 1]
    assert {"score", "region"} <= set(table["kind"]), "all that hangs on the pixel is named, too"


@pytest.mark.slow
def test_every_lie_is_named(pack: Path) -> None:
    """Each part of a pack that decides a number is compared with the verifier's own."""

    def kinds(part: str, change: Callable[[list[dict[str, Any]]], Any]) -> set[str]:
        return {row["kind"] for row in verify(changed(pack, part, change)).differences}

    def counts(lines: list[dict[str, Any]]) -> None:
        line = next(line for line in lines if line["rle"])
        line["counts"][0] -= 5
        line["counts"][7] += 5

    assert kinds(packed.PREDICTIONS, counts) == {"counts"}
    hide = dict.fromkeys(("rle", "counts", "size"))
    assert "unreadable" in kinds(packed.PREDICTIONS, lambda lines: lines[0].update(hide, error="gone"))
    assert kinds(packed.RECORDS, lambda lines: lines[0].update(occlusion_rate=0.99)) == {"record"}
    assert kinds(packed.REGION_COUNTS, lambda lines: lines[0]["counts"].reverse()) == {"region"}
    assert kinds(packed.MAJORITIES, lambda lines: lines[0]["counts"].reverse()) == {"majority"}
    assert kinds(packed.PAIR_IOUS, lambda lines: lines[0].update(iou=0.123)) == {"pairs"}
    parts = parts_of(pack)
    head = json.loads(parts[packed.HEAD])
    score = next(each for each in head["scores"] if "miou" in each["numbers"])
    score["numbers"]["miou"] += 0.01
    parts[packed.HEAD] = json.dumps(head).encode()
    (row,) = verify(written(pack.with_name("head.zip"), parts)).differences
    assert (row["kind"], row["what"]) == ("score", "instance@2: miou")
    assert row["packed"] == pytest.approx(row["recounted"] + 0.01)


@pytest.mark.slow
def test_instances_that_were_left_out_are_told(pack: Path) -> None:
    file = changed(pack, packed.PREDICTIONS, lambda lines: lines.__delitem__(slice(0, 4)))
    found = verify(file)
    assert any(note.startswith("not run: 2 of ") and "instance@2" in note for note in found.notes)
    assert {row["kind"] for row in found.differences} == {"score"}


@pytest.mark.slow
def test_another_version_of_the_dataset_is_compared_by_ids(pack: Path) -> None:
    more, fewer = verify(pack, Toy("test", 4)), verify(pack, Toy("test", 2))
    assert more.same and any(note.startswith("another dataset: it was run on toy ") for note in more.notes)
    assert any(note.startswith("not run: ") for note in more.notes)
    lost = {row["id"] for row in fewer.differences if row["kind"] == "instance"}
    assert lost and all(id.startswith("test-00002-") for id in lost)
    other = verify(pack, Toy("test", 3, seed=1))
    assert {"size", "record"} <= {row["kind"] for row in other.differences}


def test_settings_are_of_the_dataset_that_a_run_says_it_is_of(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dataset_named(pack) == "toy" and _with_dataset(pack, ["dataset.images=3"], [])[0] == "dataset=toy"
    monkeypatch.setattr("amodal_bench.api.packs.dataset_named", lambda file: file.stem)
    kins = Path("kins.zip")
    assert _with_dataset(kins, ["dataset.root=k"], []) == ["dataset=kins", "dataset.root=k"]
    assert _with_dataset(kins, ["dataset=toy"], []) == ["dataset=toy"]
    assert _with_dataset(Path("theirs.zip"), ["dataset.root=k"], []) == ["dataset.root=k"]


def test_pictures_of_another_size_and_unreadable_ones_are_named(tmp_path: Path) -> None:
    data = things(4)
    folder = store_run(tmp_path / "run", "own", data, {id: [f[3]] for id, f in data.instances.items()})
    file = tmp_path / "own.zip"
    pack_run(open_run(folder), file)
    with pytest.raises(UsageError, match="does not say how its dataset is opened on this machine; give the settings"):
        verify(file)
    image, video, category, amodal, visible = data.instances["id-001"]
    larger = {**data.instances, "id-001": (image, video, category, np.pad(amodal, 2), np.pad(visible, 2))}

    class Broken(Things):
        def sample(self, id: str) -> Any:
            if id == "id-002":
                raise InputError("picture.jpg", "is cut short", "copy it again")
            return super().sample(id)

    found = verify(file, Broken("things", larger))
    rows = {row["id"]: row for row in found.differences if row["kind"] != "score"}
    assert (rows["id-001"]["kind"], rows["id-001"]["packed"]) == ("size", "24 x 20")
    assert rows["id-001"]["recounted"] == "28 x 24"
    assert rows["id-002"]["kind"] == "picture" and "picture.jpg: is cut short" in rows["id-002"]["recounted"]
    assert found.recounted == 2


@pytest.mark.slow
def test_the_verb_takes_the_datasets_settings(bench: Callable[..., Outcome], tmp_path: Path, run: Run) -> None:
    outcome = bench("model=hull", "dataset.images=3")
    CsvLogger().finish(outcome)
    file = tmp_path / "hull.zip"
    status, out, err = run("results", "pack", str(outcome.main.folder), "-o", str(file))
    assert (status, err) == (0, "") and out == (
        f"wrote {file}: {len(outcome.main.records)} predictions; instance@2, pooled@2\n"
    )
    assert str(tmp_path) not in parts_of(file)[packed.RUN].decode()
    for words in ([], ["dataset.images=3"]):
        status, out, _ = run("results", "verify", str(file), *words)
        assert status == 0 and out.startswith("same numbers: ") and out.endswith("instance@2, pooled@2\n")
    status, out, _ = run("results", "verify", str(file), "dataset.images=2")
    assert status == 1 and "your dataset does not have it" in out
    assert run("results", "pack", str(outcome.main.folder))[1].startswith(f"wrote {outcome.main.folder.name}.zip")
    assert run("results", "pack", str(outcome.main.folder), "-o", "no/x.zip")[0] == 2
    assert run("results", "pack", str(outcome.main.folder), "-o", str(outcome.main.folder / "run.json"))[0] == 2


@pytest.mark.slow
def test_a_protocol_is_made_again_of_its_content() -> None:
    for file in (Path(__file__).parents[1] / "conf/protocol").glob("*.yaml"):
        protocol = load_protocol(file.stem)
        content = json.loads(json.dumps(protocol.content))
        shuffled = {**content, "numbers": dict(sorted(content["numbers"].items()))}
        for each in (content, shuffled):
            made = protocol_from(each)
            assert made == protocol and list(made.numbers) == list(protocol.numbers)
        assert content_digest(shuffled) == protocol.digest
    assert len(number_classes()) > 15


@pytest.mark.parametrize(
    ("change", "says"),
    mostly_slow(
        [
            (
                {"numbers": {"x": {"kind": "os.system", "command": "true"}}},
                "the class 'os.system', which this version",
            ),
            ({"numbers": {"x": {"kind": "MeanIou", "colour": 1}}}, "cannot be made again"),
            ({"numbers": {"x": {"kind": "MeanIou", "region": {"_target_": "os.getcwd"}}}}, "names a class"),
            ({"filter": {"_target_": "os.getcwd"}}, "names a class"),
            ({"filter": None}, "it has no filter"),
            ({"_target_": "os.getcwd"}, "names a class"),
            ({"numbers": []}, "it is not a protocol"),
            ({"errors": "maybe"}, "cannot be made again"),
            ({"name": "../../x"}, "it has no name and version"),
            ({"name": "x/y"}, "it has no name and version"),
            ({"version": "2/../.."}, "it has no name and version"),
        ],
        4,
    ),
)
def test_a_protocol_that_cannot_be_made_again_says_why(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        protocol_from({**load_protocol("instance").content, **change})


@pytest.mark.slow
def test_a_pack_with_somebodys_own_protocol_is_verified_without_it(pack: Path) -> None:
    parts = parts_of(pack)
    head = json.loads(parts[packed.HEAD])
    own = {**head["protocols"][0], "numbers": {"x": {"kind": "mine.Own", "code": "0"}}, "label": "mine@1"}
    own["digest"] = content_digest(own)
    head["protocols"].append(own)
    parts[packed.HEAD] = json.dumps(head).encode()
    found = verify(written(pack.with_name("mine.zip"), parts))
    assert found.same and any("'mine@1'" in note and "mine.Own" in note for note in found.notes)


@pytest.fixture(scope="module")
def small_pack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Things]:
    """A pack of four predictions, one of them failed, and its dataset."""
    folder, data = tmp_path_factory.mktemp("small"), things(4)
    predicted = {id: [f[3] if id > "id-000" else "no answer"] for id, f in data.instances.items()}
    pack_run(open_run(store_run(folder / "run", "own", data, predicted)), folder / "small.zip")
    return folder / "small.zip", data


def with_head(file: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    parts = parts_of(file)
    head = json.loads(parts[packed.HEAD])
    change(head)
    return written(folder / "head.zip", {**parts, packed.HEAD: json.dumps(head).encode()})


def test_numbers_that_cannot_be_recounted_are_never_called_the_same(
    small_pack: tuple[Path, Things],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def own(head: dict[str, Any]) -> None:
        protocol = {**head["protocols"][0], "numbers": {"x": {"kind": "mine.Own"}}, "label": "mine@1"}
        protocol["digest"] = content_digest(protocol)
        head["protocols"].append(protocol)
        head["scores"].append({**head["scores"][0], "protocol": protocol["digest"], "numbers": {"x": 0.99}})

    file, data = with_head(small_pack[0], tmp_path, own), small_pack[1]
    monkeypatch.setattr("amodal_bench.api.verify.dataset_of", lambda *_: data)
    found = verify(file)
    assert found.differences == [] and not found.same and found.scores == ["instance@2"]
    assert found.unscored[0].startswith("mine@1 (")
    assert command(["verify", str(file)]) == 1
    out = capsys.readouterr().out
    assert "same numbers" not in out and "not recounted: the numbers of mine@1 (" in out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda head: head["scores"][0].update(protocol="f" * 8),
            "a score of the protocol 'ffffffff', which is not in",
        ),
        (lambda head: head["scores"].append(head["scores"][0]), "has two scores of the protocol"),
        (
            lambda head: head["protocols"][0].update(filter={}),
            "states the digest '.{8}' of the protocol 'instance@2'",
        ),
        (lambda head: head["protocols"][0].pop("digest"), "states the digest 'None'"),
        (
            lambda head: head.update(predictions=2),
            "states 2 predictions and 1 errors, and predictions.jsonl has 3 and 1",
        ),
        (lambda head: head.update(errors=0), "states 3 predictions and 0 errors"),
        (lambda head: head.update(run="deadbeef0000"), "is of the run 'deadbeef0000', and run.json of "),
        (lambda head: head.update(run="../../../x"), "is of the run '../../../x'"),
        (lambda head: head.pop("run"), "does not say which run it is"),
        (lambda head: head.update(predictions=True), "does not say which run it is"),
    ],
)
def test_a_head_that_does_not_fit_the_rest_is_refused(
    small_pack: tuple[Path, Things], tmp_path: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    file = with_head(small_pack[0], tmp_path, change)
    for use in (lambda: verify(file, small_pack[1]), lambda: unpack(file, tmp_path / "out")):
        with pytest.raises(InputError, match=f"pack.json: .*{says}"):
            use()
    assert not (tmp_path / "out").exists()


def first(**values: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda lines: lines[0].update(values)


@pytest.mark.parametrize(
    ("part", "change", "says"),
    [
        (packed.PREDICTIONS, first(rle="0"), r"predictions.jsonl, line 1, 'test.*': malformed RLE: its runs cover"),
        (packed.PREDICTIONS, first(rle="T`o"), "malformed RLE: counts end in the middle of a number"),
        (packed.PREDICTIONS, first(rle="\u00e9"), "malformed RLE"),
        (packed.PREDICTIONS, first(size=[1 << 16, 1 << 16]), "has a picture of 65536 x 65536 pixels"),
        (packed.PREDICTIONS, first(size=[-1, 5]), "has no size"),
        (packed.PREDICTIONS, first(counts=[0] * 16), "has no 16 counts that add up"),
        (packed.PREDICTIONS, first(counts=[1.5] * 16), "has no 16 counts"),
        (packed.PREDICTIONS, first(counts=None), "has neither counts nor an error"),
        (packed.PREDICTIONS, first(rle=None), "has a mask and an error, or neither"),
        (packed.PREDICTIONS, first(error="\x1b[31m"), "has an error that is not text"),
        (packed.PREDICTIONS, first(id=3), "has no id and number of a draw"),
        (packed.PREDICTIONS, first(draw=True), "has no id and number of a draw"),
        (packed.PREDICTIONS, first(id="stranger"), "'stranger': is not among the ids of records.jsonl"),
        (packed.PREDICTIONS, first(predict_s="long"), "has no seconds"),
        (packed.PREDICTIONS, first(error="\ud800"), "is not valid JSON"),
        (packed.PREDICTIONS, lambda lines: lines.append(lines[0]), "has draw 0 again"),
        (packed.PREDICTIONS, list.clear, "has no prediction"),
        (packed.RECORDS, lambda lines: lines.append(lines[0]), "again"),
        (packed.RECORDS, first(category=None), "as text"),
        (packed.RECORDS, first(stuff="yes"), "that are not true or false"),
        (packed.RECORDS, first(occlusion_rate="high"), "occlusion_rate that is not a number"),
        (packed.RECORDS, first(frame="one"), "frame"),
        (packed.REGION_COUNTS, first(name="elsewhere"), "is not a known region's name"),
        (packed.REGION_COUNTS, first(counts=[1, 2, 3]), "and 4 counts"),
        (packed.PAIR_IOUS, first(iou=2), "IoU from 0 to 1"),
        (packed.PAIR_IOUS, first(amodal="stranger"), "is not among the ids"),
        (packed.MAJORITIES, first(counts=[-1] * 16), "16 counts"),
    ],
)
def test_a_value_that_cannot_be_is_one_line(
    pack: Path, tmp_path: Path, part: str, change: Callable[[list[dict[str, Any]]], Any], says: str
) -> None:
    file = changed(pack, part, change)
    for use in (lambda: verify(file), lambda: unpack(file, tmp_path / "out")):
        with pytest.raises(InputError, match=says) as refused:
            use()
        text = str(refused.value)
        assert "\n" not in text and text.startswith(f"{file}: {part}") and text.endswith(packed.ASK)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    ("change", "says"),
    mostly_slow(
        [
            ({"../../evil.json": b"{}"}, "has '../../evil.json'; a pack has only"),
            ({"/etc/cron.d/x": b"{}"}, "has '/etc/cron.d/x'; a pack has only"),
            ({"store.sqlite": b""}, "has 'store.sqlite'; a pack has only"),
            ({packed.RECORDS: None}, "it has no records.jsonl"),
            ({packed.HEAD: b"[]"}, "does not say that it is a run of this harness"),
            (
                {packed.HEAD: b'{"format": "amodal-bench run", "version": 2}'},
                "has version 2, and this version reads 1",
            ),
            ({packed.HEAD: b'{"format": "amodal-bench run", "version": 1}'}, "has no list of protocols"),
            ({packed.HEAD: b"{"}, "pack.json: is not valid JSON"),
            ({packed.HEAD: b"[" * 100_000}, "nested too deeply"),
            ({packed.HEAD: b"1" * 5000}, "is not valid JSON"),
            ({packed.RUN: b"{}"}, "does not describe a run"),
            ({packed.STAGES: b'[["x"]]'}, "has a row that is not a stage"),
            ({packed.RECORDS: b"\xff\xfe"}, "is not valid JSON"),
            ({packed.RECORDS: b"[]\n"}, "line 1: is not an object of JSON"),
            ({packed.RECORDS: b" " * (packed.LINE + 2) + bytes(range(256)) * 400_000}, "has more than"),
            ({packed.HEAD: b"0" * (17 * packed.MIB)}, "says that it has 17825792 bytes, and may have"),
        ],
        2,
    ),
)
def test_a_part_that_cannot_be_is_one_line(
    pack: Path, tmp_path: Path, change: dict[str, bytes | None], says: str
) -> None:
    parts = {**parts_of(pack), **change}
    file = written(tmp_path / "bad.zip", {name: content for name, content in parts.items() if content is not None})
    with pytest.raises(InputError, match=says) as refused:
        unpack(file, tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zip", "own.zip"]


def test_a_file_that_is_no_pack_is_one_line(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = pack.read_bytes()
    bad = tmp_path / "bad.zip"
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[:200] + bytes(300) + whole[500:]):
        bad.write_bytes(content)
        assert command(["verify", str(bad)]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert command(["verify", str(tmp_path / "none.zip")]) == 1
    assert "no such file" in capsys.readouterr().err
    parts = parts_of(pack)
    with warnings.catch_warnings(), zipfile.ZipFile(bad, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile's own word for it
        for name in [*parts, packed.RUN]:
            archive.writestr(name, parts[name])
    with pytest.raises(InputError, match=r"run\.json: is in the pack twice"):
        unpack(bad, tmp_path / "out")


def test_a_part_that_would_become_huge_is_refused_before_it_is_read(pack: Path, tmp_path: Path) -> None:
    parts = parts_of(pack)
    bomb = written(tmp_path / "bomb.zip", {**parts, packed.RECORDS: b" " * (8 * packed.MIB)})
    data = bytearray(bomb.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(packed.RECORDS.encode()))
    data[at + 24 : at + 28] = (3 << 30).to_bytes(4, "little")  # the size that the directory states
    bomb.write_bytes(data)
    with pytest.raises(InputError, match=f"records.jsonl: says that it has {3 << 30} bytes, and may have"):
        unpack(bomb, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"digest": "0" * 12}, "states the digest '000000000000', which its identity does not have"),
        ({"name": "../../x"}, "cannot be a folder; name one with -o"),
        ({"name": "<script>|evil"}, "cannot be a folder; name one with -o"),
        ({"name": "\x1b[2J"}, "does not describe a run"),
        ({"settings": 3}, "has settings that are not text"),
        ({"components": []}, "has components that are not facts by name"),
        ({"dates": {"begun": 3}}, "has dates that are not text"),
    ],
)
def test_a_run_that_says_other_things_of_itself_is_refused(
    pack: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    parts = parts_of(pack)
    parts[packed.RUN] = json.dumps({**json.loads(parts[packed.RUN]), **change}).encode()
    file = written(tmp_path / "bad.zip", parts)
    with pytest.raises(InputError, match=says):
        usual_folder(file, tmp_path / "results")


def test_a_class_that_a_pack_names_is_not_loaded(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('loaded')")
    parts = parts_of(pack)
    said = json.loads(parts[packed.RUN])
    said["components"]["dataset"] = {"_target_": "evil.Dataset"}
    parts[packed.RUN] = json.dumps(said).encode()
    with pytest.raises(UsageError, match="give the settings of your own copy, such as dataset=toy"):
        verify(written(tmp_path / "bad.zip", parts))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/data/cocoa", PATH),
        ("/home/a b/x.json", PATH),
        ("~/sets/kins", PATH),
        ("dataset.root=/data/my sets/kins", f"dataset.root={PATH}"),
        ("No such file: '/scratch/me/x.png' (2)", f"No such file: '{PATH}' (2)"),
        ("see https://host.org/a/b and/or amodal_bench/x.py", "see https://host.org/a/b and/or amodal_bench/x.py"),
        ("C:\\Users\\me\\x", PATH),
        ("results/runs", "results/runs"),
        ("81.2 [79.9, 82.5] 1/2", "81.2 [79.9, 82.5] 1/2"),
        ("instance@2 (23c36303)", "instance@2 (23c36303)"),
        ("Linux-6.1-x86_64-with-glibc2.36", "Linux-6.1-x86_64-with-glibc2.36"),
    ],
)
def test_paths_are_not_handed_on(text: str, left: str) -> None:
    assert without_paths({"a": [text, 3]}) == {"a": [left, 3]}


def test_a_pack_has_no_private_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = things(2)
    predicted: dict[str, Any] = {"id-000": [data.instances["id-000"][3]], "id-001": ["cannot read /home/me/x.png"]}
    opened = {"_target_": "amodal_bench.datasets.kins.KINS", "root": "/data/of mine/kins"}
    folder = store_run(tmp_path / "run", "own", data, predicted, opened)
    said = json.loads((folder / "run.json").read_text())
    said |= {"command": ["amodal-bench", "--config-dir", "/home/me/conf"], "configuration": {"results": "~/mine"}}
    (folder / "run.json").write_text(json.dumps(said))
    monkeypatch.setenv("HUB_TOKEN", "abcdefghijkl")
    packed_run = pack_run(open_run(folder), tmp_path / "own.zip")
    texts = b"".join(parts_of(tmp_path / "own.zip").values()).decode()
    assert not packed_run.private
    for word in ("/home/me", "of mine", "~/", str(tmp_path)):
        assert word not in texts
    assert f'"root": "{PATH}"' in texts


@pytest.mark.slow
def test_verification_tells_the_first_and_counts_the_rest(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["rle"]:
                flip(line)

    file = changed(pack, packed.PREDICTIONS, change)
    found = verify(file)
    assert isinstance(found, Verification) and len(found.differences) > 8
    assert command(["verify", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{len(found.differences)} differences: ")
    assert len(lines) == 7 and lines[-1] == f"  ... and {len(found.differences) - 5} more; -o FILE writes them all"


@pytest.mark.slow
def test_a_folder_that_is_filled_by_hand_is_the_same(pack: Path, tmp_path: Path) -> None:
    with opened_pack(pack) as opened:
        fill_run(opened, tmp_path / "filled")
    assert verify(pack).same and open_run(tmp_path / "filled").draws().equals(unpack(pack, tmp_path / "out").draws())


def test_a_run_in_a_folder_whose_name_is_not_utf_8_is_packed(run_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    said = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    (copy / "run.json").write_text(json.dumps({**said, "settings": "root \udce9"}))
    pack_run(open_run(copy), tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as packed_run:
        assert "root ?" in packed_run.read("run.json").decode("utf-8")
