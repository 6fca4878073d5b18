"""The Python API: lazy, silent, and the same numbers as the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from params import mostly_slow

import amodal_bench
from amodal_bench.core.types import Mask
from amodal_bench.runner.store import STORE, Store
from amodal_bench.testing.datasets import violations
from amodal_bench.testing.export.cocoa import export

PAGE = Path(__file__).parents[1] / "docs" / "python-api.md"
SMALL: dict[str, Any] = {"dataset": "toy", "limit": 6, "sheet": 0}
IMAGES = {"dataset.images": 3}
HEAVY = ("numpy", "pandas", "torch", "hydra", "omegaconf", "cv2", "pycocotools", "PIL", "tqdm", "rich")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def outcome() -> amodal_bench.Outcome:
    """Six instances of three toy scenes, predicted by the hull."""
    return amodal_bench.evaluate(model="hull", settings=IMAGES, **SMALL)


class Shifted:
    """Predicts V moved to the right, and nothing for one instance where it is told to fail."""

    def __init__(self, pixels: int, fails_at: str = "") -> None:
        self.pixels, self.fails_at = pixels, fails_at

    def describe(self) -> dict[str, Any]:
        return {"pixels": self.pixels}

    def predict(self, queries: Sequence[amodal_bench.Query], seeds: Sequence[int]) -> list[Mask]:
        if any(query.id == self.fails_at for query in queries):
            raise amodal_bench.PredictionError("no answer for this one")
        return [np.asarray(query.visible | np.roll(query.visible, self.pixels, axis=1)) for query in queries]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def python(code: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        env={**os.environ, "PYTHONPATH": str(PAGE.parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The face.


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import amodal_bench; print(*(set(sys.modules) - before))"
    loaded = python(code).split()
    assert "amodal_bench" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)
    assert {name for name in loaded if name.startswith("amodal_bench")} == {
        "amodal_bench", "amodal_bench.core", "amodal_bench.core.version"
    }  # fmt: skip


@pytest.mark.slow
def test_evaluating_a_baseline_imports_no_torch() -> None:
    run = "amodal_bench.evaluate(dataset='toy', model='hull', limit=2, sheet=0, settings={'dataset.images': 1})"
    assert python(f"import sys, amodal_bench; {run}; print('torch' in sys.modules)") == "False\n"


def test_every_public_name_is_there_and_listed() -> None:
    for name in amodal_bench.__all__:
        assert getattr(amodal_bench, name) is not None
    assert set(amodal_bench.__all__) <= set(dir(amodal_bench))
    code = "import amodal_bench; print(*dir(amodal_bench))"
    assert set(amodal_bench.__all__) <= set(python(code).split()), "before anything was used, too"


def test_checkers_and_the_lazy_import_know_the_same_names() -> None:
    source = Path(amodal_bench.__file__).read_text(encoding="utf-8")
    imported = {
        name: module
        for module, name in re.findall(r"^    from amodal_bench\.([\w.]+) import (\w+) as", source, re.MULTILINE)
    }
    assert imported == amodal_bench._HOMES
    assert sorted([*imported, "__version__"]) == sorted(amodal_bench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'evalute'"):
        amodal_bench.evalute  # type: ignore[attr-defined]  # noqa: B018


# The page.


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Each block of Python and what the page says that it prints."""
    for code, _, printed in re.findall(
        r"^```python\n(.*?)^```$(\s+^```text\n(.*?)^```$)?", page, re.DOTALL | re.MULTILINE
    ):
        yield code, printed


@pytest.mark.slow
def test_the_page_runs_exactly_as_it_is_printed_and_its_dataset_keeps_the_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook = ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", notebook)  # what is pickled is looked for there
    session = vars(notebook)
    found = list(blocks(PAGE.read_text(encoding="utf-8")))
    assert len(found) > 5
    for code, printed in found:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(code, str(PAGE), "exec"), session)
        assert shown.getvalue() == printed, code
    assert violations(session["Squares"](4)) == []
    assert session["Squares"](4).fingerprint() != session["Squares"](5).fingerprint()


def test_the_page_names_every_public_name() -> None:
    page = PAGE.read_text(encoding="utf-8")
    unnamed = [name for name in amodal_bench.__all__ if f"`{name}`" not in page and name != "__version__"]
    assert unnamed == []


