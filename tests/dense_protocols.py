"""Each shipped protocol once more, as plain loops over masks, and generated instances to compare on.

Nothing of `amodal_bench` is imported here: the formulas are those of the protocols' pages, with each
script's own epsilon.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Item:
    """One instance, or one object in one frame: masks (H, W) bool and what an index says of it."""

    p: Mask
    a: Mask
    v: Mask
    o: Mask
    image: str
    video: str = ""
    object: str = ""
    frame: int = 0
    category: str = "thing"
    crowd: bool = False
    stuff: bool = False
    more: tuple[Mask, ...] = ()

    @property
    def draws(self) -> list[Mask]:
        """All predictions of the instance, P first."""
        return [self.p, *self.more]

    @property
    def hidden(self) -> Mask:
        r"""A \ V."""
        return self.a & ~self.v

    @property
    def rate(self) -> float:
        r"""|A \ V| / |A|, NaN where A is empty."""
        return size(self.hidden) / size(self.a) if self.a.any() else math.nan


def size(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def iou(first: Mask, second: Mask, above: float = 0.0, below: float = 0.0, empty: float = 0.0) -> float:
    """(I + above) / (U + below); `empty` where that is 0 / 0."""
    union = size(first | second) + below
    return (size(first & second) + above) / union if union else empty


def average(values: Iterable[float]) -> float:
    """The mean of what is not NaN, NaN where nothing is."""
    kept = [value for value in values if not math.isnan(value)]
    return sum(kept) / len(kept) if kept else math.nan


def average_of_groups(items: Sequence[Item], values: Sequence[float], key: Callable[[Item], Hashable]) -> float:
    groups: dict[Hashable, list[float]] = {}
    for item, value in zip(items, values, strict=True):
        groups.setdefault(key(item), []).append(value)
    return average(average(group) for group in groups.values())


def things(item: Item) -> bool:
    return not item.stuff


def things_without_crowds(item: Item) -> bool:
    return not item.stuff and not item.crowd


def everything(_: Item) -> bool:
    return True


def pooled(items: Sequence[Item], epsilon: float = 0.0) -> dict[str, float]:
    both = either = hidden_both = hidden_either = 0
    for item in items:
        both += size(item.p & item.a)
        either += size(item.p | item.a)
        hidden_both += size(item.p & item.a & ~item.v)
        hidden_either += size((item.p | item.a) & ~item.v)
    return {"miou": both / (either + epsilon), "occluded_miou": hidden_both / (hidden_either + epsilon)}


def sdamodal(items: Sequence[Item]) -> dict[str, float]:
    return pooled(items, 1e-10)


def pcnet(items: Sequence[Item]) -> dict[str, float]:
    both = sum(size(item.p & item.a) for item in items)
    return {"miou": pooled(items, 1e-10)["miou"], "pacc": both / (sum(size(item.a) for item in items) + 1e-10)}


def instance(items: Sequence[Item]) -> dict[str, float]:
    return {
        "miou": average(iou(item.p, item.a, empty=math.nan) for item in items),
        "occluded_miou": average(iou(item.p & ~item.v, item.hidden) for item in items if item.hidden.any()),
    }


def buckets(bounds: dict[str, tuple[float, float]]) -> Callable[[Sequence[Item]], dict[str, float]]:
    """The mean IoU by occlusion rate in (low, high]."""

    def numbers(items: Sequence[Item]) -> dict[str, float]:
        return {
            name: average(iou(item.p, item.a, empty=math.nan) for item in items if low < item.rate <= high)
            for name, (low, high) in bounds.items()
        }

    return numbers


def synergy(items: Sequence[Item]) -> dict[str, float]:
    bounds = {"miou_0_10": (-1, 0.1), "miou_10_50": (0.1, 0.5), "miou_50_90": (0.5, 0.9), "miou_90_100": (0.9, 1)}
    return {"miou": instance(items)["miou"], **buckets(bounds)(items)}


def c2fseg_image(items: Sequence[Item], corrected: bool = False) -> dict[str, float]:
    total, counted = 0.0, 0
    for item in items:
        if item.hidden.any():
            total += iou(item.p & ~item.v, item.hidden, below=1e-6)
        signed = size(item.a) - size(item.v)
        counted += bool(item.hidden.any()) if corrected else signed != 0
    return {
        "miou": average(iou(item.p, item.a, 1e-10, 1e-10) for item in items),
        "miou_post": average(iou(item.p | item.v, item.a, 1e-10, 1e-10) for item in items),
        "occluded_miou": total / counted,
    }


def pasted(item: Item) -> Mask:
    """V, with P under other objects: the predictions that FishBowl's scripts compare."""
    return np.where(item.o, item.p, item.v)


