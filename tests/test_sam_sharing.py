"""A picture is encoded once for all instances on it, and no mask shows in which company it was made."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from params import mostly_slow
from segmenting import KINDS, load, prompt_of, samples

from amodal_bench.core.batches import Tensors
from amodal_bench.core.errors import BenchError
from amodal_bench.core.types import Image
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.promptable import PROMPTS, Promptable
from amodal_bench.segmenters.sharing import distinct


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("family", mostly_slow(KINDS))
def test_a_mask_does_not_depend_on_its_company(family: str, prompt: str) -> None:
    images, prompts = samples()
    segmenter = load(family, prompt=prompt)
    together = segmenter.segment(images, prompts)
    backwards = segmenter.segment(images[::-1], prompts[::-1])[::-1]
    alone = [segmenter.segment([image], [told])[0] for image, told in zip(images, prompts, strict=True)]
    for one, other, third in zip(together, backwards, alone, strict=True):
        assert np.array_equal(one, other) and np.array_equal(one, third)
    assert segmenter.segment([], []) == []


def crowd() -> tuple[list[Image], list[Prompt]]:
    """Thirteen instances of five pictures, the pictures' instances not beside each other."""
    images, _ = samples()
    places = [0, 1, 2, 0, 3, 4, 1, 0, 2, 4, 4, 0, 4]
    prompts = []
    for seed, place in enumerate(places):
        height, width = images[place].shape[:2]
        visible = np.zeros((height, width), bool)
        top, left = seed % 4 * height // 6, seed % 3 * width // 5
        visible[top : top + height // 4, left : left + width // 4] = True
        prompts.append(prompt_of(visible, seed))
    return [images[place] for place in places], prompts


class Counted:
    """Counts what a segmenter's encoder is shown."""

    def __init__(self, segmenter: Promptable, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pictures: list[bytes] = []
        self.batches: list[int] = []
        embed = segmenter.embed

        def counting(pixels: Any) -> Tensors:
            self.batches.append(len(pixels))
            self.pictures += [picture.numpy().tobytes() for picture in pixels]
            return embed(pixels)

        monkeypatch.setattr(segmenter, "embed", counting)


@pytest.mark.slow
@pytest.mark.parametrize("copied", [False, True], ids=["one array", "copies"])
@pytest.mark.parametrize("family", KINDS)
def test_a_picture_is_encoded_once_and_no_bit_changes(
    family: str, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, prompts = crowd()
    if copied:
        images = [image.copy() for image in images]
    alone = [load(family).segment([image], [told])[0] for image, told in zip(images, prompts, strict=True)]
    segmenter = load(family)
    counted = Counted(segmenter, monkeypatch)
    together = segmenter.segment(images, prompts)
    assert counted.batches == [3, 3] and len(set(counted.pictures)) == 5
    backwards = segmenter.segment(images[::-1], prompts[::-1])[::-1]
    assert all(
        np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(alone, together, backwards, strict=True)
    )
    others = [mask for mask, image in zip(together, images, strict=True) if image.shape == images[0].shape]
    assert any((others[0] != other).any() for other in others[1:])  # so the instances of a picture are told apart


def test_equal_pictures_are_found_by_what_they_show() -> None:
    images, _ = samples([(4, 6), (4, 6), (6, 4)])
    a, b, c = images
    tall = a.reshape(6, 4, 3)  # the same bytes in another shape
    one_off = a.copy()
    one_off[3, 5, 2] ^= 1
    assert distinct([a, b, a, c, a.copy(), tall, one_off, b[:, :]]) == [[0, 2, 4], [1, 7], [3], [5], [6]]
    assert distinct([]) == []


@pytest.mark.slow
@pytest.mark.parametrize("family", KINDS)
def test_embeddings_are_gone_before_the_next_pictures_are_encoded(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = load(family, batch=2)
    embed, kept, alive = segmenter.embed, list[Any](), list[int]()

    def watched(pixels: Any) -> Tensors:
        gc.collect()
        alive.append(sum(reference() is not None for reference in kept))
        made = embed(pixels)
        kept.extend(weakref.ref(tensor) for tensor in made.values())
        return made

    monkeypatch.setattr(segmenter, "embed", watched)
    segmenter.segment(*samples())
    assert alive == [0, 0, 0] and kept


def test_encoding_is_charged_to_the_instances_that_share_it() -> None:
    segmenter = load("sam", batch=2)
    segmenter.segment(*crowd())
    costs = segmenter.costs()
    assert list(costs) == ["encode", "decode"]
    assert {(cost.instances, cost.batch) for cost in costs.values()} == {(13, 2)}
    assert all(cost.seconds > 0 for cost in costs.values()) and segmenter.costs() == {}


def out_of_memory(segmenter: Promptable, fits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a segmenter's encoder fail for more than so many pictures at once."""
    import torch

    embed = segmenter.embed

    def small(pixels: Any) -> Tensors:
        if len(pixels) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return embed(pixels)

    monkeypatch.setattr(segmenter, "embed", small)


@pytest.mark.slow
def test_memory_that_runs_out_halves_the_pictures_at_once_and_keeps_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, prompts = crowd()
    segmenter = load("sam2", batch=4)
    expected = load("sam2", batch=1).segment(images, prompts)
    out_of_memory(segmenter, 1, monkeypatch)
    found = segmenter.segment(images, prompts)
    assert all((a != b).mean() < 0.01 for a, b in zip(expected, found, strict=True))
    assert segmenter.costs()["encode"].batch == 1


def test_memory_for_no_picture_at_all_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = load("sam", batch=2)
    out_of_memory(segmenter, 0, monkeypatch)
    with pytest.raises(BenchError, match=r"encode: .* is too small .*; choose smaller segmenter\.weights"):
        segmenter.segment(*samples())
