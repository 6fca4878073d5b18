"""Trees of datasets on the disk, as the tests of loaders spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from amodal_bench.core.errors import InputError
from amodal_bench.toy.scene import Instance, Scene


def edit(place: Path, change: Callable[[Any], object]) -> None:
    """Change the parsed content of a JSON file in place.

    Args:
        place: the file, or a tree with one annotation file, which lies in its root or in `annotations`.
        change: changes the content; what it returns is dropped.
    """
    (file,) = [place] if place.is_file() else [*place.glob("*.json"), *place.glob("annotations/*.json")]
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    # Half a surrogate pair is written as an escape, \ud800.
    file.write_text(json.dumps(content), encoding="utf-8")


def assert_says(error: InputError, *parts: str) -> None:
    assert "\n" not in str(error)
    for part in parts:
        assert part in str(error)


def occlusion(instance: Instance) -> float:
    return int((instance.amodal & ~instance.visible).sum()) / int(instance.amodal.sum())


def most_occluded(scenes: Sequence[Scene]) -> tuple[int, int]:
    """Positions of a scene and of the instance in it of which the largest part is hidden, though not all."""
    places = [(s, n) for s, scene in enumerate(scenes) for n in range(len(scene.instances))]
    found = max(places, key=lambda place: occlusion(scenes[place[0]].instances[place[1]]))
    assert 0.01 < occlusion(scenes[found[0]].instances[found[1]]) < 1, "the drawing has nothing occluded in part"
    return found


def unread(*_: Any) -> Any:
    raise AssertionError("the annotation file was read for the index again")


@dataclass(frozen=True)
class Damage:
    """One thing done to a tree, and how it has to be reported.

    Attributes:
        do: changes the tree, given its root.
        file, record, what: name of the file, record, and part of the text of the report.
        lost: patterns, with spaces between them, of the instances that cannot be read any more; all others can.
        stops: whether nothing can be opened.
    """

    do: Callable[[Path], None]
    file: str
    record: str
    what: str
    lost: str = ""
    stops: bool = False

    def loses(self, id: str) -> bool:
        return any(fnmatch(id, pattern) for pattern in self.lost.split())


def assert_reported(damage: Damage, tree: Path, open_tree: Callable[[], Any]) -> None:
    """Damage a tree: the report names it and nothing else, and what is whole can still be read."""
    whole = list(open_tree().records()["id"])
    damage.do(tree)
    if damage.stops:
        with pytest.raises(InputError) as caught:
            open_tree()
        assert_says(caught.value, damage.file, damage.what)
        return
    dataset = open_tree()
    problems = dataset.check()
    assert {(Path(p.file).name, p.record) for p in problems} == {(damage.file, damage.record)}
    assert any(damage.what in p.what for p in problems)
    listed = set(dataset.records()["id"])
    assert all(id in listed or damage.loses(id) for id in whole)
    for id in listed:
        if not damage.loses(id):
            assert dataset.sample(id).amodal.any()
            continue
        with pytest.raises(InputError) as caught:
            dataset.sample(id)
        assert_says(caught.value, damage.file, damage.what)


def to_json(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda tree: edit(tree, change)


def remove(path: str) -> Callable[[Path], None]:
    return lambda tree: (tree / path).unlink()


def cut(path: str) -> Callable[[Path], None]:
    """Leave the first half of a file."""

    def halve(tree: Path) -> None:
        content = (tree / path).read_bytes()
        (tree / path).write_bytes(content[: len(content) // 2])

    return halve


def shrink(path: str) -> Callable[[Path], None]:
    """Replace a picture by one of half its size."""
    return lambda tree: Image.open(tree / path).reduce(2).save(tree / path)