# Evaluate.


@pytest.mark.slow
def test_evaluate_is_the_command_line_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = amodal_bench.evaluate(model="hull", settings=IMAGES, **SMALL)
    assert capfd.readouterr() == ("", "")
    written = files(outcome.main.folder)
    command = ["-m", "amodal_bench", "dataset.images=3", "model=hull", "limit=6", "sheet=0", "results=other"]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    folder = Path("other") / "runs" / outcome.main.folder.name
    score = outcome.main.score_folder.relative_to(outcome.main.folder)
    for name in ("summary.csv", "instances.csv", "by_occlusion.csv"):
        assert (folder / score / name).read_bytes() == (outcome.main.score_folder / name).read_bytes()
    ours, theirs = json.loads(written["run.json"]), json.loads((folder / "run.json").read_text())
    for key in ("name", "digest", "identity", "components", "protocols", "split", "settings"):
        assert ours[key] == theirs[key], key
    assert ours["command"] is None and theirs["command"][:3] == ["python", "-m", "amodal_bench"]


@pytest.mark.slow
def test_three_ways_to_give_a_setting_are_one(outcome: amodal_bench.Outcome) -> None:
    run = outcome.main.folder
    before = files(run)["store.sqlite"]
    for given in (
        amodal_bench.evaluate("dataset=toy", "dataset.images=3", "model=hull", "limit=6", "sheet=0"),
        amodal_bench.evaluate("limit=6", model="hull", limit=2, settings=IMAGES | {"sheet": 0}),
    ):
        pd.testing.assert_frame_equal(given.table(), outcome.table())
        assert given.main.folder == run
    assert files(run)["store.sqlite"] == before, "nothing was predicted again"


@pytest.mark.parametrize(
    "value", mostly_slow(["a=b", "é, (1) [x] {y}", "it's", 'a "b"', "back\\slash\\", "${seed}", "#1", "null", "3"], 4)
)
def test_values_arrive_as_they_are(value: str) -> None:
    model: Any = amodal_bench.load_model("tiny", weights=value)
    assert model.backbone.source.spec == value


@pytest.mark.slow
def test_choices_settings_and_ids(outcome: amodal_bench.Outcome, tmp_path: Path) -> None:
    ids = list(outcome.main.instances()["id"][2:5])
    listed = amodal_bench.evaluate(model="hull", ids=ids, sheet=0, settings=IMAGES)
    assert list(listed.main.instances()["id"]) == ids
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    filed = amodal_bench.evaluate(model="hull", ids=tmp_path / "ids.txt", sheet=0, settings=IMAGES)
    pd.testing.assert_frame_equal(filed.table(), listed.table())
    pooled = amodal_bench.evaluate(protocol="pooled", model="hull", seed=np.int64(4), settings=IMAGES, **SMALL)
    assert pooled.main.facts["seed"] == 4
    assert pooled.table()["protocol"].unique().tolist() == ["pooled@2"]


