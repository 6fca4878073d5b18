"""Figures 1 and 3: the method at work on one instance, kept so that it can be drawn again without the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.files import require_regular, write_whole
from amodal_bench.core.seeds import sample_seed
from amodal_bench.datasets.base import Dataset
from amodal_bench.models.tuning_free import TuningFree
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.figures.chosen import Example, Predicted
from amodal_bench.paper.figures.declared import Declared
from amodal_bench.paper.figures.examples import RANDOM, iou_of
from amodal_bench.paper.figures.pictures import Key, Strip, Tile, draw_grid
from amodal_bench.paper.record import code_digest
from amodal_bench.report.colours import KEPT, REGIONS, compared
from amodal_bench.report.panels import Frame, Panel
from amodal_bench.report.scored import has_random_weights
from amodal_bench.runner.identity import described

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SHOWN_STEPS = 9
"""Pictures in a row of the denoising."""


@dataclass(frozen=True)
class AtWork:
    """What a model showed of its work on one instance.

    Attributes:
        made_of: all that decides it, as JSON: a change of it makes it again.
        label: what stands above the row.
        row: the model's name.
        random: whether its weights are random.
        arrays: `image` (H, W, 3) uint8; `visible`, `amodal` and `mask` (H, W) bool; `box`, the x, y, width and height
            of the model's view; of a scene `condition`, `area` and `painted`, (S, S, 3) uint8; of a denoising
            `numbers`, the steps done, `samples` and `estimates`, (N, S, S, 3) uint8, the last with no picture where
            the solver does not tell.
    """

    made_of: str
    label: str
    row: str
    random: bool
    arrays: Mapping[str, NDArray[Any]]


def at_work(
    figure: Declared, cell: Cell, dataset: Dataset, id: str, file: Path, config_dirs: Sequence[Path]
) -> AtWork:
    """Have a cell's model show its work on an instance; what the file keeps of the same is not made again.

    Raises:
        BenchError: the instance cannot be read, or the model cannot work.
        UsageError: the model is not the tuning-free method.
    """
    settings = compose([*cell.words, "baselines=null"], config_dirs)
    model = build(settings.model, "model")
    if not isinstance(model, TuningFree):
        raise UsageError(f"{figure.name}: {cell.row} does not inpaint as the method does; name another row")
    made_of = json.dumps(
        [figure.kind, id, settings.seed, dataset.fingerprint(), described(model), code_digest()], sort_keys=True
    )
    kept = read(file) if file.is_file() else None
    if kept is not None and kept.made_of == made_of:
        return kept
    sample = dataset.sample(id)
    query, seed = sample.query, sample_seed(settings.seed, id)
    (mask,) = model.predict([query], [seed])
    window = model.view.window(query.visible, model.backbone.native)
    arrays: dict[str, NDArray[Any]] = {
        "image": sample.image,
        "visible": sample.visible,
        "amodal": sample.amodal,
        "mask": mask,
        "box": np.array([window.x, window.y, window.width, window.height]),
    }
    if figure.kind == "scene":
        condition, area, painted = model.explain([query], [seed])[0].values()
        arrays |= {"condition": condition, "area": area, "painted": painted}
    else:
        steps = model.every_step(query, seed)
        estimates = [step.estimate for step in steps if step.estimate is not None]
        arrays |= {
            "numbers": np.array([step.number for step in steps]),
            "samples": np.stack([step.sample for step in steps]),
            "estimates": np.stack(estimates) if len(estimates) == len(steps) else np.zeros((0, 1, 1, 3), np.uint8),
        }
    random = has_random_weights(described(model))
    label = Example(cell.column, sample, [Predicted(cell.row, mask)]).label
    made = AtWork(made_of, label, cell.row, random, arrays)
    write(file, made)
    return made


def write(file: Path, made: AtWork) -> None:
    """Keep it; nothing in the file is code."""
    facts = json.dumps({"made_of": made.made_of, "label": made.label, "row": made.row, "random": made.random})
    arrays: dict[str, Any] = {"facts": np.array(facts), **made.arrays}
    file.parent.mkdir(parents=True, exist_ok=True)

    def save(partial: Path) -> None:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, **arrays)

    write_whole(file, save)


def read(file: Path) -> AtWork:
    """What a file keeps. Raises `InputError` where it is damaged."""
    try:
        require_regular(file)
        with np.load(file, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        return AtWork(**json.loads(str(arrays.pop("facts"))), arrays=arrays)
    except Exception as error:  # a damaged archive may fail in any way
        raise InputError(file, "does not hold a figure's pictures", "delete it, and make the figure again") from error


def draw_scene(figure: Declared, made: AtWork) -> Figure:
    """A row of pictures: the scene with V and the model's view, condition image, area, what was painted, the mask."""
    arrays = made.arrays
    visible, amodal, mask = arrays["visible"], arrays["amodal"], arrays["mask"]
    x, y, width, height = (int(value) for value in arrays["box"])
    place = Frame(x, y, width, height)
    frame = Frame(x, y, max(width, height), max(width, height))
    text = f"IoU {100 * iou_of(mask, amodal):.1f} %"
    own = [Tile(Panel(arrays[name], place=place), frame) for name in ("condition", "area", "painted")]
    tiles = [
        Tile(Panel(arrays["image"], {KEPT: visible}), box=(x, y, width, height)),
        *own,
        Tile(Panel(arrays["image"], compared(mask, amodal, visible), text), frame),
    ]
    heads = ["picture, V and the view", "condition image", "area M, white", "inpainted", "mask, with its IoU"]
    keys = [Key(region.meaning, region) for region in REGIONS]
    notes = [*_notes(figure, made), "The box is the view that the model is given; all other pictures are of it."]
    return draw_grid(figure.title, heads, [Strip(f"{made.label}; {made.row}", tiles)], keys, notes)


def draw_denoising(figure: Declared, made: AtWork) -> Figure:
    """Two rows of pictures: the sample after some steps, evenly chosen, and the picture that is seen in it."""
    numbers, samples, estimates = (made.arrays[name] for name in ("numbers", "samples", "estimates"))
    places = np.unique(np.linspace(0, len(numbers) - 1, min(SHOWN_STEPS, len(numbers))).round().astype(int))
    strips = [Strip("sample x_t", [Tile(Panel(samples[place])) for place in places])]
    notes = _notes(figure, made)
    if len(estimates):
        # The last place is always shown; no step follows it, and its estimate is the sample itself.
        said = "estimate of x_0 that the next step takes from it, and the last sample"
        strips.append(Strip(said, [Tile(Panel(estimates[place])) for place in places]))
    else:
        notes.append("The solver draws noise at its steps, so that its estimates are not known.")
    notes.append(f"{made.label}; {made.row}, {int(numbers[-1])} steps.")
    return draw_grid(figure.title, [f"step {int(numbers[place])}" for place in places], strips, [], notes)


def _notes(figure: Declared, made: AtWork) -> list[str]:
    random = f"{made.row} has {RANDOM}: its pictures show that it runs, and mean nothing."
    return [*([figure.note] if figure.note else []), *([random] if made.random else [])]
