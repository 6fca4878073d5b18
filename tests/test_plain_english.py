"""What users are told, in messages and on pages: plain English, and the page about messages knows them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, prose

SOURCE = sorted((ROOT / "amodal_bench").rglob("*.py"))


def literals() -> str:
    """Every string of the package, one on a line, with `…` for what is filled in; docstrings are left out."""
    found: list[str] = []
    for path in SOURCE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | inside):
                found.append(node.value)
    return re.sub(r"%[ds]", "…", "\n".join(found))


@pytest.mark.slow
def test_messages_of_the_troubleshooting_page_are_those_of_the_source() -> None:
    said = literals()
    cells = re.findall(r"^\| (`.*?`) \| ", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    assert len(messages) > 80
    lost = [
        (message, part)
        for message in messages
        for part in (part.strip(" ;:,()") for part in message.split("…"))
        if len(part) > 3 and part not in said
    ]
    assert not lost


RIDDLES = {
    r"(?<!there )\b(is|are) no (?!longer|more|less|such)[a-z]+": "is not a",
    r"\bfrom 0 on\b": ">= 0",
    r"is not a positive number": "must be >= 1",
    r"\banew\b": "again",
    r"\bsuffices?\b": "is enough",
    r"\bmend\b": "correct, make writable",
    r"\bbears?\b": "has",
    r"\bat hand\b": "on this machine, available",
    r"\bin small\b": "a small version",
    r"\bcomparators?\b": "baseline",
}
"""Turns of phrase that a reader has to translate, and what to write."""


@pytest.mark.slow
def test_messages_are_plain_english() -> None:
    said = literals()
    assert not [
        f"{found[0]!r}: write {plain!r}" for riddle, plain in RIDDLES.items() for found in re.finditer(riddle, said)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_plain_english(page: Path) -> None:
    text = re.sub(r'"[^"\n]*"', "", prose(page))  # what is quoted may be an example of what not to write
    assert not [
        f"{found[0]!r}: write {plain!r}" for riddle, plain in RIDDLES.items() for found in re.finditer(riddle, text)
    ]