@pytest.mark.slow
def test_progress_is_shown_where_it_is_asked_for(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    amodal_bench.evaluate(model="hull", settings=IMAGES, progress=True, **SMALL)
    printed = capfd.readouterr()
    assert "toy hull" in printed.err
    assert printed.out == ""


@pytest.mark.slow
def test_an_object_runs_under_the_identity_of_its_class(outcome: amodal_bench.Outcome) -> None:
    given = amodal_bench.evaluate(
        dataset=amodal_bench.load_dataset("toy", images=3), model=amodal_bench.load_model("hull"), name="hull",
        limit=6, sheet=0,
    )  # fmt: skip
    assert given.main.digest == outcome.main.digest
    pd.testing.assert_frame_equal(given.table(), outcome.table())
    own = amodal_bench.evaluate(model=Shifted(3), settings=IMAGES, **SMALL)
    assert own.main.name == "Shifted"
    assert own.main.facts["model"] == {"target": f"{__name__}.Shifted", "pixels": 3}
    assert amodal_bench.evaluate(model=Shifted(4), settings=IMAGES, **SMALL).main.digest != own.main.digest


@pytest.mark.slow
def test_too_many_errors_are_an_error_after_the_tables_are_written() -> None:
    broken = Shifted(1, fails_at="test-00000-0")
    with pytest.raises(amodal_bench.BenchError, match=r"Shifted: 1 of 6 instances failed"):
        amodal_bench.evaluate(model=broken, settings=IMAGES, **SMALL)
    allowed = IMAGES | {"engine.max_error_share": 1}
    run = amodal_bench.open_run(amodal_bench.evaluate(model=broken, settings=allowed, **SMALL).main.folder)
    assert run.errors().to_dict("records") == [{"id": "test-00000-0", "error": "no answer for this one"}]
    with pytest.raises(amodal_bench.UsageError, match="it failed: no answer for this one"):
        run.prediction("test-00000-0")
    assert amodal_bench.score(run).summary["errors"][0] == 1


@pytest.mark.parametrize(
    ("positional", "keywords", "error", "text"),
    mostly_slow([
        ((), {"model": "hul"}, "UsageError", r"model=hul: .*did you mean 'hull'\?"),
        ((), {"modle": "hull"}, "UsageError", r"modle: unknown key; did you mean 'model'\?"),
        ((), {"settings": {"dataset.imags": 3}}, "UsageError", r"dataset\.imags: .*did you mean 'images'\?"),
        ((), {"settings": {"dataset.images": object()}}, "ConfigError", "dataset.images: .*not an object"),
        ((), {"limit": 0}, "ConfigError", "limit: 0"),
        ((None,), {}, "UsageError", "None: an override is text of the form KEY=VALUE"),
        ((Shifted(1),), {}, "UsageError", "a Shifted: an override is text"),
        ((["model=hull"],), {}, "UsageError", "a list: an override is text"),
        ((), {"settings": "model=hull"}, "ConfigError", "settings: must be a dict by dotted names .*not a str"),
        ((), {"settings": ["model=hull"]}, "ConfigError", "settings: must be a dict .*not a list"),
        ((), {"settings": {3: 4}}, "ConfigError", "settings: 3 must be text"),
        ((), {"ids": 3}, "ConfigError", "ids: must be a file .*or a list of ids, not an int"),
        ((), {"name": 3}, "ConfigError", "name: must be text"),
        ((), {"config_dirs": 3}, "UsageError", "config_dirs: must be a folder or a list of folders, not an int"),
        ((), {"config_dirs": [None]}, "UsageError", "config_dirs: must be a folder or a list of folders"),
        ((), {"config_dirs": "nowhere"}, "UsageError", "config_dirs: nowhere is not a folder"),
        ((), {"limit": "x"}, "UsageError", "^limit: must be a whole number or null, not 'x'$"),
        ((), {"settings": {"dataset.images": "x"}}, "ConfigError", "^dataset.images: must be a whole number"),
        ((), {"model": 3}, "ConfigError", "model: an int cannot be used"),
        (("hull",), {}, "UsageError", "'hull': an override is text of the form KEY=VALUE"),
        (("leakage=none,blend",), {}, "UsageError", "leakage=none,blend: has several values"),
        ((), {"experiment": "leakage"}, "UsageError", "leakage=blend,.*these are several runs"),
        ((), {"config_dirs": ["nowhere"]}, "UsageError", "config_dirs: nowhere is not a folder"),
        ((), {"model": Shifted}, "ConfigError", r"model: is the class Shifted; give an object of it: Shifted\("),
        ((), {"dataset": 3}, "ConfigError", "dataset: .*lacks name, records, sample, fingerprint, check"),
        (("model.x=1",), {"model": Shifted(1)}, "UsageError", "model.x: cannot be set, since model is an object"),
        ((), {"model": Shifted(1), "name": "a/b"}, "ConfigError", "'a/b' cannot be part of a folder's name"),
        ((), {"ids": ["nobody"], "settings": {"dataset.images": 1}}, "InputError", "1 ids are not in toy: nobody"),
        ((), {"dataset": "kins", "settings": {"dataset.root": "nowhere"}}, "InputError", "nowhere"),
    ]),
)  # fmt: skip
def test_a_mistake_is_one_line(positional: tuple[Any, ...], keywords: dict[str, Any], error: str, text: str) -> None:
    with pytest.raises(amodal_bench.BenchError, match=text) as raised:
        amodal_bench.evaluate(*positional, **{"sheet": 0, **keywords})
    assert type(raised.value).__name__ == error
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_dataset_whose_name_cannot_be_a_folder_is_refused() -> None:
    toy = amodal_bench.load_dataset("toy", images=1)
    toy.name = "my/dataset one"  # type: ignore[misc]
    with pytest.raises(amodal_bench.ConfigError, match=r"dataset\.name: 'my/dataset one' cannot be part of"):
        amodal_bench.evaluate(dataset=toy, model="hull", sheet=0)
    assert not Path("results").exists()


@pytest.mark.slow
def test_a_choice_without_effect_is_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"^leakage=.* has no effect: the model hull") as seen:
        amodal_bench.evaluate(model="hull", leakage="none", settings=IMAGES, **SMALL)
    assert [each.filename for each in seen if each.category is UserWarning] == [__file__], (
        "it names the caller's line"
    )
    with pytest.warns(UserWarning, match="the model Shifted does not use leakage"):
        amodal_bench.evaluate(model=Shifted(1), leakage="none", settings=IMAGES, **SMALL)
    with pytest.warns(UserWarning, match="model.view=null has none"):
        amodal_bench.load_model("random/sam", size=512)
    with pytest.warns(UserWarning, match="view.mode=frame shows the whole image"):
        amodal_bench.load_model("tiny", "view.margin=0.5", view="frame")
    with pytest.warns(UserWarning, match="area.shape=hull does not grow; dilated_hull and bbox do"):
        amodal_bench.load_model("tiny", "area.grow=0.5", area="hull")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        amodal_bench.load_model("tiny", "area.grow=0.5", leakage="none", view="tight")
        amodal_bench.load_protocol("instance")


