"""`amodal-bench predict`: a picture and a mask, or points, of the user's own; any model; files that agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask
import pytest
from conftest import composed
from params import mostly_slow
from PIL import Image as pillow

from amodal_bench.cli.predict.command import main as predict
from amodal_bench.cli.predict.files import check_answer
from amodal_bench.cli.predict.pictures import read_mask, read_picture
from amodal_bench.cli.predict.prompt import ask
from amodal_bench.cli.predict.strip import NO_ESTIMATE, NO_NEXT, save_strip
from amodal_bench.config.build import build
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query, Sample
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.base import Step
from amodal_bench.report.colours import GAINED, KEPT, rgb
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.sheet import CELL, EDGE, GAP, LINE, Sheet, draw_sheet
from amodal_bench.runner.store import Store
from amodal_bench.segmenters.base import Prompt
from amodal_bench.weights.small import sam

FAST = ["model.steps=2", "model.backbone.micro_batch=1"]
UPRIGHT, QUARTER = 1, 6
"""Values of EXIF's orientation: as stored, and stored a quarter turn to the left of what is shown."""

OWN = """
import numpy as np

class Own:
    def __init__(self, fault=False):
        self.fault = fault

    def describe(self):
        return {"part": {"random_weights": True}}

    def predict(self, queries, seeds):
        return [np.ones((1, 1), bool) if self.fault else ~q.visible for q in queries]
"""


@pytest.fixture(scope="module")
def sample() -> Sample:
    """A fish of which a quarter is hidden."""
    return Toy(images=2).sample("test-00001-5")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample) -> Path:
    """A working folder with the fish's picture, named by its id, and V."""
    monkeypatch.chdir(tmp_path)
    pillow.fromarray(sample.image).save(f"{sample.id}.png")
    save_mask(sample.visible, "mask.png")
    return tmp_path


def save_mask(mask: Mask, name: str) -> None:
    pillow.fromarray(mask.astype(np.uint8) * 255).save(name)


def grey(file: Path) -> Image:
    with pillow.open(file) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def colours(file: Path) -> Image:
    with pillow.open(file) as picture:
        return np.asarray(picture)


def enlarged(picture: Image | Mask) -> Any:
    """A toy picture or mask as an overlay shows it: four times as large."""
    return np.kron(picture, np.ones((4, 4, 1) if picture.ndim == 3 else (4, 4), picture.dtype))


def seen(file: Path, sample: Sample) -> Image:
    """The picture in an overlay, without what is written above and below it."""
    height, width = (4 * side for side in sample.visible.shape)
    top = EDGE + 2 * LINE + 8 + 4
    return colours(file)[top : top + height, EDGE : EDGE + width]


def grown(mask: Mask, by: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)), bool)


