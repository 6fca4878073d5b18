"""What every segmenter has to satisfy, checked on any object: `assert violations(MySegmenter()) == []`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from amodal_bench.core.forms import wrong_mask
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.types import Image, Mask
from amodal_bench.segmenters.base import Prompt, Segmenter
from amodal_bench.testing import scenes
from amodal_bench.testing.clauses import (
    as_json,
    guarded,
    of_company,
    of_description,
    of_generators,
    of_members,
    of_unchanged,
    same,
)


def violations(segmenter: Segmenter, count: int = scenes.MANY) -> list[str]:
    """Every way in which a segmenter breaks what `amodal_bench.segmenters.base.Segmenter` promises.

    Args:
        segmenter: the object.
        count: how many scenes of the toy aquarium it is asked about in one batch, at least two.
    """
    broken = list(of_members(segmenter, "describe", "segment"))
    broken = broken or list(guarded(of_description(segmenter.describe), "describe()"))
    if broken:
        return broken
    before = as_json(segmenter.describe())
    broken += guarded(_of_masks(segmenter, *_asked(count), rounding='"torch"' in before), "segment()")
    broken += guarded(of_unchanged(segmenter.describe, before, "segment()"), "describe()")
    return broken


def answers(segmenter: Segmenter, count: int = 3) -> list[Mask]:
    """What a segmenter finds in the scenes, to compare two settings of it."""
    return [np.array(mask) for mask in segmenter.segment(*_asked(count))]


def _asked(count: int) -> tuple[list[Image], list[Prompt]]:
    queries = scenes.queries(count)
    return [query.image for query in queries], scenes.prompts(queries)


def _of_masks(segmenter: Segmenter, images: list[Image], prompts: list[Prompt], rounding: bool) -> Iterator[str]:
    """The form of the answers; inputs and shared generators are left alone; no answer depends on the batch."""
    kept, told = [image.copy() for image in images], [astuple(prompt) for prompt in prompts]

    def ask(index: Sequence[int]) -> Sequence[Mask]:
        return segmenter.segment([images[i] for i in index], [prompts[i] for i in index])

    if broken := list(_of_form(ask(range(len(images))), images)):
        yield from broken
    elif not same(kept, images) or not all(same(was, astuple(now)) for was, now in zip(told, prompts, strict=True)):
        yield "segment() changes an image or a prompt"
    else:
        broken = list(of_company(ask, len(images), "segment()", rounding))
        yield from broken or of_generators(lambda: ask(range(1)), "segment()")
        if len(segmenter.segment([], [])):
            yield "segment() of no image returns masks"


def _of_form(masks: Any, images: Sequence[Image]) -> Iterator[str]:
    if not isinstance(masks, Sequence) or len(masks) != len(images):
        yield f"segment() of {len(images)} images returns {kind_of(masks)}, not a list of as many masks"
        return
    for mask, image in zip(masks, images, strict=True):
        if wrong := wrong_mask(mask, image.shape[:2], "its image"):
            yield f"segment() returns {wrong}"
            return
