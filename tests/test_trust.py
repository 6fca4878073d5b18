"""What a number must not hide: changed protocols, failures, other code, mixed-up ids, broken networks."""

from __future__ import annotations

import importlib
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import amodal_bench
from amodal_bench.cli.results.command import main as command
from amodal_bench.cli.results.command import main as results
from amodal_bench.cli.results.table import collect
from amodal_bench.core.errors import ConfigError, InputError, PredictionError
from amodal_bench.core.parsed import parsed
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.protocols import Filter, ScoringProtocol
from amodal_bench.report.csv_logger import CsvLogger
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner.source import code_digest
from amodal_bench.tiny.networks import WEIGHTS

Bench = Callable[..., Outcome]
TOY = ["model=hull", "dataset.images=4"]


@dataclass
class Own:
    """A model of a user's: `answer` makes the mask of a query."""

    answer: Callable[[Query], Mask]
    name: str = "own"
    seen: list[str] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        self.seen += [query.id for query in queries]
        return [self.answer(query) for query in queries]


def run(answer: Callable[[Query], Mask], name: str = "own", **choices: Any) -> Outcome:
    settings = {"dataset.images": 4, "engine.max_error_share": 1}
    return amodal_bench.evaluate(model=Own(answer, name), name=name, settings=settings, sheet=0, **choices)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("protocol.filter.min_occlusion=0.2", "filter.min_occlusion=0.2"),
        ("+protocol.numbers.miou.prediction=united", "numbers.miou.prediction=united"),
        ("protocol.errors=exclude", "errors=exclude"),
    ],
)
def test_a_changed_protocol_has_another_label_and_another_folder(bench: Bench, change: str, says: str) -> None:
    plain = bench(*TOY).main
    before = {file: file.read_bytes() for file in plain.folder.rglob("*.csv") if file.name != "timing.csv"}
    changed = bench(*TOY, change).main
    assert plain.folder == changed.folder and plain.score_folder != changed.score_folder
    assert changed.summary()["protocol"][0] == f"instance@2 with {says}"
    assert {file: file.read_bytes() for file in before} == before
    content = json.loads((changed.score_folder / "protocols.json").read_text())
    assert content[0]["label"] == changed.summary()["protocol"][0]


@pytest.mark.slow
def test_empty_predictions_are_worth_nothing() -> None:
    summary = run(lambda query: np.zeros_like(query.visible)).main.summary()
    assert summary["miou"].tolist() == [0, 0] and summary["occluded_miou"].tolist() == [0, 0]


@pytest.mark.slow
def test_a_failed_prediction_counts_as_an_empty_one() -> None:
    """Leaving the worst instances out must not raise a number."""
    toy = Toy("test", 4)
    truth = {str(id): toy.sample(str(id)).amodal for id in toy.records()["id"]}
    lost = next(iter(str(id) for id in toy.records().query("not stuff and not hidden")["id"]))

    def answer(query: Query) -> Mask:
        if query.id == lost:
            raise PredictionError("no idea")
        return truth[query.id]

    main = run(answer).main
    count = len(main.records)
    assert main.summary()["miou"][0] == pytest.approx((count - 1) / count)
    assert main.summary()[["errors", "instances"]].to_numpy().tolist() == [[1, count]] * 2
    assert main.errors().to_dict("records") == [{"id": lost, "draw": 0, "kind": "failed", "error": "no idea"}]
    assert main.ids == run(lambda query: truth[query.id], "perfect").main.ids
    excluded = run(answer, protocol="instance", seed=0, **{}).main  # the same run, scored again
    assert excluded.summary()["miou"][0] == main.summary()["miou"][0]
    kept = amodal_bench.score(main.folder, amodal_bench.load_protocol("instance", errors="exclude"), dataset=toy)
    assert kept.summary["miou"][0] == 1
    assert kept.summary["protocol"][0] == "instance@2 with errors=exclude"


@pytest.mark.slow
def test_a_model_cannot_change_what_it_is_given() -> None:
    def answer(query: Query) -> Mask:
        query.visible[:] = True
        return query.visible

    errors = run(answer).main.errors()
    assert set(errors["kind"]) == {"failed"}
    assert errors["error"].str.contains("read-only").all()


