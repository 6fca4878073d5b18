"""One prediction: read, ask, write, and say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.cli.predict import files
from amodal_bench.cli.predict.answer import Answer, answer, in_one_line
from amodal_bench.cli.predict.pictures import read_mask, read_picture
from amodal_bench.cli.predict.prompt import ask, discs, points_of
from amodal_bench.config.build import NAME, TARGET, build
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import UsageError
from amodal_bench.core.progress import stage
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.core.version import __version__
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Model, Stepwise
from amodal_bench.report.scored import RANDOM_WEIGHTS, has_random_weights
from amodal_bench.runner.identity import described
from amodal_bench.segmenters.base import Segmenter


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        image: the picture's file.
        mask: the file of V, or None.
        points: pixels of the object, each `X,Y`; used where there is no mask.
        output: the folder to write to, or None for one with the picture's name.
        every_step: whether the denoising is shown.
    """

    image: Path
    mask: Path | None
    points: Sequence[str]
    output: Path | None
    every_step: bool

    @property
    def id(self) -> str:
        """The query's id: the picture's name without its ending."""
        return self.image.stem

    @property
    def read(self) -> list[Path]:
        """The files that are read."""
        return [self.image, *([self.mask] if self.mask else [])]

    @property
    def folder(self) -> Path:
        return self.output or Path(f"{self.id}-amodal")


def predict(request: Request, settings: Settings) -> None:
    """Do what is asked, with the settings' model, segmenter and seed.

    Raises:
        BenchError: what is asked or set cannot be used, or the model has no answer.
    """
    image = read_picture(request.image)
    shape = image.shape[0], image.shape[1]
    files.check_folder(request.folder, _names(request), request.read)
    visible = read_mask(request.mask, shape) if request.mask else None
    points = points_of(request.points, shape)
    model, name = _model(settings, request.every_step)
    target = str(settings.model[TARGET])
    files.check_answer(request.folder, name, target, request.image.name, request.read)
    facts: dict[str, Any] = {"model": name, "target": target, "description": described(model)}
    seed = sample_seed(settings.seed, request.id)
    if visible is None:
        segmenter = _segmenter(settings, model)
        with in_one_line("--point"), stage("segmenting V"):
            visible = ask(segmenter, image, points, seed)
        facts |= {"points": points.tolist(), "segmenter": dict(segmenter.describe())}
        if visible.sum() < 2 * discs(points, shape).sum():
            print("the segmenter finds little more than the points: give one in each colour, or choose segmenter=sam")
    facts |= {"random_weights": has_random_weights(facts), "image": request.image.name, "seed": settings.seed}
    query = Query(request.id, image, visible)
    with in_one_line(name), stage("predicting"):
        found = answer(model, query, seed)
        steps = model.every_step(query, seed) if request.every_step and isinstance(model, Stepwise) else []
    facts["amodal_bench"] = __version__
    title = f"{request.image.name}: {name}" + (f", {RANDOM_WEIGHTS}" if facts["random_weights"] else "")
    written = files.write(request.folder, query, found, facts, request.mask is None, steps, title, request.read)
    _tell(name, found, visible, bool(facts["random_weights"]))
    print("wrote", *(f"  {file}" for file in written), sep="\n")


def _names(request: Request) -> list[str]:
    """The names of the files that will be written."""
    names = [files.AMODAL, files.FACTS, files.CUT_OUT, files.OVERLAY]
    return names + [files.VISIBLE] * (request.mask is None) + [files.STEPS] * request.every_step


def _model(settings: Settings, every_step: bool) -> tuple[Model, str]:
    """The settings' model and its name. Raises `UsageError` where it should show its steps and has none."""
    model: Model = build(settings.model, "model")
    name = str(settings.model.get(NAME, str(settings.model[TARGET]).rpartition(".")[2]))
    if every_step and not isinstance(model, Stepwise):
        raise UsageError(f"--every-step: {name} does not denoise in steps; choose a model that does, such as tiny")
    return model, name


def _segmenter(settings: Settings, model: Model) -> Segmenter:
    """The model's own, so that its weights are loaded once; the settings' for a model that has none."""
    segmenter: Segmenter = getattr(model, "segmenter", None) or build(settings.segmenter, "segmenter")
    return segmenter


def _tell(name: str, found: Answer, visible: Mask, random_weights: bool) -> None:
    gained = int((found.amodal & ~visible).sum())
    share = 100 * visible.sum() / visible.size
    print(f"V has {int(visible.sum())} pixels, {share:.1f} % of the image")
    print(f"{name}: the amodal mask has {int(found.amodal.sum())} pixels, {gained} of them gained over V")
    if not found.painted:
        print(f"{name} paints nothing: {files.CUT_OUT} shows V alone")
    if random_weights:
        print("random weights: this result means nothing")