def c2fseg_video(items: Sequence[Item]) -> dict[str, float]:
    tracks: dict[Hashable, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.frame):
        tracks.setdefault((item.video, item.object), []).append(item)
    tracks = {key: track[:32][:-1] for key, track in tracks.items()}

    def over(value: Callable[[Item], float]) -> float:
        return average(average(value(item) for item in track) for track in tracks.values())

    return {
        "miou": over(lambda i: iou(i.p, i.a, below=1e-6)),
        "occluded_miou": over(lambda i: iou(i.p & ~i.v, i.hidden, below=1e-6)),
        "miou_post": over(lambda i: iou(pasted(i), i.a, below=1e-6)),
        "occluded_miou_post": over(lambda i: iou(pasted(i) & ~i.v, i.hidden, below=1e-6)),
    }


def savos(items: Sequence[Item]) -> dict[str, float]:
    def middle(item: Item) -> bool:
        frames = [i.frame for i in items if (i.video, i.object) == (item.video, item.object)]
        return (
            bool(item.a.any())
            and min(frames) < item.frame < max(frames)
            and 0.1 < 1 - size(item.v) / size(item.a) < 0.7
        )

    scored = [item for item in items if middle(item)]
    full = [iou(pasted(item), item.a, 1e-6, 1e-6) for item in scored]
    covered = [iou(pasted(item) & item.o, item.a & item.o, 1e-6, 1e-6) for item in scored]

    def picture(item: Item) -> Hashable:
        return item.video, item.frame

    return {
        "miou": average_of_groups(scored, full, picture),
        "occluded_miou": average_of_groups(scored, covered, picture),
        "miou_rows": average(full),
        "occluded_miou_rows": average(covered),
    }


def eoras(items: Sequence[Item], corrected: bool = False) -> dict[str, float]:
    occluded = []
    for item in items:
        predicted, hidden = item.p & ~item.v, item.hidden
        if corrected:
            if hidden.any():
                occluded.append(iou(predicted, hidden))
            continue
        both, either = np.float32(size(predicted & hidden)), np.float32(size(predicted | hidden))
        value = both / (either + np.float32(1e-6))
        if value != 1:
            occluded.append(float(value))
    return {"miou": average(iou(item.p, item.a, below=1e-6) for item in items), "occluded_miou": average(occluded)}


def eroded(mask: Mask, reach: int, outside: bool) -> Mask:
    """What has only mask within `reach` rows and columns; beyond the frame lies `outside`."""
    height, width = mask.shape
    padded = np.full((height + 2 * reach, width + 2 * reach), outside)
    padded[reach : reach + height, reach : reach + width] = mask
    kept = np.ones_like(mask)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            kept &= padded[down : down + height, right : right + width]
    return kept


def diffusion_vas(items: Sequence[Item], corrected: bool = False) -> dict[str, float]:
    occluded = []
    for item in items:
        predicted, hidden = eroded(item.p & ~item.v, 2, True), eroded(item.hidden, 2, True)
        value = iou(predicted, hidden, below=1e-6)
        if hidden.any() if corrected else value >= 1e-6:
            occluded.append(value)
    return {
        "miou": average(iou(item.p | item.v, item.a, below=1e-6) for item in items),
        "occluded_miou": average(occluded),
    }


