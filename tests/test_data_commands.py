"""`amodal-bench data`: list, check, info, preview and readme, as a user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from amodal_bench.cli.data.check import published_of
from amodal_bench.cli.data.command import VERBS
from amodal_bench.cli.data.command import main as data
from amodal_bench.cli.data.info import describe
from amodal_bench.cli.data.pages import Shown, forget_earlier, pages, spread, wanted, write_index
from amodal_bench.cli.data.readme import BEGIN, END, rendered, updated
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.datasets import card as cards
from amodal_bench.datasets import toy
from amodal_bench.datasets.card import Card, CardFile, Published, load_card
from amodal_bench.datasets.toy import Toy
from amodal_bench.report.sheet import CELL, EDGE, GAP
from amodal_bench.testing.export.cocoa import export as export_cocoa
from amodal_bench.toy.scene import draw_scene

Run = Callable[..., tuple[int, str, str]]
TOY = ("toy", "dataset.images=3")

MINE = '''
import hashlib, numpy as np, pandas as pd
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Sample
from amodal_bench.core.errors import InputError

class Mine:
    """One square on each of some pictures."""
    name = "mine"

    def __init__(self, count=3, area=64.0, root=None, problems=0, broken=False):
        if broken:
            raise RuntimeError("no\\nwheels")
        self.count, self.area, self.problems = count, area, problems

    def records(self):
        rows = [(str(n), str(n), "", "square", self.area, 0.0, False, False, False, False) for n in range(self.count)]
        return pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)

    def sample(self, id):
        if id not in map(str, range(self.count)):
            raise InputError("mine", "no such instance", "take ids from records()", id)
        mask = np.zeros((20, 20), bool)
        mask[4:12, 4:12] = True
        return Sample(id, np.zeros((20, 20, 3), np.uint8), mask, mask, ~mask & False)

    def fingerprint(self):
        return hashlib.sha256(f"{self.count} {self.area}".encode()).hexdigest()

    def check(self):
        return [Problem("mine.txt", f"line {n}" if n else "", "is crooked") for n in range(self.problems)]
'''


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `data` in a folder of its own: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = data(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A user's own class in the working folder and its YAML; returns the option that finds it."""
    (tmp_path / "my_data.py").write_text(MINE)
    folder = tmp_path / "my conf, 'new'"  # Hydra's grammar has to take any folder
    (folder / "dataset").mkdir(parents=True)
    (folder / "dataset" / "mine.yaml").write_text("# My squares\n_target_: my_data.Mine\ncount: 3\nroot: null\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return ["--config-dir", str(folder)]


# The command itself


def test_help_of_everything_is_instant_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, amodal_bench.cli.main as m\n"
        f"for verb in [None, *{list(VERBS)!r}]:\n"
        "    sys.argv = ['amodal-bench', 'data', *([verb] if verb else []), '--help']\n"
        "    try: m.main()\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'diffusers', 'pandas', 'cv2', 'numpy', 'hydra', 'PIL', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert f"Usage: amodal-bench data {verb} " in done.stdout
        assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ([], "Usage: amodal-bench data VERB"),
        (["chek"], "error: data chek: there is no such verb; did you mean 'check'?"),
        (["check", "toi"], "error: dataset=toi: there is no such choice; did you mean 'toy'?"),
        (["check", "toy", "dataset.imags=3"], "error: dataset.imags: unknown key; did you mean 'images'?"),
        (["info", "toy", "images"], "error: images: is not a setting; a setting is KEY=VALUE"),
        (["info"], "error: Missing argument 'NAME'; see amodal-bench data info --help"),
        (["info", "toy", "--jsn"], "error: No such option"),
        (["list", "--config-dir", "nowhere"], "error: --config-dir: there is no folder nowhere"),
        (["preview", "toy", "--rows", "0"], "error: --rows: 0 must be >= 1"),
        (["preview", "toy", "--page", "0"], "error: --page 0: must be a number >= 1, two of them as in 1-20, or all"),
        (["preview", "toy", "--page", "5-2"], "error: --page 5-2: must be"),
        (["preview", "toy", "--page", "all", "--out", "a.png"], "error: --out: a.png must be a folder"),
        (["preview", "toy", "--out", "sheet.txt"], "error: --out: sheet.txt does not end in .png"),
        (["preview", "toy", "--out", "nowhere/sheet.png"], "error: --out: there is no folder nowhere"),
    ],
)
def test_a_usage_error_is_answered_with_status_2(run: Run, arguments: list[str], answer: str) -> None:
    status, out, err = run(*arguments)
    assert status == 2 and out == "" and err.startswith(answer)
    assert not answer.startswith("error") or len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m amodal_bench data ids dataset.images=1 | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# list


