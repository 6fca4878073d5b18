"""What a model is: image and visible mask in, amodal mask out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.views.window import Window


class Model(Protocol):
    """The interface of every model; a user's own class needs these members and nothing else.

    Construction is cheap and loads no weights: a finished run constructs its model only to name it.
    """

    def describe(self) -> Mapping[str, Any]:
        """All that can change a prediction (settings, weights, versions), as JSON-serialisable values."""
        ...

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        """Predict the amodal mask of each query, (H, W) bool on its image's grid.

        A prediction may depend on its query and seed only, never on the rest of the batch. Raises
        `PredictionError` where one query has no answer.
        """
        ...


@runtime_checkable
class Deterministic(Protocol):
    """A model that says whether its predictions depend on the seed; those of one that does not are taken to.

    Attributes:
        deterministic: whether no prediction depends on its seed. Such a model predicts each instance once, whatever
            `samples` says.
    """

    deterministic: bool


def draws_of(model: Model, samples: int) -> int:
    """How many predictions of each instance a model makes where `samples` are asked for."""
    return 1 if isinstance(model, Deterministic) and model.deterministic else samples


@runtime_checkable
class Shows(Protocol):
    """A model that says which of its settings its row shows first; the row adds all that are not as usual."""

    def settings(self) -> Mapping[str, str]:
        """The texts of these settings by their places in the model's YAML, in the order of the row.

        Such as `{"view.mode": "crop", "view.margin": "0.5", "leakage": "blend"}`, which a row has as
        `view=crop 0.5 leakage=blend`. The place of a setting tells its value in full, that of a part its class.
        """
        ...


@runtime_checkable
class Explains(Protocol):
    """A model that can show how it came to a prediction, for the contact sheet."""

    def explain(self, queries: Sequence[Query], seeds: Sequence[int]) -> Sequence[Mapping[str, Image]]:
        """Named pictures for each query, in the order in which they came about; each (H, W, 3) uint8.

        Takes and raises what `predict` does.
        """
        ...


@runtime_checkable
class Framed(Protocol):
    """A model that says which part of an image its explaining pictures show, so that a sheet lays them upon it."""

    def explained_window(self, query: Query) -> Window:
        """The window of a query's image that all pictures of `explain` show. Raises what `predict` raises."""
        ...


@dataclass(frozen=True)
class Completion:
    """A prediction, and the object's hidden pixels as the model painted them.

    Attributes:
        mask: the predicted amodal mask, (H, W) bool, bit for bit what `predict` returns.
        picture: what the model painted, on the image's grid, (H, W, 3) uint8; black where it painted nothing.
    """

    mask: Mask
    picture: Image


@runtime_checkable
class Completes(Protocol):
    """A model that paints the whole object and can hand out the picture."""

    def complete(self, query: Query, seed: int) -> Completion:
        """Predict one query, and keep what was painted for it. Raises what `predict` raises."""
        ...


@dataclass(frozen=True)
class Step:
    """A sample on its way from noise to a picture; pictures are the model's view, (S, S, 3) uint8.

    Attributes:
        number: denoising steps that it has behind it.
        sample: `x_t`, decoded.
        estimate: the picture `x_0` that the denoiser sees in it, decoded; None where the solver does not tell.
    """

    number: int
    sample: Image
    estimate: Image | None


@runtime_checkable
class Stepwise(Protocol):
    """A model that denoises in steps and can show each of them."""

    def every_step(self, query: Query, seed: int) -> Sequence[Step]:
        """The start, then the sample after each step of predicting one query; the last one is the picture itself."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """A model that can do its own work on the CPU ahead, while it predicts other queries."""

    def prepared(self, query: Query, seed: int) -> Query:
        """The query with that work attached, to be given to `predict` in its place; the answer is the same.

        A run calls it in another thread than `predict`, at the same time, and never with the device's help. What it
        raises is not looked at: the query is then given to `predict` as it is.
        """
        ...


@runtime_checkable
class Rides(Protocol):
    """A model that a command may ask beside another one, of the samples that are read for that.

    Attributes:
        rides: that it is so cheap that no device has to wait for it, and uses neither a device nor a library that
            could end the process: of what is in flight nothing is noted for it.
    """

    rides: bool


def may_ride(model: Model) -> bool:
    """Whether a model says that it may be asked beside another one."""
    return isinstance(model, Rides) and model.rides is True


@runtime_checkable
class Timed(Protocol):
    """A model that keeps a clock for each stage of its work."""

    def costs(self) -> Mapping[str, StageCost]:
        """What each stage has cost since the last call, in the order of the stages."""
        ...


@runtime_checkable
class Finite(Protocol):
    """A model that has answers for some instances only, since it reads them; a run lists which are missing."""

    @property
    def source(self) -> str:
        """Where the answers come from, for messages."""
        ...

    def answers(self) -> Collection[str]:
        """Ids of the instances that it has an answer for."""
        ...


@runtime_checkable
class NamesImages(Protocol):
    """A model whose answers say which image they are of, so that a mix-up of ids is seen."""

    def images(self) -> Mapping[str, str]:
        """The image that each answer says it is of, by the instance's id; those that do not say it are left out."""
        ...