# Load.


@pytest.mark.parametrize(
    ("settings", "text"),
    mostly_slow(
        [
            ({"guidance": "x"}, "model.guidance: must be a finite number, not 'x'"),
            ({"guidance": float("nan")}, "model.guidance: must be a finite number, not nan"),
            ({"guidance": float("inf")}, "model.guidance: must be a finite number, not inf"),
            ({"guidance": True}, "model.guidance: must be a finite number, not True"),
            ({"guidance": None}, "model.guidance: must be a finite number, not null"),
            ({"steps": 2.5}, "model.steps: must be a whole number, not 2.5"),
            ({"leakage": 3}, "model.leakage: must be a part of the model, whose class is its _target_, not 3"),
            ({"view": {"mode": "crop"}}, "model.view"),
        ],
        2,
    ),
)
def test_nonsense_values_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(amodal_bench.UsageError) as raised:
        amodal_bench.load_model("tiny", **settings)
    assert str(raised.value).startswith(text) and "\n" not in str(raised.value)
    with pytest.raises(amodal_bench.ConfigError, match=r"dataset\.images: must be a whole number, not 2\.5"):
        amodal_bench.load_dataset("toy", images=2.5)


def test_names_that_are_no_text_and_settings_called_name() -> None:
    for load in (amodal_bench.load_dataset, amodal_bench.load_model, amodal_bench.load_protocol):
        for name in (3, None, Shifted(1)):
            with pytest.raises(amodal_bench.UsageError, match="its name must be text"):
                load(name)  # type: ignore[arg-type]
    assert amodal_bench.load_protocol("instance", name="mine").label.startswith("mine")


def test_a_models_parts_are_chosen_by_name() -> None:
    described = amodal_bench.load_model("tiny", "view.margin=0.3", leakage="blend", guidance=0.5).describe()
    assert described["leakage"]["name"] == "blend"
    assert (described["guidance"], described["view"]["margin"]) == (0.5, 0.3)
    with pytest.raises(amodal_bench.UsageError, match="did you mean 'guidance'"):
        amodal_bench.load_model("tiny", gidance=1)


@pytest.mark.slow
def test_a_configuration_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "moved.yaml").write_text(f"_target_: {__name__}.Shifted\nname: moved\npixels: 2\n")
    model = amodal_bench.load_model("moved", config_dirs=[tmp_path / "conf"], pixels=5)
    assert model.describe() == {"pixels": 5}
    assert amodal_bench.load_model("moved", config_dirs="conf").describe() == {"pixels": 2}
    named = amodal_bench.evaluate(
        model="moved", config_dirs=tmp_path / "conf", settings=IMAGES | {"model.pixels": 5}, **SMALL
    )
    given = amodal_bench.evaluate(model=model, name="moved", settings=IMAGES, **SMALL)
    assert named.main.folder == given.main.folder