@pytest.mark.slow
def test_list_tells_what_is_at_hand(run: Run, mine: list[str], tmp_path: Path) -> None:
    export_cocoa(tmp_path / "datasets" / "cocoa", "val", 2)
    (tmp_path / "datasets" / "kins").mkdir()
    status, out, _ = run("list", *mine)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert status == 0
    assert set(lines) == {file.stem for file in (config_folder() / "dataset").glob("*.yaml")} | {"mine"}
    assert "Toy aquarium" in lines["toy"] and lines["toy"].endswith("needs no files")
    assert "My squares" in lines["mine"]
    assert load_card("cocoa").title in lines["cocoa"] and lines["cocoa"].endswith("found in datasets/cocoa")
    assert lines["kins"].endswith("not in datasets/kins")  # an empty folder
    assert lines["bsds"].endswith("not in datasets/bsds")


@pytest.mark.slow
def test_list_opens_on_request(run: Run, mine: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_cocoa(tmp_path / "datasets" / "cocoa", "val", 2)
    (tmp_path / "datasets" / "kins").mkdir()
    (tmp_path / "datasets" / "kins" / "notes.txt").write_text("to do")
    drawn = cache(draw_scene)  # not 160 scenes, but two of them over and over
    monkeypatch.setattr(toy, "draw_scene", lambda seed, split, index: drawn(seed, split, index % 2))
    lines = {line.split()[0]: line for line in run("list", "--open", *mine)[1].splitlines()}
    assert lines["mine"].endswith("needs no files, 3 instances")
    assert lines["toy"].endswith(f"needs no files, {len(Toy('test', 160).records())} instances")
    assert lines["cocoa"].endswith(f"found in datasets/cocoa, {len(Toy('val', 2).records())} instances")
    assert "error: datasets/kins" in lines["kins"]


# check


@pytest.mark.slow
def test_check_of_a_whole_dataset(run: Run) -> None:
    status, out, _ = run("check", "toy")
    published = load_card("toy").published[0]
    assert status == 0
    assert out.splitlines()[:2] == [
        "dataset    toy (split test, images 160, seed 0)",
        f"found      {published.images} images, {published.instances} instances",
    ]
    assert out.splitlines()[2].startswith("published  160 images, ") and "differs" not in out
    assert out.splitlines()[3:] == ["contract   kept by 5 samples", "problems   none"]


@pytest.mark.slow
def test_check_says_where_the_counts_differ_from_the_published_ones(run: Run) -> None:
    status, out, _ = run("check", *TOY)
    assert status == 0 and out.splitlines()[2].endswith("): differs")


@pytest.mark.slow
def test_check_prints_every_problem_of_damaged_files(run: Run, tmp_path: Path) -> None:
    export_cocoa(tmp_path / "tree", "val", 3)
    for number in (1, 3):
        (tmp_path / "tree" / "val2014" / f"COCO_val2014_{number:012d}.png").unlink()
    status, out, _ = run("check", "cocoa", f"dataset.root={tmp_path / 'tree'}", "--samples", "99")
    problems = [line for line in out.splitlines() if ".png: " in line]
    assert status == 1 and len(problems) == 2
    assert problems[0].startswith(f"{tmp_path}/tree/val2014/COCO_val2014_000000000001.png: ")
    assert problems[0].endswith(": no such file")
    assert "problems   2\n" in out and "contract   kept by " in out
    (tmp_path / "tree" / "val2014" / "COCO_val2014_000000000002.png").unlink()
    out = run("check", "cocoa", f"dataset.root={tmp_path / 'tree'}")[1]
    assert "problems   3\n" in out and "contract   not tested: none of the chosen samples can be read\n" in out


@pytest.mark.slow
def test_check_of_a_dataset_that_cannot_be_opened(run: Run, mine: list[str]) -> None:
    status, out, err = run("check", "cocoa")
    assert status == 1 and out == ""
    assert err.startswith("error: datasets/cocoa: the folder of COCO-A does not exist; ") and err.count("\n") == 1
    status, out, err = run("check", "mine", "+dataset.broken=true", *mine)
    assert (status, out) == (1, "")
    assert err == "error: dataset: Mine cannot be built: RuntimeError: no wheels\n"


@pytest.mark.slow
def test_check_of_a_users_class(run: Run, mine: list[str]) -> None:
    assert run("check", "mine", *mine)[0] == 0
    status, out, _ = run("check", "mine", *mine, "dataset.count=2", "+dataset.area=9", "+dataset.problems=4")
    lines = out.splitlines()
    assert status == 1
    assert lines[0] == "dataset    mine (count 2, area 9, problems 4)"
    assert "contract   broken in 1 way" in lines and "problems   5" in lines
    assert lines[-5].startswith("mine: contract: sample '0': amodal_pixels is 9 in records()")
    assert lines[-4:-2] == ["mine.txt: is crooked", "mine.txt: line 1: is crooked"]


@pytest.mark.slow
def test_check_shows_no_more_than_the_limit(run: Run, mine: list[str]) -> None:
    out = run("check", "mine", "--limit", "2", "+dataset.problems=7", *mine)[1]
    assert out.splitlines()[-3:] == ["mine.txt: is crooked", "mine.txt: line 1: is crooked", "... and 5 more"]
    assert "problems   7\n" in out
    assert run("check", "mine", "--limit", "7", "+dataset.problems=7", *mine)[1].endswith("line 6: is crooked\n")


@pytest.mark.slow
def test_check_of_a_users_class_from_a_shell(mine: list[str], tmp_path: Path) -> None:
    """The class lies in the working folder, which a console script does not look into by itself."""
    code = "import sys; sys.path = [p for p in sys.path if p]; from amodal_bench.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "check", "mine", *mine],
        cwd=tmp_path, env=os.environ | {"PYTHONSAFEPATH": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "problems   none" in done.stdout


def test_published_counts_are_those_of_the_split_and_the_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [("val", "2019", 1), ("val", "2020", 2), ("train", "2019", 3), ("test", None, 4)]
    published = tuple(Published(split, variant, images, None, "x") for split, variant, images in entries)
    texts = dict.fromkeys(("title", "paper", "homepage", "licence", "size", "tree"), "x")
    made = Card("toy", **texts, published=published, files=(), manual=(), notes=())
    monkeypatch.setattr("amodal_bench.cli.data.check.load_card", lambda name: made)

    def counts(**spec: object) -> list[int | None]:
        return [entry.images for entry in published_of("toy", spec)]

    assert counts(split="val", release=2020) == [2]
    assert counts(split="val") == [1, 2]
    assert counts(split="test", release="2019") == [4]
    assert counts(split="dev") == counts() == []
    assert published_of("unheard of", {"split": "val"}) == []


# info


def frame() -> pd.DataFrame:
    rates = [0.0, 0.0, 0.05, 0.1, 0.100001, 0.95, 1.0, np.nan]
    return pd.DataFrame(
        {
            "id": [str(n) for n in range(8)],
            "image_id": list("aabbccdd"),
            "video_id": ["", "v", "v", "w", "", "", "", ""],
            "category": ["cat", "dog", "dog", "ant", "ant", "cat", "cat", "elk"],
            "amodal_pixels": [1.0, 2.0, 3.0, 4.0, 5.0, np.nan, 7.0, 8.0],
            "occlusion_rate": rates,
            "stuff": [True] + [False] * 7,
            "hidden": [False] * 6 + [True, False],
        }
    )


def test_info_counts_what_can_be_counted_by_hand() -> None:
    facts = describe(frame())
    assert [facts[name] for name in ("images", "videos", "instances", "categories")] == [4, 2, 8, 4]
    assert list(facts["largest_categories"].items()) == [("cat", 3), ("ant", 2), ("dog", 2), ("elk", 1)]
    assert facts["flags"] == {"stuff": 1, "crowd": 0, "truncated": 0, "hidden": 1, "unoccluded": 2}
    assert facts["amodal_pixels"] | {"5 %": 0, "95 %": 0} == {
        "min": 1.0, "5 %": 0, "25 %": 2.5, "median": 4.0, "75 %": 6.0, "95 %": 0, "max": 8.0, "unknown": 1,
    }  # fmt: skip
    assert facts["occlusion_rate"]["unknown"] == 1
    histogram = facts["occlusion_histogram"]
    assert [entry["instances"] for entry in histogram] == [2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert sum(entry["instances"] for entry in histogram) + 1 == len(frame())


@pytest.mark.slow
def test_info_prints_the_same_as_text_and_as_json(run: Run) -> None:
    facts = json.loads(run("info", *TOY, "--json")[1])
    assert facts == {"dataset": "toy", **describe(Toy("test", 3).records()), "remarks": []}
    status, out, _ = run("info", *TOY)
    assert status == 0
    for name in ("images", "instances", "categories"):
        assert f"{name:12}{facts[name]}\n" in out
    rates = out.partition("occlusion rate, instances")[2].partition("pixels, instances")[0]
    bars = {line.split("%")[0].strip(): line.count("█") for line in rates.splitlines() if "%" in line}
    assert len(bars) == 11 and max(bars.values()) == 40
    assert (bars["60-70"] > 0) == bool(facts["occlusion_histogram"][7]["instances"])


def test_info_of_a_class_that_has_a_former_name_of_a_column(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "records", lambda _: frame().rename(columns={"amodal_pixels": "area"}))
    status, _, said = run("info", *TOY)
    assert status == 2
    assert said.startswith("error: dataset: Toy.records() has a column 'area', which is called 'amodal_pixels' now; ")


def test_info_of_an_index_without_rates() -> None:
    facts = describe(frame().assign(occlusion_rate=np.nan, amodal_pixels=np.nan).drop(columns=["video_id", "hidden"]))
    assert facts["occlusion_rate"]["median"] is None and facts["occlusion_rate"]["unknown"] == 8
    assert facts["videos"] == facts["flags"]["hidden"] == 0
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert describe(frame().iloc[:0])["instances"] == 0


@pytest.mark.slow
def test_info_reads_no_pixels(run: Run, tmp_path: Path) -> None:
    export_cocoa(tmp_path / "tree", "val", 2)
    for picture in (tmp_path / "tree" / "val2014").iterdir():
        picture.write_bytes(b"")
    status, out, _ = run("info", "cocoa", f"dataset.root={tmp_path / 'tree'}")
    assert status == 0 and f"instances   {len(Toy('val', 2).records())}\n" in out


# preview


@pytest.mark.slow
def test_preview_shows_annotated_pixels_and_is_the_same_each_time(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("preview", *TOY, "--rows", "3", "--out", "a.png")
    assert status == 0 and out.endswith("wrote a.png\n")
    ids = [line.split()[-1] for line in out.splitlines() if "hidden" in line]
    rates = Toy("test", 3).records().set_index("id").loc[ids, "occlusion_rate"]
    assert rates.is_monotonic_increasing and rates.iloc[0] == 0 and rates.iloc[-1] > 0.2
    assert f"hidden {100 * rates.iloc[-1]:.0f} %" in out
    run("preview", *TOY, "--rows", "3", "--out", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width == 4 * (CELL + GAP) - GAP + 2 * EDGE


@pytest.mark.slow
def test_preview_goes_on_after_a_bad_picture(run: Run, tmp_path: Path) -> None:
    export_cocoa(tmp_path / "tree", "val", 2)
    (tmp_path / "tree" / "val2014" / "COCO_val2014_000000000001.png").write_bytes(b"")
    status, out, err = run("preview", "cocoa", f"dataset.root={tmp_path / 'tree'}", "--rows", "99")
    assert status == 1
    bad = sum(id.startswith("val-00000") for id in Toy("val", 2).records()["id"])
    assert err.count("error: ") == bad > 0 and "COCO_val2014_000000000001.png" in err
    assert (tmp_path / "cocoa-preview.png").exists() and "wrote cocoa-preview.png" in out


def test_pages_show_every_instance_once_and_all_rates_each() -> None:
    rates = [n / 100 for n in range(20)] + [np.nan] * 3
    records = pd.DataFrame({"id": [f"i{n}" for n in range(23)], "occlusion_rate": rates})
    found = pages(records, 5)
    assert found == pages(records, 5) and found[0] == spread(records, 5)
    assert sorted(id for page in found for id in page) == sorted(records["id"])
    assert [len(page) for page in found] == [5, 5, 5, 4, 4]
    known = records.set_index("id")["occlusion_rate"]
    assert all(known[page].max() - known[page].min() >= 0.1 for page in found)
    assert pages(records.head(0), 5) == [] and pages(records.head(3), 5) == [["i0", "i1", "i2"]]


@pytest.mark.slow
def test_preview_pages_through_and_fills_a_folder_with_an_index(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("preview", *TOY, "--rows", "3", "--page", "2")
    assert status == 0 and out.endswith("wrote toy-preview-2.png\n") and "page 2 of " in out
    second = [line.split()[-1] for line in out.splitlines()[:3]]
    status, out, _ = run("preview", *TOY, "--rows", "3", "--page", "1-2")
    assert status == 0 and out == "wrote toy-preview: 6 instances on 2 pages, see index.html\n"
    listed = pd.read_csv(tmp_path / "toy-preview" / "index.csv")
    assert list(listed["page"]) == [1, 1, 1, 2, 2, 2] and list(listed["id"][3:]) == second
    page = (tmp_path / "toy-preview" / "index.html").read_text(encoding="utf-8")
    assert all(
        f'src="page-000{n}.png"' in page and (tmp_path / f"toy-preview/page-000{n}.png").exists() for n in (1, 2)
    )
    (tmp_path / "toy-preview" / "page-0009.png").touch()  # of the user's own, in no index
    status, out, _ = run("preview", *TOY, "--rows", "3", "--page", "2-2")
    assert status == 0 and out == "wrote toy-preview: 3 instances on 1 page, see index.html\n"
    left = sorted(file.name for file in (tmp_path / "toy-preview").iterdir())
    assert left == ["index.csv", "index.html", "page-0002.png", "page-0009.png"], "sheets of before do not stay"
    status, out, _ = run("preview", *TOY, "--rows", "99", "--page", "1-99")
    assert status == 0 and out.startswith("--page 1-99: page 1 is the last one\nwrote toy-preview: ")


def test_only_the_sheets_of_an_index_are_removed(tmp_path: Path) -> None:
    (tmp_path / "kept.png").touch()
    write_index(tmp_path, "a", [Shown(1, 1, "a", "", "../kept.png"), Shown(1, 2, "b", "", "kept.png")], 1)
    forget_earlier(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.png"]
    (tmp_path / "index.csv").write_text("id,mine\n1,page-0001.png\n")
    with pytest.raises(UsageError, match=r"index.csv: is not the index of a preview; name another folder"):
        forget_earlier(tmp_path)


def test_an_index_of_pages_escapes_what_a_dataset_says(tmp_path: Path) -> None:
    write_index(tmp_path, "<b>", [Shown(1, 1, "=<script>\x1b", "hidden & 5 %", "page-0001.png")], 1)
    page, table = (tmp_path / name for name in ("index.html", "index.csv"))
    assert (
        "<script>" not in (text := page.read_text(encoding="utf-8")) and "=&lt;script&gt;\\x1b: hidden &amp;" in text
    )
    assert "'=<script>" in table.read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "found"), [("3", (3, 3)), ("2-9", (2, 9)), ("all", (1, None))])
def test_pages_are_named_by_numbers(page: str, found: tuple[int, int | None]) -> None:
    assert wanted(page) == found


def test_preview_rows_are_nearest_to_evenly_spaced_rates() -> None:
    rates = [0.0] * 50 + [0.2, 0.21, 0.55, 0.6]
    table = pd.DataFrame({"id": [f"{n:02d}" for n in range(54)], "occlusion_rate": rates})
    assert spread(table, 4) == ["00", "50", "52", "53"]
    assert spread(table.iloc[::-1], 4) == ["00", "50", "52", "53"]
    assert len(set(spread(table, 99))) == 54
    unknown = table.assign(occlusion_rate=np.nan)
    assert spread(unknown, 3) == ["00", "26", "53"]  # evenly over the index
    assert spread(pd.concat([table.tail(2), unknown.head(9)]), 4) == ["52", "53", "00", "08"]
    assert spread(table.iloc[:0], 4) == []


# readme


def test_the_readme_of_the_datasets_says_what_the_cards_say() -> None:
    file = config_folder().parent / "datasets" / "README.md"
    if not file.exists():
        pytest.skip("not a checkout")
    text = file.read_text(encoding="utf-8")
    assert updated(text, file) == text, "run: amodal-bench data readme"


def test_every_dataset_has_a_card() -> None:
    assert set(cards.card_names()) == {file.stem for file in (config_folder() / "dataset").glob("*.yaml")}


def test_readme_is_written_between_its_markers_only(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"# Mine\n\n{BEGIN}\nstale words\n{END}\n\nafter\n")
    assert run("readme", "--file", str(file), "--check")[0] == 1
    assert run("readme", "--file", str(file))[0] == 0
    text = file.read_text()
    assert text.startswith(f"# Mine\n\n{BEGIN}\n\n|") and text.endswith(f"\n\n{END}\n\nafter\n")
    assert "stale words" not in text and rendered() in text
    assert run("readme", "--file", str(file), "--check")[0] == 0
    file.write_text("no markers")
    status, _, err = run("readme", "--file", str(file))
    assert status == 1 and "its markers are missing" in err


def test_a_card_is_rendered_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    files = (CardFile("https://x.org/a.tgz?v=1", "pictures", 7, "0" * 64, True, 9),)
    published = (Published("val", None, 5, None, "a | b"),)
    made = Card(
        "mine", "Mine", "Me,\n2026", "x.org", "CC0", "1 GB", "a/\n  b", published, files, ("Ask.",), ("Odd.",)
    )
    monkeypatch.setattr("amodal_bench.cli.data.readme.card_names", lambda: ["mine"])
    monkeypatch.setattr("amodal_bench.cli.data.readme.load_card", lambda name: made)
    text = rendered()
    for line in (
        "| Mine | `dataset=mine` | 1 file | 1 step |",
        "## Mine: `dataset=mine`",
        "- Paper: Me, 2026",
        "a/\n  b",
        "| val | - | 5 | - | a \\| b |",
        f"- `pictures/a.tgz` from <https://x.org/a.tgz?v=1>, 7 bytes, sha256 `{'0' * 64}`, unpacked there",
        "1. Ask.",
        "Check it: `amodal-bench data check mine dataset.root=FOLDER`",
        "- Odd.",
    ):
        assert line in text


def test_fetch_without_a_card_says_so(run: Run, mine: list[str]) -> None:
    status, _, err = run("fetch", "mine", "--root", "here", *mine)
    assert status == 1 and "mine.yaml: no such card; cards exist for " in err
    with pytest.raises(InputError, match="no such card"):
        load_card("mine")