@pytest.mark.slow
def test_perfect_masks_are_worth_one_where_v_is_drawn_too_wide(tmp_path: Path) -> None:
    """Uniting with V is a choice of the model's, off for masks from elsewhere."""

    class Wide(Toy):
        def sample(self, id: str) -> Any:
            sample = super().sample(id)
            visible = sample.visible | np.roll(sample.visible, 1, axis=1)
            return type(sample)(id, sample.image, visible, sample.amodal, sample.others)

    wide = Wide("test", 4)
    ids = [str(id) for id in wide.records().query("not stuff and not hidden")["id"]]
    file = tmp_path / "perfect.json"
    file.write_text(json.dumps([{"annotation_id": id, "segmentation": encode(wide.sample(id).amodal)} for id in ids]))
    miou = {}
    for union in (False, True):
        model = amodal_bench.load_model("predictions", path=str(file), union_visible=union)
        outcome = amodal_bench.evaluate(dataset=wide, model=model, name=f"union-{union}", sheet=0)
        miou[union] = outcome.main.summary()["miou"][0]
    assert miou[False] == 1 and miou[True] < 0.999


@pytest.mark.slow
def test_predictions_that_name_another_image_stop_the_run(bench: Bench, tmp_path: Path) -> None:
    """Running numbers are taken for ids so, and perfect masks are scored against other objects."""
    toy = Toy("test", 4)
    records = toy.records().query("not stuff and not hidden")
    ids, images = records["id"].astype(str).tolist(), records["image_id"].astype(str).tolist()
    entries = [
        {"id": other, "image_id": image, "segmentation": encode(toy.sample(id).amodal)}
        for id, other, image in zip(ids, ids[1:] + ids[:1], images, strict=True)
    ]
    file = tmp_path / "mixed.json"
    file.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"of its entries name another image .*; instance .* give each entry the"):
        bench("model=predictions", f"model.path={file}", "dataset.images=4")


@pytest.mark.slow
def test_other_code_is_another_run() -> None:
    """A class that is defined again under its name predicts otherwise, and so is not answered from the store."""
    found = []
    for shrink in (False, True):
        if shrink:

            class Model:
                def describe(self) -> dict[str, Any]:
                    return {}

                def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
                    return [np.zeros_like(query.visible) for query in queries[: len(seeds)]]
        else:

            class Model:  # type: ignore[no-redef]
                def describe(self) -> dict[str, Any]:
                    return {}

                def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
                    return [query.visible.copy() for query in queries[: len(seeds)]]

        outcome = amodal_bench.evaluate(model=Model(), settings={"dataset.images": 2}, sheet=0)
        found.append((outcome.main.digest, outcome.main.summary()["miou"][0]))
    assert found[0][0] != found[1][0]
    assert found[0][1] > 0.5 and found[1][1] == 0


def test_comments_layout_and_docstrings_are_no_other_code() -> None:
    plain = "def f(x):\n    return x + 1\n"
    same = '"""A module."""\n\n# a comment\ndef f( x ):\n    """Says what."""\n    return x+1  # here\n'
    assert parsed(plain) == parsed(same) != parsed(plain.replace("1", "2"))
    assert code_digest(Own(lambda query: query.visible)) == code_digest(Own(lambda query: query.visible))


UNET, VAE = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
DENOISE = "denoise: the latents after step 1 of 2 are not finite"
DAMAGES: dict[str, tuple[str, str, float, str]] = {
    "NaN in the UNet's last bias": (UNET, "conv_out.bias", math.nan, DENOISE),
    "Inf in the UNet's first bias": (UNET, "conv_in.bias", math.inf, DENOISE),
    "Inf in its time embedding": (UNET, "time_embedding.linear_1.weight", math.inf, DENOISE),
    "minus Inf in a block": (UNET, "mid_block.resnets.0.conv1.weight", -math.inf, DENOISE),
    "NaN null prompt": ("null_prompt.safetensors", "null_prompt", math.nan, DENOISE),
    "NaN in the encoder": (VAE, "encoder.conv_in.weight", math.nan, "encode: the latents of the condition image"),
    "NaN in the decoder": (VAE, "decoder.conv_in.weight", math.nan, "decode: the pixels are not finite"),
    "all of the VAE is NaN": (VAE, "", math.nan, "encode: the latents of the condition image are not finite"),
}
"""What is broken in the tiny model's weights: a file, a tensor ("" for all), a value, and the stage that says so."""