# Open_run and score.


@pytest.mark.slow
def test_a_run_or_a_protocol_of_the_wrong_kind_is_one_line(outcome: amodal_bench.Outcome) -> None:
    folder = outcome.main.folder
    with pytest.raises(amodal_bench.UsageError, match="by its folder, which is text or a path, not by None"):
        amodal_bench.open_run(None)  # type: ignore[arg-type]
    with pytest.raises(amodal_bench.UsageError, match=r"not by an Outcome; give its main\.folder"):
        amodal_bench.score(outcome)  # type: ignore[arg-type]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"protocol": 3}, "protocol: must be a name or a ScoringProtocol, not an int"),
        ({"dataset": 3}, "dataset: an int cannot be used"),
        ({"ids": 3}, "ids: must be a file"),
        ({"config_dirs": 3}, "config_dirs: must be a folder"),
    ]
    for given, text in wrong:
        with pytest.raises(amodal_bench.UsageError, match=text):
            amodal_bench.score(folder, **given)


@pytest.mark.slow
def test_a_run_is_read_and_left_as_it_is(outcome: amodal_bench.Outcome) -> None:
    before = files(outcome.main.folder)
    run = amodal_bench.open_run(str(outcome.main.folder))
    toy = amodal_bench.load_dataset("toy", images=3)
    hull = amodal_bench.load_model("hull")
    for id in run.instances()["id"]:
        assert np.array_equal(run.prediction(id), hull.predict([toy.sample(id).query], [0])[0])
    assert run.name == "hull"
    assert run.facts == outcome.main.facts
    assert run.errors().empty
    pd.testing.assert_frame_equal(run.timing(), outcome.main.timing())
    amodal_bench.score(run, "pooled")
    assert files(outcome.main.folder) == before, "no file changed, and none was added"


@pytest.mark.slow
def test_a_score_is_what_the_run_itself_said(outcome: amodal_bench.Outcome) -> None:
    table = outcome.table()
    for protocol, label in ((None, "instance@2"), ("instance", "instance@2"), ("pooled", "pooled@2")):
        scored = amodal_bench.score(outcome.main.folder, protocol)
        row = table[(table["model"] == "hull") & (table["protocol"] == label)].reset_index(drop=True)
        among_many = [str(name) for name in row if str(name).endswith("_gain_holm")]  # one gain alone needs none
        assert row["miou_gain"].notna().all()
        pd.testing.assert_frame_equal(scored.summary, row.drop(columns=among_many))
    scored = amodal_bench.score(outcome.main.folder)
    pd.testing.assert_frame_equal(scored.instances, outcome.main.instances())
    pd.testing.assert_frame_equal(scored.by_occlusion, outcome.main.by_occlusion())
    assert scored.missing == len(amodal_bench.evaluate(model="hull", sheet=0, settings=IMAGES).main.records) - 6


@pytest.mark.slow
def test_a_score_of_listed_instances_counts_those_that_were_not_run(outcome: amodal_bench.Outcome) -> None:
    every = amodal_bench.load_dataset("toy", images=3).records()
    ran = set(outcome.main.instances()["id"])
    other = next(id for id in every["id"] if id not in ran)
    some = sorted(ran)[:2]
    scored = amodal_bench.score(outcome.main.folder, ids=[*some, other])
    assert (scored.summary["instances"][0], scored.summary["unreadable"][0], scored.missing) == (2, 1, 0)
    assert scored.instances.set_index("id")["error"][other] == "not run"
    with pytest.raises(amodal_bench.UsageError, match="has none of the 1 instances that ids selects"):
        amodal_bench.score(outcome.main.folder, ids=[other])