def tabe51(items: Sequence[Item], corrected: bool = False) -> dict[str, float]:
    def video(item: Item) -> Hashable:
        return item.video, item.object

    def over(value: Callable[[Item], float], taken: Callable[[Item], bool]) -> float:
        return average_of_groups(items, [value(i) if taken(i) else math.nan for i in items], video)

    def signed(item: Item) -> float:
        predicted = item.p.astype(int) - item.v.astype(int)
        amodal = item.a.astype(int) - item.v.astype(int)
        union = size((predicted != 0) | (amodal != 0))
        return size((predicted != 0) & (amodal != 0)) / union if union else 0.0

    def full(item: Item) -> float:
        return iou(item.p, item.a)

    def occluded(item: Item) -> bool:
        return bool(item.hidden.any())

    if corrected:
        last = over(lambda i: iou(i.p & ~i.v, i.hidden), occluded)
    else:
        last = over(signed, lambda i: int((i.a.astype(int) - i.v.astype(int)).sum()) > 0)
    return {
        "miou": over(full, lambda i: True),
        "miou_fully_occluded": over(full, lambda i: not i.v.any()),
        "miou_occluded_frames": over(full, occluded),
        "occluded_miou": last,
    }


def boundary(items: Sequence[Item]) -> dict[str, float]:
    def band(mask: Mask) -> Mask:
        height, width = mask.shape
        wide = max(1, round(0.02 * math.sqrt(height**2 + width**2)))
        return mask & ~eroded(mask, wide, False)

    bands = [iou(band(item.p), band(item.a)) for item in items]
    masks = [iou(item.p, item.a) for item in items]
    smaller = [min(pair) for pair in zip(bands, masks, strict=True)]
    return {"boundary_iou": average(bands), "boundary_iou_with_mask": average(smaller)}


def matched(items: Sequence[Item], threshold: float, ranges: float | None) -> tuple[list[bool], list[bool], int]:
    """COCO's greedy matching in one image and category: hits and ignored predictions, and how many objects count."""
    visible = [size(i.v) / size(i.a) if i.a.any() else math.nan for i in items]
    seen = [size(i.p & i.v) / size(i.p) if i.p.any() else math.nan for i in items]
    ignored = [i.crowd or (ranges is not None and visible[k] > ranges) for k, i in enumerate(items)]
    order = [k for k in range(len(items)) if not ignored[k]] + [k for k in range(len(items)) if ignored[k]]
    taken: set[int] = set()
    hits, left_out = [], []
    for d, item in enumerate(items[:100]):
        best, found = min(threshold, 1 - 1e-10), -1
        for g in order:
            if g in taken and not items[g].crowd:
                continue
            if found > -1 and not ignored[found] and ignored[g]:
                break
            if items[g].crowd:
                overlap = size(item.p & items[g].a) / size(item.p) if item.p.any() else 0.0
            else:
                overlap = iou(item.p, items[g].a)
            if overlap >= best:
                best, found = overlap, g
        if found > -1:
            taken.add(found)
        hits.append(found > -1)
        left_out.append(ignored[found] if found > -1 else ranges is not None and seen[d] > ranges)
    return hits, left_out, sum(not i for i in ignored)


def average_precision(items: Sequence[Item], thresholds: Sequence[float], ranges: float | None = None) -> float:
    """Interpolated precision at 101 recalls, over thresholds and categories; images by their number."""
    found = []
    for category in sorted({item.category for item in items}):
        own = [item for item in items if item.category == category]
        images = sorted({item.image for item in own}, key=int)
        for threshold in thresholds:
            hits: list[bool] = []
            objects = 0
            for image in images:
                result = matched([item for item in own if item.image == image], threshold, ranges)
                hits += [hit for hit, left_out in zip(*result[:2], strict=True) if not left_out]
                objects += result[2]
            if objects:
                found.append(interpolated(hits, objects))
    return sum(found) / len(found)


def interpolated(hits: Sequence[bool], objects: int) -> float:
    points = []
    true = 0
    for rank, hit in enumerate(hits, 1):
        true += hit
        points.append((true / objects, true / rank))
    levels = np.linspace(0, 1, 101)
    return (
        sum(max((precision for recall, precision in points if recall >= level), default=0.0) for level in levels)
        / 101
    )


