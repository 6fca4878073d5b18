"""Single files that are no annotations: predictions, ids, pictures, maps, and what a run says of itself."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image

from amodal_bench.core.ids import read_ids
from amodal_bench.core.rle import decode, encode, pixels, united
from amodal_bench.datasets.reading.files import read_image
from amodal_bench.datasets.sailvos.raw_folders import read_map, read_mask
from amodal_bench.models.prediction_files import open_source
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.run_json import FILE, last_day, read_facts
from fuzzing.annotations import HEIGHT, POLYGON, RUNS, WIDTH, A, V
from fuzzing.judge import Reader, answered
from fuzzing.values import any_json, as_json, changed, damaged, json_files, masks, odd, plain, records, texts


class PredictionsReader(Reader):
    """A file of COCO results."""

    name = "predictions"
    whole: ClassVar[list[dict[str, Any]]] = [
        {"annotation_id": 1, "image_id": 1, "category_id": 1, "score": 0.9, "segmentation": encode(A)},
        {"id": "2-1", "image_id": 1.0, "segmentation": [POLYGON]},
        {"instance_id": 3, "score": 1, "segmentation": RUNS},
        {"instance_id": 4, "segmentation": []},
    ]

    def changed(self, random: Random) -> bytes:
        return as_json(changed(self.whole, random), random)

    def generated(self) -> SearchStrategy[bytes]:
        kinds = {"annotation_id": plain, "id": plain, "image_id": plain, "score": plain, "segmentation": masks}
        return json_files(st.lists(records(kinds), max_size=3) | any_json)

    def read(self, data: bytes) -> None:
        file = self.folder / "predictions.json"
        file.write_bytes(data)
        source = open_source(file)
        assert len(source.digest()) == 64
        assert set(source.images()) <= set(source.ids())
        for id in list(source.ids())[:8]:
            assert isinstance(id, str) and id.encode() is not None
            mask = answered(partial(source.mask, id, HEIGHT, WIDTH))
            assert mask is None or (mask.shape == (HEIGHT, WIDTH) and mask.dtype == np.bool_)


class SegmentationReader(Reader):
    """One segmentation, as annotations and predictions have it; the mask is compared with its RLE."""

    name = "segmentation"

    def changed(self, random: Random) -> bytes:
        whole = [encode(A), RUNS, [POLYGON], POLYGON, [encode(A), encode(V)], odd(random)]
        return json.dumps(changed([random.choice(whole)], random)).encode()

    def generated(self) -> SearchStrategy[bytes]:
        return json_files(masks.map(lambda mask: [mask]))

    def read(self, data: bytes) -> None:
        given = json.loads(data)
        for segmentation in given if isinstance(given, list) else [given]:
            try:
                mask = decode(segmentation, HEIGHT, WIDTH)
            except ValueError as error:
                if not str(error) or type(error) is not ValueError:
                    raise
                continue
            assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == np.bool_
            assert pixels(united(segmentation, HEIGHT, WIDTH)) == mask.sum(), "the mask and its RLE differ"
            assert (decode(encode(mask), HEIGHT, WIDTH) == mask).all(), "the mask does not come back"


class IdsReader(Reader):
    """A list of ids."""

    name = "ids"

    def changed(self, random: Random) -> bytes:
        return damaged("# a comment\nid-1\nid-2\r\n id-é\n\n1/2/3\n".encode(), random)

    def generated(self) -> SearchStrategy[bytes]:
        lines = st.lists(texts, max_size=6).map(lambda found: "\n".join(found).encode("utf-8", "surrogatepass"))
        return lines | st.binary(max_size=40)

    def read(self, data: bytes) -> None:
        file = self.folder / "ids.txt"
        file.write_bytes(data)
        found = read_ids(file)
        assert found and len(set(found)) == len(found)
        assert all(id and id == id.strip() and "\n" not in id and not id.startswith("#") for id in found)
        # What is read is what the file says, line by line.
        assert set(found) <= {line.strip() for line in data.decode("utf-8-sig").split("\n")}


def _pictures() -> list[bytes]:
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    kinds = [
        (Image.fromarray(grey), "PNG"),
        (Image.fromarray(A), "PNG"),
        (Image.fromarray(np.stack([grey] * 3, 2)), "JPEG"),
        (Image.fromarray(np.stack([grey] * 4, 2)), "PNG"),
        (Image.fromarray(grey).convert("P"), "GIF"),
        (Image.fromarray(grey.astype(np.uint16)), "PNG"),
        (Image.fromarray(np.stack([grey] * 3, 2)), "BMP"),
        (Image.fromarray(np.stack([grey] * 3, 2)), "TIFF"),
        (Image.fromarray(np.stack([grey] * 3, 2)), "WEBP"),
        (Image.fromarray(np.stack([grey] * 3, 2)), "PPM"),
    ]
    found = []
    for picture, form in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, form)
        found.append(buffer.getvalue())
    return found


class PictureReader(Reader):
    """A picture, as an image, as an amodal mask and as a prediction."""

    name = "picture"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "png").mkdir()
        self.whole = _pictures()

    def changed(self, random: Random) -> bytes:
        return damaged(random.choice(self.whole), random)

    def generated(self) -> SearchStrategy[bytes]:
        starts = st.sampled_from([whole[:n] for whole in self.whole for n in (4, 8, 20, 40)])
        return st.tuples(starts, st.binary(max_size=60)).map(b"".join)

    def read(self, data: bytes) -> None:
        file = self.folder / "png" / "1.png"
        file.write_bytes(data)
        source = open_source(file.parent)
        assert list(source.ids()) == ["1"]
        answered(lambda: source.mask("1", HEIGHT, WIDTH))
        image = read_image(file)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        mask = read_mask(file)
        assert mask.dtype == np.bool_ and mask.shape == image.shape[:2]


class MapReader(Reader):
    """A map of visible objects of SAIL-VOS' raw folders, as .npy and .npz."""

    name = "map"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        objects = np.arange(12, dtype=np.int32).reshape(3, 4)
        self.whole = []
        writers: tuple[Callable[[Any], None], ...] = (
            lambda file: np.save(file, objects),
            lambda file: np.savez(file, visible_ids=objects),
            lambda file: np.savez_compressed(file, visible_ids=objects),
            lambda file: np.save(file, np.asfortranarray(objects.astype(np.float32))),
        )
        for write in writers:
            buffer = io.BytesIO()
            write(buffer)
            self.whole.append(buffer.getvalue())

    def changed(self, random: Random) -> bytes:
        whole = random.choice(self.whole)
        if random.random() < 0.5 and b"'shape': (3, 4)" in whole:
            shape = random.choice(
                [b"(3, 4L)", b"(-3,-4)", b"(9**9,)", b"(3, 5 )", b"(10**9, 10**9)", b"()", b"(0, 4)"]
            )
            return whole.replace(b"(3, 4)", shape).replace(
                b"<i4", random.choice([b"<i4", b"|O8", b"<i8", b"<U9", b"|V4"])
            )
        return damaged(whole, random)

    def generated(self) -> SearchStrategy[bytes]:
        starts = st.sampled_from([whole[:n] for whole in self.whole for n in (6, 10, 60, 100)])
        return st.tuples(starts, st.binary(max_size=60)).map(b"".join)

    def read(self, data: bytes) -> None:
        file = self.folder / "map.npy"
        file.write_bytes(data)
        assert read_map(file).dtype.kind in "iu"