def damaged(folder: Path, file: str, tensor: str, value: float) -> Path:
    """A copy of the tiny model's weights with a number of one tensor, or all tensors of a file, replaced."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(WEIGHTS, folder)
    tensors = load_file(folder / file)
    for name in [tensor] if tensor else tensors:
        tensors[name].view(-1)[: 1 if tensor else None] = value
    save_file(tensors, folder / file, {"format": "pt"})
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("file", "tensor", "value", "says"), DAMAGES.values(), ids=DAMAGES)
def test_weights_that_are_not_finite_give_error_rows_and_no_mask(
    bench: Bench, tmp_path: Path, file: str, tensor: str, value: float, says: str
) -> None:
    weights = damaged(tmp_path / "broken", file, tensor, value)
    words = [f"model.weights={weights}", "dataset.images=1", "model.steps=2", "sheet=0", "limit=2"]
    main = bench(*words, "engine.max_error_share=1").main
    errors = main.errors()
    assert len(errors) == len(main.records) == 2 and set(errors["kind"]) == {"failed"}
    assert errors["error"].str.contains(says, regex=False).all()
    assert main.summary()["miou"].tolist() == [0, 0]


@pytest.mark.slow
def test_scores_of_a_sam_that_are_not_finite_give_error_rows_and_no_mask(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores choose one of three masks: NaN would choose the first without a word."""
    import torch

    from amodal_bench.segmenters.sam import Sam

    whole: Any = Sam.__mro__[1].__dict__["model"].func

    def with_nan(self: Sam) -> Any:
        network = whole(self)
        torch.nn.init.constant_(network.mask_decoder.iou_prediction_head.proj_out.bias, math.nan)
        return network

    replaced = cached_property(with_nan)
    replaced.__set_name__(Sam, "model")
    monkeypatch.setattr(Sam, "model", replaced)
    words = ["model=random/sam", "dataset.images=1", "sheet=0", "limit=2", "engine.max_error_share=1"]
    main = bench(*words).main
    errors = main.errors()
    assert len(errors) == 2 and set(errors["kind"]) == {"failed"}
    assert errors["error"].str.contains("segment: the predicted scores are not finite", regex=False).all()
    assert main.summary()["miou"].tolist() == [0, 0]


@pytest.mark.slow
def test_gains_over_v_are_paired(bench: Bench) -> None:
    """The interval of the difference, not the difference of the intervals."""
    outcome = bench("model=hull", "dataset.images=30")
    table = outcome.table().query("protocol == 'instance@2'").set_index("model")
    hull, visible = table.loc["hull"], table.loc["visible"]
    assert hull["miou_gain"] == pytest.approx(hull["miou"] - visible["miou"])
    assert hull["miou_gain_low"] < hull["miou_gain"] < hull["miou_gain_high"]
    theirs, own = (scored.instances() for scored in outcome.scored)
    assert hull["miou_worse"] == pytest.approx((own["iou"] < theirs["iou"]).mean())
    assert np.isnan(visible["miou_gain"])
    assert hull["clusters"] == 30


@pytest.mark.slow
def test_a_replaced_picture_is_predicted_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A model that looks at pixels gave the old number; the other pictures' predictions stay."""
    from PIL import Image

    from amodal_bench.testing.export.kins import export

    export(tmp_path / "kins", images=2)
    seen: list[str] = []

    def look(query: Query) -> Mask:
        seen.append(query.id)
        return np.asarray(query.visible | (query.image[0, 0, 0] == 255), bool)

    def command() -> tuple[float, list[str]]:
        seen.clear()
        dataset = amodal_bench.load_dataset("kins", root=str(tmp_path / "kins"))
        main = amodal_bench.evaluate(dataset=dataset, model=Own(look), name="own", sheet=0).main
        return float(main.summary()["miou"][0]), sorted(seen)

    before, every = command()
    assert command() == (before, [])
    picture = sorted((tmp_path / "kins").rglob("*.png"))[0]
    with Image.open(picture) as old:
        size = old.size
    Image.new("RGB", size, (255, 255, 255)).save(picture)
    after, again = command()
    assert after < before and 0 < len(again) < len(every)
    assert "own: 1 picture has changed since: its" in caplog.text
    assert command() == (after, [])


@pytest.mark.slow
def test_a_whole_run_and_a_small_one_lie_side_by_side(bench: Bench) -> None:
    """What is finished stays as it is on either side, and the export is of the whole run."""
    words = ["model=hull", "dataset.images=8"]
    whole = bench(*words).main
    CsvLogger().finish(bench(*words))
    count = len(whole.records)
    assert count >= 24
    before = {file: file.read_bytes() for file in whole.folder.parent.rglob("*.csv") if file.name != "timing.csv"}
    stored = pd.read_csv(whole.score_folder / "instances.csv")
    assert len(stored) == count
    small_outcome = bench(*words, "limit=4")
    CsvLogger().finish(small_outcome)
    small = small_outcome.main
    assert small.folder == whole.folder and small.score_folder != whole.score_folder
    assert len(pd.read_csv(small.score_folder / "instances.csv")) == 4
    assert {file: file.read_bytes() for file in before} == before
    for folder in (small.score_folder, whole.score_folder):
        summary = pd.read_csv(folder / "summary.csv")
        assert set(summary["ids"].str.partition(":")[0]) == {"4" if folder == small.score_folder else str(count)}
    assert len(amodal_bench.open_run(whole.folder).instances()) == count
    output = whole.folder / "all.json"
    assert results(["export", str(whole.folder), "-o", str(output)]) == 0
    assert len(json.loads(output.read_text())) == count
    table = collect(whole.folder.parents[1]).query("model == 'hull' and protocol == 'instance@2'")
    assert sorted(table["instances"]) == [4, count]


