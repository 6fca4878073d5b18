"""Odd values, and small changes of whole ones: what a damaged, a foreign or a hostile file may hold."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

TEXTS = (
    "", " ", "0", "1", "-1", "7.0", "NaN", "null", "é", "e\u0301", "日本", "\ud800", "a\udfff", "\0", "a\nb",
    "\x1b[31m", "=1+1", "../../etc/passwd", "/dev/zero", "C:\\x", "..\\x", "~", "$HOME", "a" * 300,
    "x/y", ".", "#", "1e400",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 3, 7, 12, 16, 192, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63,
    -(2**63), 10**18, 10**400, 0.0, -0.0, 0.5, 1.5, 7.0, 1e-320, 1e6, 1e12, 1e308, -1e308,
    math.nan, math.inf, -math.inf,
)  # fmt: skip
SHAPES: tuple[Any, ...] = (None, True, False, [], {}, [[]], [{}], {"": {}}, [[[[[[[[]]]]]]]], [None, None], [0] * 50)


def odd(random: Random) -> Any:
    """A value that no sound file has in this place, most likely."""
    return copy.deepcopy(random.choice(random.choice((TEXTS, NUMBERS, SHAPES, _masks(random)))))


def _masks(random: Random) -> Sequence[Any]:
    """Segmentations of a picture of 12 x 16, or of no picture at all."""
    return [make(random) for make in random.sample(_MASKS, 2)]


def _polygon(random: Random) -> list[Any]:
    far = random.choice([20, 20, 300, 1e6, 1e9])
    return [random.uniform(-far, far) for _ in range(random.choice([2, 5, 6, 7, 8, 12, 400]))]


def _runs(random: Random) -> list[Any]:
    found: list[Any] = []
    while sum(found) < 192 and len(found) < 300:
        found.append(random.choice([0, 1, 2, 5, 40, 192]))
    found.append(random.choice([0, -1, 192 - sum(found), 2**32, 2**31, 1.0, "1", None]))
    return found


def _letters(random: Random) -> str:
    low, high = random.choice([(48, 111), (48, 80), (32, 300), (79, 111)])
    return "".join(chr(random.randint(low, high)) for _ in range(random.choice([0, 1, 3, 9, 200])))


def _size(random: Random) -> Any:
    whole = [[12, 16], [12, 16], [16, 12], [12.0, 16.0], ["12", "16"]]
    odd_ones = [
        [0, 16],
        [-12, -16],
        [192, 1],
        [2**31, 2],
        [2**16, 2**16],
        [10**9, 10**9],
        [12],
        [12, 16, 3],
        192,
        [None] * 2,
    ]
    return random.choice(random.choice([whole, odd_ones]))


_MASKS: tuple[Callable[[Random], Any], ...] = (
    _polygon,
    lambda r: [_polygon(r) for _ in range(r.choice([0, 1, 2, 70]))],
    lambda r: {"size": _size(r), "counts": _runs(r)},
    lambda r: {"size": _size(r), "counts": _letters(r)},
    lambda r: [{"size": _size(r), "counts": _runs(r)} for _ in range(r.choice([1, 2, 3]))],
    lambda r: {"size": [12, 16], "counts": [0] * r.choice([10, 5000]) + [192]},
    lambda r: [[1e6, 1e6, -1e6, -1e6] * r.choice([2, 50, 1000])],
    lambda r: [0, 0, math.nan, 5, 5, 5],
    lambda r: {"counts": [192]},
    lambda r: {"size": [12, 16], "counts": ["5", "187"]},
    lambda r: {"size": [12, 16], "counts": [5.0, 187.0]},
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys or positions."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        at = waiting.pop()
        keys = list(at) if isinstance(at, dict) else range(min(len(at), 40)) if isinstance(at, list) else ()
        found += [(at, key) for key in keys]
        waiting += [at[key] for key in keys]
    return found


def changed(value: Any, random: Random) -> Any:
    """A copy of a JSON value with one to three things in it changed."""
    root = [copy.deepcopy(value)]
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        at, key = random.choice(places(root))
        random.choice(_CHANGES)(at, key, random)
        if not root:
            break
    return root[0] if root else None


def _delete(at: Any, key: Any, random: Random) -> None:  # noqa: ARG001
    del at[key]


def _replace(at: Any, key: Any, random: Random) -> None:
    at[key] = odd(random)


def _nudge(at: Any, key: Any, random: Random) -> None:
    """A near miss: another type of the same value, or a number or a text that is a little off."""
    old = at[key]
    if isinstance(old, bool) or old is None:
        at[key] = random.choice([0, 1, "true", "null"])
    elif isinstance(old, int | float):
        near = [float(old), old + 0.5] if abs(old) < 1e300 else [0.5]  # longer ones have no float
        at[key] = random.choice(
            [old + 1, old - 1, -old, *([] if abs(old) > 1e300 else [old * 1000, str(old)]), [old], bool(old), *near]
        )
    elif isinstance(old, str):
        cut = random.randint(0, len(old))
        at[key] = random.choice([old[:cut], old[cut:], old + random.choice(TEXTS), old.upper(), [old], len(old)])
    else:
        at[key] = random.choice([[old], {"": old}, len(old), json.dumps(old)[:200], list(old)])


def _repeat(at: Any, key: Any, random: Random) -> None:
    if isinstance(at, list):
        at[key:key] = [copy.deepcopy(at[key]) for _ in range(random.choice([1, 1, 2, 30]))]
    else:
        at[f"{key}{random.choice(TEXTS)}"] = copy.deepcopy(at[key])


def _exchange(at: Any, key: Any, random: Random) -> None:
    other = random.choice(list(at) if isinstance(at, dict) else range(len(at)))
    at[key], at[other] = at[other], at[key]


def _add(at: Any, key: Any, random: Random) -> None:
    if isinstance(at, list):
        at.insert(key, odd(random))
    else:
        at[random.choice(KEYS)] = odd(random)


def _deepen(at: Any, key: Any, random: Random) -> None:
    for _ in range(random.choice([1, 20, 200])):
        at[key] = [at[key]]


_CHANGES = (_delete, _replace, _replace, _replace, _nudge, _nudge, _nudge, _repeat, _exchange, _add, _add, _deepen)

KEYS = (
    "id", "image_id", "category_id", "file_name", "height", "width", "segmentation", "visible_mask", "invisible_mask",
    "i_segm", "a_segm", "inmodal_seg", "amodal_mask", "area", "i_area", "a_area", "area_visible", "area_amodal",
    "occlude_rate", "iscrowd", "isStuff", "regions", "images", "annotations", "categories", "size", "counts", "masks",
    "type_name", "name", "obj_id", "score", "annotation_id", "author", "draw", "error", "rle", "digest", "identity",
)  # fmt: skip
"""Names that mean something in one of the formats."""


def as_json(value: Any, random: Random) -> bytes:
    """A value as the bytes of a file; one in five is damaged as text, too."""
    text = json.dumps(value, indent=random.choice([None, None, 1])).encode()
    return damaged(text, random) if random.random() < 0.2 else text


def damaged(whole: bytes, random: Random) -> bytes:
    """Bytes with some cut away, changed, repeated or put in."""
    found = bytearray(whole)
    for _ in range(random.choice([1, 1, 2, 6])):
        at = random.randint(0, len(found))
        end = min(len(found), at + random.choice([1, 1, 2, 4, 8, 40]))
        kind = random.randrange(8)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            del found[at:end]
        elif kind == 2 and at < len(found):
            found[at] ^= 1 << random.randrange(8)
        elif kind == 3 and at < len(found):
            found[at:end] = bytes(random.choice([0, 255, random.randrange(256)]) for _ in range(end - at))
        elif kind == 4:
            found[at:at] = found[at:end] * random.choice([1, 3])
        elif kind == 5:
            found[at:at] = random.choice(_PIECES)
        elif kind == 6:
            number = random.choice([0, 1, -1, 127, 255, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1])
            width = random.choice([2, 4, 8])
            found[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, random.choice(["little", "big"]))
        else:
            return random.choice(_WHOLES)(bytes(found))
    return bytes(found)


_PIECES = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"[" * 50_000, b"{\"a\":" * 3000, b"9" * 5000, b"1e999", b"NaN", b"-Infinity", b",",
    b"}", b"]", b'"', b"\\ud800", b"\\", b"\0", b"\r", b"\n", b" " * 1000, b"\xc3", b"\x1b[2J", b"/*",
    b"\xed\xa0\x80",
)  # fmt: skip
_WHOLES: tuple[Callable[[bytes], bytes], ...] = (
    lambda text: b"",
    lambda text: text.decode("utf-8", "replace").encode("utf-16"),
    lambda text: text + text,
    lambda text: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    lambda text: b"<!DOCTYPE html><html></html>",
    lambda text: b"\x1f\x8b\x08" + text,
    lambda text: text[::-1],
)

texts: SearchStrategy[str] = st.sampled_from(TEXTS) | st.text(st.characters(codec=None), max_size=8)
numbers: SearchStrategy[Any] = st.sampled_from(NUMBERS) | st.integers() | st.floats()
plain: SearchStrategy[Any] = st.none() | st.booleans() | numbers | texts
any_json: SearchStrategy[Any] = st.recursive(
    plain,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | texts, part, max_size=4),
    max_leaves=12,
)
runs: SearchStrategy[Any] = st.lists(st.integers(-1, 200) | numbers, max_size=9)
masks: SearchStrategy[Any] = (
    any_json
    | st.lists(st.floats(-30, 30) | numbers, max_size=12)
    | st.lists(st.lists(st.floats(-30, 30), max_size=10), max_size=3)
    | st.fixed_dictionaries(
        {
            "size": st.just([12, 16]) | st.lists(numbers, max_size=3),
            "counts": runs | st.text("0123456789abcNnOo`", max_size=9),
        }
    )
)


def json_files(value: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    """Values as the bytes of files."""
    return value.map(lambda found: json.dumps(found).encode())


def records(fields: dict[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    """Objects of which each field is as the format has it, is any value, or is absent."""
    return st.fixed_dictionaries({}, optional={name: kind | any_json for name, kind in fields.items()})