class RunJsonReader(Reader):
    """What a run's folder says of the run."""

    name = "run_json"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        identity = {"dataset": {"name": "toy", "fingerprint": "f" * 64}, "model": {"model": "hull"}, "seed": 0}
        self.whole = {
            "name": "hull",
            "settings": "",
            "digest": Identity(identity).digest,
            "identity": identity,
            "environment": {"python": "3.12"},
            "components": {"dataset": {"root": "~/data"}, "protocol": {}},
            "dates": {"begun": "2026-11-29T00:00:00+00:00", "continued": None, "finished": None},
            "split": "test",
            "deterministic": True,
        }

    def changed(self, random: Random) -> bytes:
        return as_json(changed(self.whole, random), random)

    def generated(self) -> SearchStrategy[bytes]:
        return json_files(records({key: st.just(value) for key, value in self.whole.items()}) | any_json)

    def read(self, data: bytes) -> None:
        (self.folder / FILE).write_bytes(data)
        assert isinstance(last_day(self.folder), str)
        facts = read_facts(self.folder)
        assert isinstance(facts.digest, str) and isinstance(facts.name, str)
        assert isinstance(facts.identity["dataset"], dict)


READERS: tuple[type[Reader], ...] = (
    PredictionsReader, SegmentationReader, IdsReader, PictureReader, MapReader, RunJsonReader,
)  # fmt: skip