@pytest.mark.slow
def test_each_protocol_of_a_table_is_about_the_instances_of_its_own_filter(bench: Bench) -> None:
    """PCNet's filter takes stuff in, which the command's own protocol leaves out: the label means the same alone."""

    def rows(*words: str) -> dict[str, dict[str, Any]]:
        table = bench(*TOY, *words).table().query("model == 'hull'").set_index("protocol")
        return {str(label): table.loc[label].dropna().to_dict() for label in table.index}

    both = rows("+protocol@other_protocols.pcnet=pcnet")
    for name in ("instance", "pcnet"):
        assert both[f"{name}@2"] == rows(f"protocol={name}")[f"{name}@2"]
    assert both["pcnet@2"]["instances"] > both["instance@2"]["instances"]
    limited = bench(*TOY, "+protocol@other_protocols.pcnet=pcnet", "limit=3").table()
    assert set(limited["instances"]) == {3}


@pytest.mark.slow
def test_the_name_of_the_visible_mask_does_not_make_a_model_it() -> None:
    """Gains are over V itself: another model of that name stands beside it."""
    outcome = run(lambda query: np.zeros_like(query.visible), name="visible")
    table = outcome.table().query("protocol == 'instance@2'")
    assert table["model"].tolist() == ["visible", "hull", "visible"]
    true, hull, own = table.to_dict("records")
    assert np.isnan(true["miou_gain"]) and true["miou"] > own["miou"] == 0
    assert hull["miou_gain"] == pytest.approx(hull["miou"] - true["miou"])
    assert own["miou_gain"] == pytest.approx(-true["miou"]) and own["miou_worse"] == 1


@pytest.mark.slow
def test_a_list_of_ids_refuses_a_filter_that_it_would_leave_without_effect(bench: Bench, tmp_path: Path) -> None:
    outcome = bench(*TOY)
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(outcome.main.instances()["id"]))
    for key in ("protocol", "other_protocols.pooled"):
        with pytest.raises(ConfigError, match=r"so that filter\.min_occlusion=0\.2 of \w+ would have no effect"):
            bench(*TOY, f"ids={file}", f"{key}.filter.min_occlusion=0.2")


@pytest.mark.slow
def test_a_later_command_with_less_in_it_takes_nothing_from_a_table(bench: Bench) -> None:
    def written(outcome: Outcome) -> pd.DataFrame:
        CsvLogger().finish(outcome)
        return pd.read_csv(outcome.main.score_folder / "summary.csv")

    full = written(bench(*TOY, "+protocol@other_protocols.samba=samba"))
    assert set(full["protocol"]) == {"instance@2", "pooled@2", "samba@1"} and len(full) == 6
    again = written(bench(*TOY, "baselines=null", "other_protocols=null"))
    pd.testing.assert_frame_equal(again, full)


def test_a_number_of_ones_own_is_named_by_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = (
        "from dataclasses import dataclass\nimport numpy as np\n"
        "from amodal_bench.metrics.numbers.base import mean\n"
        "LEVEL = 0.5\n\n@dataclass(frozen=True)\nclass Half:\n    regions = ()\n\n"
        "    def score(self, rows):\n        return mean(np.full(len(rows), LEVEL))\n"
    )
    digests = []
    for name, text in (("one", source), ("two", source.replace("0.5", "0.9")), ("three", f"# told\n{source}")):
        (tmp_path / f"number_{name}.py").write_text(text)
        protocol = ScoringProtocol("mine", 1, {"half": importlib.import_module(f"number_{name}").Half()}, Filter())
        digests.append(protocol.content["numbers"]["half"]["code"])
    assert digests[0] != digests[1] and digests[0] == digests[2]


@pytest.mark.slow
def test_a_score_says_what_the_run_has_not_tried(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench(*TOY, "limit=3").main.folder
    assert command(["score", str(folder), "protocol=pcnet"]) == 0
    printed = capsys.readouterr().out
    everything = len(Toy("test", 4).records())
    way = "the run's command with protocol=pcnet and without limit= adds them"
    assert f"not run: {everything - 3} instances that the protocol selects; {way}" in printed