@pytest.mark.slow
def test_a_mask_gives_every_file_and_they_agree(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict([f"{sample.id}.png", "--mask", "mask.png", *FAST]) == 0
    folder, told = Path(f"{sample.id}-amodal"), capsys.readouterr().out
    assert {f"  {file}" for file in folder.iterdir()} == set(told.partition("wrote\n")[2].splitlines())
    assert {file.name for file in folder.iterdir()} == {"amodal.png", "amodal.json", "object.png", "overlay.png"}
    written = grey(folder / "amodal.png")
    amodal, visible = written > 0, sample.visible
    assert set(np.unique(written)) == {0, 255} and (amodal & visible).sum() == visible.sum() < amodal.sum()
    facts = json.loads((folder / "amodal.json").read_text())
    assert np.array_equal(pycocotools.mask.decode(facts).astype(bool), amodal)
    gained = int((amodal & ~visible).sum())
    assert (facts["area"], facts["visible_area"], facts["gained"]) == (amodal.sum(), visible.sum(), gained)
    assert (facts["model"], facts["seed"], facts["random_weights"]) == ("tiny", 0, False)
    assert facts["description"]["backbone"]["micro_batch"] == 1
    assert f"{amodal.sum()} pixels, {gained} of them gained" in told and "random weights" not in told

    whole = colours(folder / "object.png")
    assert np.array_equal(whole[..., 3], written)
    assert np.array_equal(whole[visible, :3], sample.image[visible])
    assert not whole[~amodal].any()
    hidden = amodal & ~visible
    assert whole[hidden, :3].any(axis=-1).mean() > 0.9
    assert not np.array_equal(whole[hidden, :3], sample.image[hidden])

    shown = seen(folder / "overlay.png", sample)
    picture = enlarged(sample.image)
    far = ~grown(enlarged(amodal), 3)
    assert np.array_equal(shown[far], picture[far])
    for mask, region in ((visible, KEPT), (hidden, GAINED)):
        inked = (shown == rgb(region.colour)).all(axis=-1)
        assert inked.sum() > 200 and not (inked & ~enlarged(mask)).any()


@pytest.mark.slow
def test_the_hidden_pixels_are_those_that_the_model_painted(sample: Sample) -> None:
    model = build(composed(*FAST).model, "model")
    found = model.complete(sample.query, sample_seed(0, sample.id))
    assert predict([f"{sample.id}.png", "--mask", "mask.png", "-o", "out", *FAST]) == 0
    whole = colours(Path("out/object.png"))
    hidden = (whole[..., 3] > 0) & ~sample.visible
    assert hidden.any() and found.picture[hidden].any()
    assert np.array_equal(whole[hidden, :3], found.picture[hidden])


@pytest.mark.slow
def test_the_mask_is_that_of_a_run_with_this_id_and_seed(bench: Callable[..., Outcome], sample: Sample) -> None:
    outcome = bench("dataset.images=2", "seed=3", *FAST)
    with Store(outcome.main.folder / "store.sqlite") as store:
        predicted = store.prediction(sample.id)
    arguments = [f"{sample.id}.png", "--mask", "mask.png", *FAST]
    assert predict([*arguments, "seed=3", "-o", "same"]) == predict([*arguments, "seed=4", "-o", "other"]) == 0
    assert np.array_equal(grey(Path("same/amodal.png")) > 0, predicted)
    assert not np.array_equal(grey(Path("other/amodal.png")) > 0, predicted)


@pytest.mark.slow
def test_points_ask_the_segmenter_for_the_visible_mask(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    ys, xs = np.nonzero(sample.visible)
    chosen = np.random.default_rng(0).choice(len(ys), 9, replace=False)
    points = [[int(xs[i]), int(ys[i])] for i in chosen]
    flags = [part for x, y in points for part in ("--point", f"{x},{y}")]
    assert predict([f"{sample.id}.png", *flags, "-o", "by points", "model=hull"]) == 0
    visible = grey(Path("by points/visible.png")) > 0
    assert all(visible[y, x] for x, y in points)
    assert (visible & sample.visible).sum() / (visible | sample.visible).sum() > 0.5
    told = capsys.readouterr().out
    assert f"V has {visible.sum()} pixels" in told and "little more than the points" not in told
    facts = json.loads(Path("by points/amodal.json").read_text())
    assert facts["points"] == points and facts["segmenter"]["segmenter"] == "grabcut"
    assert predict([f"{sample.id}.png", "--mask", "by points/visible.png", "-o", "by mask", "model=hull"]) == 0
    assert np.array_equal(grey(Path("by mask/amodal.png")), grey(Path("by points/amodal.png")))


@pytest.mark.slow
def test_a_segmenter_that_finds_hardly_more_than_the_points_is_told_of(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    y, x = np.argwhere(sample.visible)[0]
    change = "segmenter.opening=9"  # nothing is gained over the discs
    assert predict([f"{sample.id}.png", "--point", f"{x},{y}", "model=visible", "-o", "out", change]) == 0
    assert "little more than the points" in capsys.readouterr().out
    visible = grey(Path("out/visible.png")) > 0
    assert 0 < visible.sum() < 2 * np.pi * 4.2**2


def test_a_large_picture_is_shown_to_the_segmenter_in_a_size_that_it_can_work_on() -> None:
    class Discs:
        def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
            self.image, self.prompt = images[0], prompts[0]
            return [prompts[0].visible]

    image = np.zeros((1536, 3072, 3), np.uint8)
    image[:, 1536:] = 200
    points = np.array([[0, 0], [3071, 1535], [1536, 5], [1535, 5]])
    segmenter: Any = Discs()
    visible = ask(segmenter, image, points, 0)
    assert segmenter.image.shape == (512, 1024, 3) and (segmenter.image[:, [511, 512], 0] == [0, 200]).all()
    assert segmenter.prompt.points.tolist() == [[0, 0], [1023, 511], [512, 1], [511, 1]]
    assert visible.shape == (1536, 3072) and all(visible[y, x] for x, y in points)
    assert visible.sum() == 9 * segmenter.prompt.visible.sum()
    small = image[:40, :1024]
    assert np.array_equal(ask(segmenter, small, points[:1], 0), segmenter.prompt.visible)
    assert segmenter.image is small


@pytest.mark.slow
def test_points_go_to_the_segmenter_that_the_model_chooses(sample: Sample) -> None:
    sam.save(Path("sam"))
    settings = ["model=sam", "segmenter.weights=sam", "segmenter.choose=largest", "segmenter.batch=1"]
    assert predict([f"{sample.id}.png", "--point", "80,9", "--point", "90,9", "-o", "out", *settings]) == 0
    facts = json.loads(Path("out/amodal.json").read_text())
    assert facts["segmenter"] == facts["description"]["segmenter"]
    assert facts["segmenter"]["segmenter"] == "sam" and facts["segmenter"]["choose"] == "largest"


@pytest.mark.slow
def test_every_step_writes_a_strip(sample: Sample) -> None:
    assert predict([f"{sample.id}.png", "--mask", "mask.png", "-o", "out", "--every-step", *FAST]) == 0
    with pillow.open("out/steps.png") as strip:
        # Three steps in a row, two rows; around them a title, heads and what is below each picture.
        assert strip.width == 2 * EDGE + 3 * (CELL + GAP) - GAP
        assert 2 * CELL < strip.height < 2 * CELL + 8 * LINE + 4 * EDGE
    # Without the strip: that of the call before does not stay.
    assert predict([f"{sample.id}.png", "--mask", "mask.png", "-o", "out", *FAST]) == 0
    assert not Path("out/steps.png").exists() and Path("out/overlay.png").exists()


def strip_of(estimates: Sequence[bool]) -> Sheet:
    """The strip of grey steps of which some have an estimate."""
    picture, drawn = np.zeros((4, 4, 3), np.uint8), list[Sheet]()
    steps = [Step(number, picture, picture if known else None) for number, known in enumerate(estimates)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amodal_bench.cli.predict.strip.save_sheet", lambda sheet, path: drawn.append(sheet))
        save_strip(steps, Path("strip.png"), "mine")
    return drawn[0]


@pytest.mark.parametrize(("count", "across", "down"), [(1, 1, 1), (10, 10, 1), (21, 7, 3), (22, 8, 3)])
def test_a_long_strip_goes_on_below_and_numbers_its_steps(count: int, across: int, down: int) -> None:
    strip = strip_of([True] * count)
    samples, estimates = strip.rows[::2], strip.rows[1::2]
    assert len(samples) == len(estimates) == down and max(len(row.panels) for row in strip.rows) == across
    assert all("sample x_t" in row.label for row in samples) and all("x_0" in row.label for row in estimates)
    assert [panel.text for row in samples for panel in row.panels.values()] == [f"step {k}" for k in range(count)]
    assert [row.label.endswith(NO_NEXT) for row in estimates] == [False] * (down - 1) + [True]
    assert (strip.title, strip.notes, strip.headed) == ("mine", [], False)
    assert draw_sheet(strip).width >= across * CELL


def test_a_solver_that_tells_no_estimate_is_said_to() -> None:
    strip = strip_of([False] * 4)
    assert len(strip.rows) == 1 and strip.notes == [NO_ESTIMATE]
    partly = strip_of([False, True, True, True])
    assert len(partly.rows) == 2 and partly.notes == []
    first, second, *_ = partly.rows[1].panels.values()
    assert first.picture is None and first.text == "none" and second.picture is not None


@pytest.mark.slow
def test_a_model_that_paints_nothing_cuts_out_what_is_visible(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"{sample.id}.png", "--mask", "mask.png", "-o", "out", "model=hull"]
    assert predict(arguments) == 0
    assert "hull paints nothing: object.png shows V alone" in capsys.readouterr().out
    whole = colours(Path("out/object.png"))
    assert np.array_equal(whole[..., 3] > 0, sample.visible)
    assert np.array_equal(whole[sample.visible, :3], sample.image[sample.visible])
    assert grey(Path("out/amodal.png")).astype(bool).sum() > sample.visible.sum()
    assert predict([*arguments, "--every-step"]) == 2
    assert "--every-step: hull does not denoise in steps" in capsys.readouterr().err


@pytest.mark.slow
def test_a_users_own_model_and_random_weights_anywhere_in_it(
    here: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "my_own.py").write_text(OWN)
    (here / "conf/model").mkdir(parents=True)
    (here / "conf/model/own.yaml").write_text("_target_: my_own.Own\nfault: false\n")
    monkeypatch.syspath_prepend(here)
    arguments = [f"{sample.id}.png", "--mask", "mask.png", "-o", "out", "--config-dir", "conf", "model=own"]
    assert predict(arguments) == 0
    assert np.array_equal(grey(Path("out/amodal.png")) > 0, ~sample.visible)
    assert json.loads(Path("out/amodal.json").read_text())["random_weights"] is True
    assert "Own paints nothing" in (told := capsys.readouterr().out) and "random weights" in told
    assert predict([*arguments, "model.fault=true"]) == 1
    assert "the model returned (1, 1) bool, not " in capsys.readouterr().err


NO_PICTURE = "cannot be read as a picture"


@pytest.mark.parametrize(
    ("arguments", "status", "answer"),
    mostly_slow(
        [
            ([], 2, "give either --mask FILE or --point X,Y"),
            (["--mask", "mask.png", "--point", "3,4"], 2, "give either --mask FILE or --point X,Y"),
            (["--mask", "none.png"], 2, "none.png: no such file"),
            (["--mask", "small.png"], 1, "small.png: is 8x9, but the image is 128x160 (height x width, upright)"),
            (["--mask", "empty.png"], 1, "empty.png: is an empty mask"),
            (["--mask", "full.png"], 1, "full.png: covers the whole image"),
            (["--mask", "cut.png"], 1, f"cut.png: {NO_PICTURE}"),
            (["--mask", "text.txt"], 1, f"text.txt: {NO_PICTURE}"),
            (["--mask", "."], 1, f".: {NO_PICTURE}"),
            (["--mask", "float.tiff"], 1, "float.tiff: has floating-point pixels"),
            (["--point", "160,3"], 2, "--point 160,3: is outside the image, which is 160 pixels wide and 128 high"),
            (["--point", "3,-1"], 2, "--point 3,-1: is outside"),
            (["--point", "3;4"], 2, "--point 3;4: is not X,Y"),
            (["--mask", "mask.png", "model=hul"], 2, "model=hul: there is no such choice; did you mean 'hull'?"),
            (["--mask", "mask.png", "-o", "text.txt"], 2, "text.txt: is not a folder"),
            (["--mask", "mask.png", "-o", "x" * 300], 2, "cannot be a folder (File name too long); name another one"),
            (["--mask", "mask.png", "another.png"], 2, "another.png: is not a setting; a setting is KEY=VALUE"),
            (["--mask", "mask.png", "model.backbone.device=moon"], 2, "device=moon: torch has no such device"),
            (["--mask", "mask.png", "model.backbone.device=cuda:99"], 2, "device=cuda:99: torch finds "),
            (["--mask", "mask.png", "model.steps=2.5"], 2, "model.steps: must be a whole number, not 2.5"),
            (["--point", "3,4", "model=hull", "segmenter.iterations=1.5"], 2, "segmenter.iterations: "),
            (["--mask", "amodal.png", "-o", "."], 2, "amodal.png: is an input and would be overwritten"),
            (["--mask", "mask.png", "model=predictions", "model.path=conf"], 1, "no prediction in conf"),
        ],
        3,
    ),
)
def test_a_mistake_is_answered_in_one_line(
    arguments: list[str], status: int, answer: str, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = np.zeros_like(sample.visible)
    for name, mask in {"small": empty[:8, :9], "empty": empty, "full": ~empty, "amodal": sample.visible}.items():
        save_mask(mask, f"{name}.png")
    Path("cut.png").write_bytes(Path("mask.png").read_bytes()[:-60])
    Path("text.txt").write_text("no picture")
    Path("conf").mkdir()
    save_mask(sample.visible, "conf/another.png")
    pillow.fromarray(sample.visible.astype(np.float32)).save("float.tiff")
    before = {file: file.read_bytes() for file in Path().glob("*.*")}
    assert predict([f"{sample.id}.png", *arguments]) == status
    told = capsys.readouterr()
    assert told.err.startswith("error: ") and answer in told.err and len(told.err.splitlines()) == 1
    assert told.out == ""
    assert {file: file.read_bytes() for file in Path().glob("*.*")} == before


def test_a_photograph_is_taken_upright(sample: Sample) -> None:
    exif = pillow.Exif()
    exif[0x0112] = QUARTER
    stored = pillow.fromarray(np.rot90(sample.image).copy())
    stored.save("turned.jpg", quality=95, exif=exif)
    with pillow.open("turned.jpg") as picture:
        shown = np.rot90(np.asarray(picture), -1)
    assert np.array_equal(read_picture(Path("turned.jpg")), shown)
    assert predict(["turned.jpg", "--mask", "mask.png", "model=visible"]) == 0
    assert grey(Path("turned-amodal/amodal.png")).shape == sample.visible.shape
    far = ~grown(enlarged(sample.visible), 3)
    assert np.array_equal(seen(Path("turned-amodal/overlay.png"), sample)[far], enlarged(shown)[far])
    assert read_picture(Path(f"{sample.id}.png")).tobytes() == sample.image.tobytes()


def test_pictures_of_every_kind_are_read_as_they_are_shown() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    same = np.repeat(ramp[..., None], 3, axis=2)
    pillow.fromarray(ramp).save("grey.png")
    pillow.fromarray(ramp.astype(np.uint16) * 257).save("deep.png")
    pillow.fromarray(ramp.astype(np.int32) * 257).save("deep.tiff")
    pillow.fromarray(ramp).convert("P").save("palette.png")
    pillow.fromarray(ramp).save("grey.gif")
    for name in ("grey.png", "deep.png", "deep.tiff", "palette.png", "grey.gif"):
        assert np.array_equal(read_picture(Path(name)), same), name
    clear = np.dstack([same, np.where(ramp < 128, 0, 255)]).astype(np.uint8)
    pillow.fromarray(clear).save("clear.png")
    found = read_picture(Path("clear.png"))
    assert (found[ramp < 128] == 255).all() and np.array_equal(found[ramp >= 128], same[ramp >= 128])


def test_the_haze_around_a_colour_in_a_jpeg_is_not_part_of_the_mask(sample: Sample) -> None:
    drawn = np.zeros_like(sample.image)
    drawn[sample.visible] = (255, 0, 0)
    pillow.fromarray(drawn).save("red.jpg", quality=50)
    found = read_mask(Path("red.jpg"), sample.visible.shape)
    assert (found & sample.visible).sum() / (found | sample.visible).sum() > 0.9


def test_masks_of_every_kind_are_read() -> None:
    wanted = np.zeros((6, 8), bool)
    wanted[1:4, 2:7] = True
    bits = wanted.astype(np.uint8)
    indexed = pillow.fromarray(1 - bits)  # V has the palette's entry 0 here, and is white all the same
    indexed.putpalette([255, 255, 255, 0, 0, 0])
    coloured = pillow.fromarray(bits)
    coloured.putpalette([0, 0, 0, 64, 0, 0])
    drawn = np.dstack([np.zeros((6, 8, 3), np.uint8), bits * 255])
    kinds = {
        "grey": pillow.fromarray(bits * 255),
        "soft": pillow.fromarray(np.where(wanted, 128, 127).astype(np.uint8)),
        "ones": pillow.fromarray(bits),
        "bilevel": pillow.fromarray(wanted),
        "colour": pillow.fromarray(np.repeat(bits[..., None] * 255, 3, axis=2)),
        "opaque": pillow.fromarray(np.dstack([np.repeat(bits[..., None] * 255, 3, axis=2), bits * 0 + 255])),
        "transparent": pillow.fromarray(drawn),
        "indexed": indexed,
        "coloured": coloured,
        "deep": pillow.fromarray(bits.astype(np.uint16) * 65535),
        "deep_ones": pillow.fromarray(bits.astype(np.uint16)),
    }
    for name, picture in kinds.items():
        picture.save(f"{name}.png")
        assert np.array_equal(read_mask(Path(f"{name}.png"), wanted.shape), wanted), name
    with pytest.raises(InputError, match="6x8, but the image is 8x6"):
        read_mask(Path("grey.png"), (8, 6))


@pytest.mark.slow
def test_it_is_reached_from_the_command_line(here: Path, sample: Sample) -> None:
    command = [sys.executable, "-m", "amodal_bench", "predict", f"{sample.id}.png", "model=visible"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--mask", "mask.png"], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert np.array_equal(grey(here / f"{sample.id}-amodal/amodal.png") > 0, sample.visible)


def test_a_query_alone_decides(sample: Sample) -> None:
    """The picture's folder and the output's name change nothing; the picture's own name is the id."""
    model = build(composed("model=hull").model, "model")
    (mask,) = model.predict([Query("any", sample.image, sample.visible)], [0])
    assert predict([f"{sample.id}.png", "--mask", "mask.png", "-o", "a/new/folder", "model=hull"]) == 0
    assert np.array_equal(grey(Path("a/new/folder/amodal.png")) > 0, mask | sample.visible)
    assert predict([f"{sample.id}.png", "--mask", "mask.png", "-o", "a/new/folder", "model=hull"]) == 0
    assert np.array_equal(grey(Path("a/new/folder/amodal.png")) > 0, mask | sample.visible)


@pytest.mark.slow
def test_answers_of_two_models_or_pictures_are_never_mixed(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--mask", "mask.png", "-o", "out"]
    assert predict([f"{sample.id}.png", *words, "model=hull"]) == 0
    before = {file: file.read_bytes() for file in Path("out").iterdir()}
    capsys.readouterr()
    pillow.fromarray(sample.image).save("other.png")
    for picture, model in ((f"{sample.id}.png", "visible"), ("other.png", "hull")):
        assert predict([picture, *words, f"model={model}"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: out: holds the answer of hull to {sample.id}.png; name another folder")
        assert f"-o out/{model}" in said and len(said.splitlines()) == 1
        assert {file: file.read_bytes() for file in Path("out").iterdir()} == before


@pytest.mark.parametrize("facts", [None, "", "[]", "{}", '{"model": 3}', "[" * 5000])
def test_a_folder_that_does_not_say_what_made_it_is_left_alone(facts: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    check_answer(folder, "hull", "a.Hull", "p.png", [])  # nothing of ours is there
    (folder / "visible.png").write_bytes(b"")
    if facts is not None:
        (folder / "amodal.json").write_text(facts)
    with pytest.raises(UsageError, match=r"no amodal.json that says what made it; name another folder"):
        check_answer(folder, "hull", "a.Hull", "p.png", [])
    if facts is None:  # V that an earlier call found is read by this one
        check_answer(folder, "hull", "a.Hull", "p.png", [folder / "visible.png"])


@pytest.mark.slow
def test_the_visible_mask_of_an_earlier_answer_may_be_read_and_stays(sample: Sample) -> None:
    assert predict([f"{sample.id}.png", "--mask", "mask.png", "-o", "out", "model=visible"]) == 0
    save_mask(sample.visible, "out/visible.png")
    assert predict([f"{sample.id}.png", "--mask", "out/visible.png", "-o", "out", "model=visible"]) == 0
    assert Path("out/visible.png").exists() and Path("out/amodal.png").exists()