def draws(items: Sequence[Item]) -> dict[str, float]:
    """All choices of draws, one by one."""
    count = len(items[0].draws)

    def found(hidden: bool) -> dict[str, float]:
        def value(item: Item, mask: Mask) -> float:
            if not hidden:
                return iou(mask, item.a, empty=math.nan)
            return iou(mask & ~item.v, item.hidden) if item.hidden.any() else math.nan

        def voted(item: Item) -> Mask:
            votes = np.zeros(item.a.shape, int)
            for mask in item.draws:
                votes += mask
            return votes > count / 2

        kept = [item for item in items if not any(math.isnan(value(item, mask)) for mask in item.draws)]

        def best(of: int, value_of: Callable[[float], float] = lambda iou: iou) -> float:
            chosen = [list(itertools.combinations(item.draws, of)) for item in kept]
            return average(
                average(max(value_of(value(item, mask)) for mask in choice) for choice in choices)
                for item, choices in zip(kept, chosen, strict=True)
            )

        def passes(iou: float) -> float:
            return float(iou >= 0.5)

        runs = [average(value(item, item.draws[draw]) for item in kept) for draw in range(count)]
        return {
            "mean_miou": average(average(value(item, mask) for mask in item.draws) for item in kept),
            "majority_miou": average(value(item, voted(item)) for item in kept),
            "best_miou": average(max(value(item, mask) for mask in item.draws) for item in kept),
            "miou_spread": statistics.stdev(runs),
            "best_of_2_miou": best(2),
            "best_of_3_miou": best(3),
            "pass_at_1": best(1, passes),
            "pass_at_k": best(count, passes),
        }

    return found(False) | {f"occluded_{name}": value for name, value in found(True).items()}


EVERY = np.linspace(0.5, 0.95, 10).tolist()  # as pycocotools rounds them: an IoU may lie on one


def coco_ap(items: Sequence[Item]) -> dict[str, float]:
    thresholds = {"ap": EVERY, "ap50": [0.5], "ap75": [0.75]}
    return {name: average_precision(items, chosen) for name, chosen in thresholds.items()}


def aisformer_ap(items: Sequence[Item]) -> dict[str, float]:
    return {
        "ap": average_precision(items, EVERY, 1.0),
        "ap50": average_precision(items, [0.5], 1.0),
        **{f"ap_visible_{round(100 * top)}": average_precision(items, EVERY, top) for top in (0.85, 0.75, 0.6)},
    }


SAMBA = {
    "miou": (-1.0, 0.7),
    "miou_0": (-1.0, 0.0),
    "miou_1_20": (0.0, 0.2),
    "miou_20_40": (0.2, 0.4),
    "miou_40_70": (0.4, 0.7),
}

Numbers = Callable[[Sequence[Item]], dict[str, float]]

DENSE: dict[str, tuple[Callable[[Item], bool], Numbers, float]] = {
    # name: what is scored, the numbers, and how far they may lie off (1e-6 where the script divides by U + 1e-6)
    "aisformer_ap": (things, aisformer_ap, 1e-9),
    "boundary": (things_without_crowds, boundary, 1e-9),
    "c2fseg_image": (everything, c2fseg_image, 1e-6),
    "c2fseg_image_corrected": (everything, lambda items: c2fseg_image(items, True), 1e-6),
    "c2fseg_video": (everything, c2fseg_video, 1e-6),
    "coco_ap": (things, coco_ap, 1e-9),
    "draws": (things_without_crowds, draws, 1e-9),
    "diffusion_vas": (everything, diffusion_vas, 1e-6),
    "diffusion_vas_corrected": (everything, lambda items: diffusion_vas(items, True), 1e-6),
    "eoras": (everything, eoras, 1e-6),
    "eoras_corrected": (everything, lambda items: eoras(items, True), 1e-6),
    "instance": (things_without_crowds, instance, 1e-9),
    "pcnet": (everything, pcnet, 1e-9),
    "pooled": (things_without_crowds, pooled, 1e-9),
    "samba": (things_without_crowds, buckets(SAMBA), 1e-9),
    "savos": (everything, savos, 1e-6),
    "sdamodal": (everything, sdamodal, 1e-9),
    "synergy": (things_without_crowds, synergy, 1e-9),
    "tabe51": (everything, tabe51, 1e-9),
    "tabe51_corrected": (everything, lambda items: tabe51(items, True), 1e-9),
}


def blob(rng: np.random.Generator, shape: tuple[int, int], centre: NDArray[np.float64] | None = None) -> Mask:
    """A filled ellipse somewhere in the frame, or about a centre."""
    rows, columns = np.indices(shape)
    row, column = rng.uniform(0.2, 0.8, 2) * shape if centre is None else centre
    high, wide = rng.uniform(4, 14, 2)
    return np.asarray(((rows - row) / high) ** 2 + ((columns - column) / wide) ** 2 <= 1)