@pytest.mark.slow
def test_a_score_needs_the_dataset_of_the_run(outcome: amodal_bench.Outcome) -> None:
    folder = outcome.main.folder
    with pytest.raises(amodal_bench.UsageError, match=r"was run on toy .* and not on toy"):
        amodal_bench.score(folder, dataset=amodal_bench.load_dataset("toy", images=2))
    toy = amodal_bench.load_dataset("toy", images=3)
    given = amodal_bench.evaluate(dataset=toy, model=Shifted(3), limit=6, sheet=0).main
    with pytest.raises(amodal_bench.UsageError, match="how its dataset is opened; give dataset=NAME"):
        amodal_bench.score(given.folder)
    pd.testing.assert_frame_equal(amodal_bench.score(given.folder, dataset=toy).instances, given.instances())


def forge(folder: Path, text: str) -> None:
    """Write a run's `run.json` and the store's copy of it, as whoever makes a run folder can."""
    (folder / "run.json").write_text(text)
    with Store(folder / STORE) as store:
        store.write_told("run.json", text)


@pytest.mark.slow
def test_run_json_is_data_and_cannot_name_code(outcome: amodal_bench.Outcome, tmp_path: Path) -> None:
    file = outcome.main.folder / "run.json"
    said = json.loads(file.read_text())
    planted = tmp_path / "planted"
    for group, arguments in (("dataset", {"name": str(planted)}), ("protocol", {"name": str(planted)})):
        changed = json.loads(json.dumps(said))
        changed["components"][group] = {"_target_": "os.mkdir", "path": str(planted), **arguments}
        file.write_text(json.dumps(changed))  # the store's copy says otherwise
        with pytest.raises(amodal_bench.BenchError, match=r"run\.json: is not as it was written"):
            amodal_bench.score(outcome.main.folder)
        forge(outcome.main.folder, json.dumps(changed))
        said_so = rf"names the class 'os.mkdir' as {group}, which no YAML has .*--config-dir FOLDER"
        with pytest.raises(amodal_bench.UsageError, match=said_so):
            amodal_bench.score(outcome.main.folder)
        changed["components"][group] = {
            **said["components"][group],
            "seed": {"_target_": "os.mkdir", "path": "planted"},
        }
        forge(outcome.main.folder, json.dumps(changed))
        with pytest.raises(amodal_bench.UsageError, match=rf"names the class 'os.mkdir' as {group}"):
            amodal_bench.score(outcome.main.folder)
    assert not planted.exists()


@pytest.mark.slow
def test_a_run_of_an_earlier_version_is_scored_with_its_dataset(outcome: amodal_bench.Outcome) -> None:
    file = outcome.main.folder / "run.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps({key: said[key] for key in ("identity", "digest", "environment")}))
    run = amodal_bench.open_run(outcome.main.folder)
    assert run.name == "hull"
    for protocol in (None, "pooled"):
        with pytest.raises(amodal_bench.UsageError, match="does not say how"):
            amodal_bench.score(run, protocol)
    toy = amodal_bench.load_dataset("toy", images=3)
    scored = amodal_bench.score(run, "instance", dataset=toy)
    pd.testing.assert_frame_equal(scored.instances, outcome.main.instances())


@pytest.mark.slow
def test_run_json_holds_no_path_of_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    export(tmp_path / "cocoa", images=2)
    roots = {"dataset.root": str(tmp_path / "cocoa")}
    outcome = amodal_bench.evaluate(dataset="cocoa", model="hull", limit=2, sheet=0, settings=roots)
    text = (outcome.main.folder / "run.json").read_text()
    assert json.loads(text)["components"]["dataset"]["root"] == "~/cocoa"
    assert str(tmp_path) not in text
    assert len(amodal_bench.score(outcome.main.folder).instances) == 2, "and it is opened from there again"


@pytest.mark.slow
def test_what_is_no_run_is_told_in_one_line(outcome: amodal_bench.Outcome, tmp_path: Path) -> None:
    with pytest.raises(amodal_bench.UsageError, match=r"is not the folder of a run \(it has no store.sqlite\)"):
        amodal_bench.open_run(tmp_path)
    folder = outcome.main.folder
    (folder / "store.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(amodal_bench.InputError, match="is damaged"):
        amodal_bench.open_run(folder)
    (folder / "run.json").write_text("[]")
    with pytest.raises(amodal_bench.InputError, match="does not describe a run"):
        amodal_bench.open_run(folder)
