"""`amodal-bench results compare`: paired differences against a plain loop, verdicts, groups and refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from masks import box
from params import mostly_slow
from stored_runs import SHAPE, Things, shifted, store_run, things

from amodal_bench.api.compare import Comparison, compare_runs
from amodal_bench.api.load import load_protocol
from amodal_bench.api.runs import open_run
from amodal_bench.cli.results.command import main as command
from amodal_bench.cli.results.words import parted
from amodal_bench.core.errors import ConfigError, UsageError
from amodal_bench.core.types import Floats, Mask
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.colours import REGIONS, rgb
from amodal_bench.report.compare import verdict
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.sheet import CELL, EDGE, GAP

Answer = Callable[[int, Mask], Mask | str]


def made(folder: Path, data: Things, **models: Answer) -> list[Path]:
    """A run of each model: it answers with the number of the instance and A."""
    found = []
    for name, answer in models.items():
        predicted = {id: [answer(n, facts[3])] for n, (id, facts) in enumerate(data.instances.items())}
        found.append(store_run(folder / name, name, data, predicted))
    return found


def compared(folders: Sequence[Path], protocol: ScoringProtocol | None = None, **settings: object) -> Comparison:
    runs = [open_run(folder) for folder in folders]
    return compare_runs(runs, protocol or load_protocol("instance"), **settings)  # type: ignore[arg-type]


def perfect(_: int, amodal: Mask) -> Mask:
    return amodal


def off(n: int, amodal: Mask) -> Mask:
    """Off by 0 to 3 rows."""
    return shifted(amodal, n * 7 % 4)


def worse(n: int, amodal: Mask) -> Mask:
    return shifted(amodal, 1 + n * 5 % 4)


def resampled(one: Floats, other: Floats, clusters: Sequence[str], every: Sequence[str]) -> Floats:
    """The mean of one minus that of the other in each resample, drawn as the harness does, added up row by row."""
    names, rng = sorted(set(every)), np.random.default_rng(0)
    defined = [(row, cluster) for row, cluster in enumerate(clusters) if not np.isnan(one[row])]
    rows_of = [[row for row, cluster in defined if cluster == name] for name in names]
    found: list[float] = []
    for _ in range(20):
        for drawn in rng.integers(0, len(names), (100, len(names)), dtype=np.int32).tolist():
            rows = [row for k in drawn for row in rows_of[k]]
            found.append(float(np.mean(one[rows]) - np.mean(other[rows])) if rows else float("nan"))
    return np.array(found)


@pytest.mark.parametrize("videos", mostly_slow([False, True]))
def test_differences_are_those_of_a_plain_loop(tmp_path: Path, videos: bool) -> None:
    data = things(24, videos=videos)
    found = compared(made(tmp_path, data, base=off, own=worse), at_least=5)
    tables = [one.instances() for one in found.scored]
    clusters = [
        f"video {video}" if video else f"image {image}" for image, video, *_ in data.instances.values()
    ]  # instances are in the order of their ids
    columns = {"miou": "iou", "occluded_miou": "occluded_iou"}
    rate, pixels = tables[0]["occlusion_rate"].to_numpy(), np.array([f[3].sum() for f in data.instances.values()])
    category = np.array([facts[2] for facts in data.instances.values()])
    chosen = {
        ("all", "all"): np.ones(24, bool),
        ("occlusion", "(0.4, 0.7]"): (rate > 0.4) & (rate <= 0.7),
        ("category", "a"): category == "a",
        ("category", "other (1 category)"): category == "c",
        ("size", "small"): pixels < 1024,
    }
    table = {
        tuple(row[k] for k in ("group_kind", "group", "number")): row for row in found.differences.to_dict("records")
    }
    for (kind, group), rows in chosen.items():
        for number, column in columns.items():
            base, own = (each[column].to_numpy(float)[rows] for each in tables)
            some = [cluster for cluster, taken in zip(clusters, rows, strict=True) if taken]
            row = table[kind, group, number]
            defined = ~np.isnan(own)
            assert row["n"] == defined.sum()
            assert row["clusters"] == len({c for c, d in zip(some, defined, strict=True) if d})
            assert row["difference"] == pytest.approx(float(own[defined].mean() - base[defined].mean()), abs=1e-12)
            values = resampled(own, base, some, clusters)
            values = values[~np.isnan(values)]
            assert [row["low"], row["high"]] == pytest.approx(list(np.quantile(values, [0.025, 0.975])), abs=1e-12)
            tail = min((values <= 1e-12).sum(), (values >= -1e-12).sum())
            assert row["p"] == pytest.approx(min(1.0, 2 * (tail + 1) / (len(values) + 1)), abs=2e-3)
    assert {key for key in table if key[0] == "all"} == {("all", "all", name) for name in columns}


@pytest.mark.slow
def test_groups_hold_every_instance_once(tmp_path: Path) -> None:
    found = compared(made(tmp_path, things(30), base=off, own=worse)).differences
    by = found[found["number"] == "miou"].groupby("group_kind")["n"].sum()
    assert by.to_dict() == {"all": 30, "occlusion": 30, "category": 30, "size": 30}
    assert set(found.loc[found["group_kind"] == "category", "group"]) == {"other (3 categories)"}


@pytest.mark.slow
def test_sizes_are_cocos_areas(tmp_path: Path) -> None:
    """An A of 1024 pixels is medium, and one of 9216 large."""
    shape, sides = (100, 100), {"s": (31, 33), "m": (32, 32), "n": (95, 97), "l": (96, 96)}
    masks = {id: box(shape, 1, 1, *each) for id, each in sides.items()}
    data = Things("sizes", {id: (f"i-{id}", "", "a", mask, mask) for id, mask in masks.items()})
    found = compared(made(tmp_path, data, base=perfect, own=lambda _, a: shifted(a, 1))).differences
    sizes = found[(found["group_kind"] == "size") & (found["number"] == "miou")].set_index("group")["n"]
    assert sizes.to_dict() == {"small": 1, "medium": 2, "large": 1}


@pytest.mark.slow
def test_a_run_that_is_better_everywhere_is_better(tmp_path: Path) -> None:
    found = compared(made(tmp_path, things(60), base=worse, own=perfect, same=worse))
    own, same = found.differences.query("group_kind == 'all' and number == 'miou'").to_dict("records")
    assert [(row["model"], row["verdict"]) for row in (own, same)] == [("own", "better"), ("same", "not decisive")]
    assert [same[key] for key in ("difference", "low", "high")] == [0, 0, 0]
    assert own["p_holm"] == pytest.approx(2 * own["p"]) and own["value"] == 1
    assert found.wins.to_dict("records") == [
        {"run": found.runs[1].digest, "better": 60, "equal": 0, "worse": 0},
        {"run": found.runs[2].digest, "better": 0, "equal": 60, "worse": 0},
    ]
    (backwards,) = compared([tmp_path / "own", tmp_path / "base"]).differences.query(
        "group_kind == 'all' and number == 'miou'"
    )["verdict"]
    assert backwards == "worse"


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((0.1, 0.2, 0.001, 0.001), "better"),
        ((-0.2, -0.1, 0.001, 0.001), "worse"),
        ((-0.1, 0.2, 0.4, 0.4), "not decisive"),
        ((0.0, 0.2, 0.04, 0.04), "not decisive"),
        ((0.1, 0.2, 0.03, 0.06), "not decisive among many"),
        ((0.001, 0.2, 0.0505, 0.0505), "not decisive"),  # the interval's end and the p-value can differ by a resample
        ((float("nan"), float("nan"), float("nan"), float("nan")), "no interval"),
    ],
)
def test_a_verdict_says_what_interval_and_p_values_do(numbers: tuple[float, float, float, float], says: str) -> None:
    assert verdict(*numbers) == says


@pytest.mark.slow
def test_a_number_without_an_interval_has_no_verdict(tmp_path: Path) -> None:
    data = things(4, per_image=4)
    found = compared(made(tmp_path, data, base=worse, own=perfect)).differences
    assert set(found["verdict"]) == {"no interval"}, "all instances are of one image"
    assert found["low"].isna().all() and found["p"].isna().all() and (found["difference"] > 0).all()


@pytest.mark.slow
def test_the_largest_changes_come_first(tmp_path: Path) -> None:
    moves = [0, 3, 1, 2]

    def moved(n: int, amodal: Mask) -> Mask | str:
        return "no answer" if n == 3 else shifted(amodal, moves[n])

    data = things(4)
    changes = compared(made(tmp_path, data, base=perfect, own=moved)).changes
    assert changes["id"].tolist() == ["id-003", "id-001", "id-002", "id-000"]
    assert changes["iou"].tolist()[0] == 0 and changes["error"].tolist()[0] == "no answer"
    for row in changes.iloc[1:].to_dict("records"):
        number = int(row["id"][-1])
        amodal = data.instances[row["id"]][3]
        mask = shifted(amodal, moves[number])
        assert row["iou"] == pytest.approx((mask & amodal).sum() / (mask | amodal).sum())
        assert row["difference"] == row["iou"] - row["reference_iou"] and row["amodal_pixels"] == amodal.sum()


@pytest.mark.slow
def test_stores_may_hold_their_instances_in_any_order(tmp_path: Path) -> None:
    data = things(12)
    backwards = Things("things", dict(list(data.instances.items())[::-1]))
    base = made(tmp_path, data, base=off)
    predicted = {id: [facts[3]] for id, facts in backwards.instances.items()}
    other = store_run(tmp_path / "other", "other", backwards, predicted)
    straight = store_run(tmp_path / "straight", "straight", data, predicted)
    first, second = compared([*base, other]), compared([*base, straight])
    drop = ["run", "model"]
    pd.testing.assert_frame_equal(
        first.differences.drop(columns=drop), second.differences.drop(columns=drop), rtol=1e-12
    )
    assert first.changes["difference"].tolist() == second.changes["difference"].tolist()


@pytest.mark.slow
def test_draws_are_compared_with_as_many(tmp_path: Path) -> None:
    data = things(8)
    masks = {id: facts[3] for id, facts in data.instances.items()}
    two = store_run(tmp_path / "two", "two", data, {id: [mask, shifted(mask, 3)] for id, mask in masks.items()})
    one = store_run(tmp_path / "one", "one", data, {id: [shifted(mask, 1)] for id, mask in masks.items()})
    fixed = store_run(
        tmp_path / "fixed", "fixed", data, {id: [mask] for id, mask in masks.items()}, deterministic=True
    )
    own = load_protocol("draws")
    mean = ScoringProtocol("draws", 1, {"mean": own.numbers["mean_miou"]}, own.filter)
    with pytest.raises(UsageError, match=r"one: has 1 draws .*two has 2; give samples=1"):
        compared([two, one], mean)
    (row,) = compared([two, fixed], mean).differences.query("group_kind == 'all'").to_dict("records")
    ious = [1, *[np.mean([(m & shifted(m, 3)).sum() / (m | shifted(m, 3)).sum() for m in masks.values()])]]
    assert row["reference"] == pytest.approx(np.mean(ious)) and row["value"] == 1
    with pytest.raises(ConfigError, match="is about draw 0 alone"):
        compared([two, one], samples=2)


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused_with_a_way_out(tmp_path: Path) -> None:
    data = things(10)
    base, own = made(tmp_path, data, base=off, own=worse)
    with pytest.raises(UsageError, match="two runs or more"):
        compared([base])
    with pytest.raises(UsageError, match=r"is the same run as .*name it once"):
        compared([base, own, base])
    (other,) = made(tmp_path, things(10, seed=1), other=off)
    with pytest.raises(UsageError, match=r"other: was run on things .* and .*base on things .*--common"):
        compared([base, other])
    with pytest.raises(UsageError, match=r"boundary@1 needs the masks again .*run its command again with protocol="):
        compared([base, own], load_protocol("boundary"))
    fewer = {id: [facts[3]] for id, facts in list(data.instances.items())[:7]}
    few = store_run(tmp_path / "few", "few", data, fewer)
    with pytest.raises(UsageError) as refused:
        compared([base, few])
    assert "is about 7 instances and" in str(refused.value)
    assert "3 that" in str(refused.value) and "such as id-007" in str(refused.value)
    assert str(refused.value).endswith("--common compares the 7 that all have")
    found = compared([base, few], common=True)
    assert found.left_out == 3 and len(found.changes) == 7
    assert found.differences["ids"].str.startswith("7:").all()
    assert compared([few, base], common=True).missing == 3


@pytest.mark.slow
def test_of_two_versions_of_a_dataset_what_is_annotated_alike_is_compared(tmp_path: Path) -> None:
    data = things(10)
    changed = dict(data.instances)
    image, video, category, amodal, visible = changed["id-004"]
    changed["id-004"] = (image, video, category, shifted(amodal, 1) | amodal, visible)
    (base,) = made(tmp_path, data, base=off)
    (own,) = made(tmp_path, Things("things", changed), own=perfect)
    found = compared([base, own], common=True)
    assert found.left_out == 1 and "id-004" not in set(found.changes["id"])
    nothing = Things("things", {"elsewhere": data.instances["id-000"]})
    with pytest.raises(UsageError, match="has no instance in common"):
        compared([base, *made(tmp_path, nothing, nothing=off)], common=True)


def test_a_comparison_is_not_written_among_the_files_of_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.data.js").touch()
    assert command(["compare", "a", "b", "-o", str(tmp_path)]) == 2
    assert "holds a page of `results page`; name another folder with -o" in capsys.readouterr().err


def test_words_are_runs_or_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    runs, settings = parted(["a=b", "x/y", "protocol=pooled", "+k=v", "~protocol.numbers.miou", "~/runs/x"])
    assert runs == [Path("a=b"), Path("x/y"), Path.home() / "runs/x"]
    assert settings == ["protocol=pooled", "+k=v", "~protocol.numbers.miou"]


@pytest.mark.slow
def test_the_verb_prints_and_writes(
    bench: Callable[..., Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = bench("model=hull", "dataset.images=6")
    visible, hull = (str(one.folder) for one in (outcome.scored[0], outcome.main))
    capsys.readouterr()
    assert command(["compare", visible, hull]) == 0
    printed = capsys.readouterr().out
    assert not list(tmp_path.glob("*.md")) and "wrote" not in printed
    gained = outcome.table().query("model == 'hull' and protocol == 'instance@2'").iloc[0]
    values = [100 * gained[f"miou_gain{end}"] for end in ("", "_low", "_high")]
    assert "{:+.1f} [{:.1f}, {:.1f}]".format(*values) in printed, "the gain over V of the run's own table"
    output = tmp_path / "out"
    assert command(["compare", hull, "--to", visible, "-o", str(output), "--show", "3"]) == 0
    printed = capsys.readouterr().out
    assert sorted(file.name for file in output.iterdir()) == [
        "comparison.csv", "comparison.md", "instances.csv", "sheet.png"
    ]  # fmt: skip
    page = (output / "comparison.md").read_text()
    names = ("comparison.csv", "instances.csv", "comparison.md", "sheet.png")
    assert printed == f"{page}\nwrote {', '.join(str(output / name) for name in names)}\n"
    table = pd.read_csv(output / "comparison.csv")
    assert {"run", "group_kind", "group", "number", "n", "difference", "low", "high", "p", "verdict"} <= set(table)
    assert table.query("group_kind == 'all' and number == 'miou'")["difference"].item() == pytest.approx(
        gained["miou_gain"]
    )
    assert len(re.findall(r"^\| B \| test-", page, re.MULTILINE)) == 3


@pytest.mark.slow
def test_other_settings_of_the_protocol_are_as_in_a_score(
    bench: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = bench("model=hull", "dataset.images=4")
    folders = [str(one.folder) for one in (outcome.scored[0], outcome.main)]
    assert command(["compare", *folders, "protocol=pooled", "protocol.filter.min_occlusion=0.2"]) == 0
    assert "pooled@2 with filter.min_occlusion=0.2" in capsys.readouterr().out
    assert command(["compare", *folders, "experiment=protocols"]) == 2
    assert "a comparison is about one protocol" in capsys.readouterr().err


@pytest.mark.slow
def test_without_the_dataset_there_is_no_sheet_and_all_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, own = made(tmp_path, things(6), base=off, own=worse)
    output = tmp_path / "out"
    assert command(["compare", str(base), str(own), "-o", str(output)]) == 0
    printed = capsys.readouterr().out
    assert (
        "no sheet: the pictures cannot be shown (" in printed and "does not say how its dataset is opened" in printed
    )
    assert sorted(file.name for file in output.iterdir()) == ["comparison.csv", "comparison.md", "instances.csv"]


@pytest.mark.slow
def test_a_sheet_has_a_column_for_each_run(bench: Callable[..., Outcome], tmp_path: Path) -> None:
    from PIL import Image as Pillow

    outcome = bench("model=hull", "dataset.images=4")
    folders = [str(one.folder) for one in (outcome.scored[0], outcome.main)]
    assert command(["compare", *folders, "-o", str(tmp_path / "out"), "--show", "2"]) == 0
    with Pillow.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.width == 5 * (CELL + GAP) - GAP + 2 * EDGE, "image, V, A, B and ground truth"
        assert 2 * CELL < sheet.height < 4 * CELL
        pixels = np.asarray(sheet)
    assert all((pixels == rgb(region.colour)).all(axis=-1).any() for region in REGIONS)


def test_the_shapes_of_hand_made_masks_fit() -> None:
    """Shifts of up to 4 rows stay in the frame, so that an IoU is what it seems."""
    assert all(facts[3][:-4].sum() == facts[3].sum() for facts in things(50).instances.values())
    assert SHAPE == (24, 20)