def shifted(mask: Mask, by: Iterable[int]) -> Mask:
    down, right = by
    return np.roll(mask, (down, right), (0, 1))


def drawn(rng: np.random.Generator, amodal: Sequence[Mask]) -> list[tuple[Mask, Mask, Mask]]:
    """P, A and V of each object of a picture, the first one in front."""
    taken = np.zeros_like(amodal[0])
    found = []
    for a in amodal:
        v = a & ~taken
        taken = taken | a
        if rng.random() < 0.25:  # annotators differ: V reaches beyond A
            v = v | (shifted(v, rng.integers(-2, 3, 2)) & ~taken)
        if rng.random() < 0.1:
            v = np.zeros_like(v)
        kind = rng.random()
        if kind < 0.12:
            p = np.zeros_like(a)
        elif kind < 0.27:
            p = a.copy()
        elif kind < 0.37:
            p = v.copy()
        else:
            p = shifted(a, rng.integers(-4, 5, 2)) | (v if rng.random() < 0.5 else np.zeros_like(v))
        found.append((p, a, v))
    return found


def others(group: Sequence[tuple[Mask, Mask, Mask]], own: int) -> Mask:
    seen = np.zeros_like(group[0][0])
    for k, (_, _, v) in enumerate(group):
        if k != own:
            seen |= v
    return seen


def pictures(seed: int = 0) -> list[Item]:
    """Instances of twelve images, five in each."""
    rng = np.random.default_rng(seed)
    items = []
    for image in range(1, 13):
        shape = (int(rng.integers(48, 64)), int(rng.integers(64, 128)))
        group = drawn(rng, [blob(rng, shape) for _ in range(5)])
        if image == 7:  # an object beyond the frame: A is empty, and P agrees
            empty = np.zeros(shape, bool)
            group[0] = empty, empty, group[0][2]
        for k, (p, a, v) in enumerate(group):
            crowd, stuff, category = rng.random() < 0.08, rng.random() < 0.12, ("cat", "dog")[int(rng.integers(2))]
            items.append(Item(p, a, v, others(group, k), str(image), "", "", 0, category, bool(crowd), bool(stuff)))
    return items


def drawn_again(seed: int = 0) -> list[Item]:
    """The instances of `pictures` with three more predictions each, the later the worse; some are never found."""
    rng = np.random.default_rng(seed + 1)
    items = []
    for number, item in enumerate(pictures(seed)):
        lost = shifted(item.p, (0, 30))
        more = [shifted(item.a, rng.integers(-2 * draw, 2 * draw + 1, 2)) & ~lost for draw in (1, 2, 3)]
        more = [np.zeros_like(lost) if rng.random() < 0.1 else mask for mask in more]  # a failed draw is empty
        p, *more = [item.p, *more] if number % 6 else [lost] * 4
        items.append(dataclasses.replace(item, p=p, more=tuple(more)))
    return items


LENGTHS = ((36, 4), (6, 5, 4), (5, 2, 1))
"""How many frames each object of each video has."""


def frames(seed: int = 0) -> list[Item]:
    """Objects that move through videos; they come in at different frames, and one stays for 36."""
    rng = np.random.default_rng(seed)
    items = []
    for video, lengths in enumerate(LENGTHS):
        shape = (56, 72)
        starts = [int(rng.integers(0, 3)) for _ in lengths]
        centres = [rng.uniform(0.3, 0.7, 2) * shape for _ in lengths]
        for frame in range(max(map(sum, zip(starts, lengths, strict=True)))):
            there = [k for k in range(len(lengths)) if starts[k] <= frame < starts[k] + lengths[k]]
            centres = [centre + rng.uniform(-2, 2, 2) for centre in centres]
            if not there:
                continue
            # Without a partner an object is half covered by something that nobody annotated.
            group = drawn(rng, [blob(rng, shape, centres[k]) for k in rng.permutation(there)])
            if len(group) == 1:
                p, a, v = group[0]
                group[0] = p, a, v & ~shifted(a, rng.integers(-9, 10, 2)) if rng.random() < 0.6 else v
            name = f"{video}{frame:03d}"
            for k, (p, a, v) in enumerate(group):
                items.append(Item(p, a, v, others(group, k), name, str(video), str(there[k]), frame))
    return [items[k] for k in rng.permutation(len(items))]
