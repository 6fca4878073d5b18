"""What the protocols' pages say: worked examples out of pixels, and tables."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
PARTS = ("A", "V", "P", "O")
OPERATIONS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Example:
    """A block of pixels and the table after it.

    Attributes:
        masks: (predicted, amodal, visible, others) of each instance.
        draws: all predictions of each instance, the first being that of `masks`.
        records: its tags, as an index holds them.
        expected: by (protocol, number): the value, NaN for a dash, and how it comes about.
    """

    masks: list[tuple[Mask, Mask, Mask, Mask]]
    draws: list[list[Mask]]
    records: pd.DataFrame
    expected: dict[tuple[str, str], tuple[float, str]]


def tables(text: str) -> Iterator[list[list[str]]]:
    """Every table of a page as cells, its header first."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield [lines[0], *lines[2:]]


def examples(text: str, name: str) -> list[Example]:
    """The worked examples of the page of a protocol."""
    found = []
    for part in text.split("```pixels\n")[1:]:
        block, _, after = part.partition("```\n")
        masks, draws, records = instances(block)
        found.append(Example(masks, draws, records, expectations(next(tables(after)), name)))
    return found


def instances(block: str) -> tuple[list[tuple[Mask, Mask, Mask, Mask]], list[list[Mask]], pd.DataFrame]:
    """Instances, set apart by an empty line: their tags, if any, and then their masks."""
    masks, draws, records = [], [], []
    for number, group in enumerate(block.strip("\n").split("\n\n"), 1):
        lines = group.splitlines()
        tags = dict(tag.split("=") for tag in lines.pop(0).split()) if "=" in lines[0] else {}
        drawn = in_columns(lines[1:]) if tuple(lines[0].split()) == PARTS else in_lines(lines)
        ((amodal,), (visible,), predicted, (others,)) = (drawn[part] for part in PARTS)
        masks.append((predicted[0], amodal, visible, others))
        draws.append(predicted)
        records.append(record(tags, number))
    return masks, draws, pd.DataFrame(records)


def in_lines(lines: Sequence[str]) -> dict[str, list[Mask]]:
    """Masks of one row, a line each: its letter and its pixels; P comes once for each draw."""
    pairs = [line.split() for line in lines]
    assert tuple(dict.fromkeys(part for part, _ in pairs)) == PARTS
    return {part: [pixels([row]) for letter, row in pairs if letter == part] for part in PARTS}


def in_columns(lines: Sequence[str]) -> dict[str, list[Mask]]:
    """Masks of several rows, side by side in the order of `PARTS`."""
    columns = list(zip(*(line.split() for line in lines), strict=True))
    return {part: [pixels(rows)] for part, rows in zip(PARTS, columns, strict=True)}


def pixels(rows: Sequence[str]) -> Mask:
    assert {len(row) for row in rows} == {len(rows[0])} and set("".join(rows)) <= set("#.")
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def record(tags: dict[str, str], number: int) -> dict[str, object]:
    """Tags as an index holds them; an instance is alone in its image, and everything is prompted."""
    assert set(tags) <= {"image", "video", "object", "frame", "category", "crowd", "stuff"}
    alone = f"{tags['video']}/{tags['frame']}" if "video" in tags else str(number)
    return {
        "image_id": tags.get("image", alone),
        "video_id": tags.get("video", ""),
        "object_id": tags.get("object", "1"),
        "frame": int(tags.get("frame", 0)),
        "category": tags.get("category", "thing"),
        "crowd": tags.get("crowd") == "yes",
        "stuff": tags.get("stuff") == "yes",
        "hidden": False,
    }


def expectations(table: list[list[str]], name: str) -> dict[tuple[str, str], tuple[float, str]]:
    """Columns `value` and `how`, or a column of each protocol's name with its own `how` after it."""
    header, *lines = table
    assert header[0] == "number" and header[2::2] == ["how"] * (len(header) // 2), header
    found = {}
    for line in lines:
        for column in range(1, len(header), 2):
            protocol = name if header[column] == "value" else header[column].strip("`")
            value = math.nan if line[column] == "-" else float(line[column])
            found[protocol, line[0].strip("`")] = value, line[column + 1].strip("`")
    return found


def arithmetic(text: str) -> float:
    """The value of a sum, product or ratio of numbers."""

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATIONS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant) and isinstance(node.value, int | float), text
        return float(node.value)

    return value(ast.parse(text, mode="eval").body)
