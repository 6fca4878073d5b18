"""Docstrings: what ruff's rules do not see. A first line is read alone, in a hover or a list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("amodal_bench", "benchmarks", "scripts", "tests")
FILES = sorted(file for room in ROOMS for file in (REPOSITORY / room).rglob("*.py"))
FRAGMENT = re.compile(r"(Of|As|The same)\b")
ENDS = (".", "?", "!", ":")


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that stands alone, those below constants and attributes included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def fragments(source: str) -> list[str]:
    """First lines that cannot be read alone, with their line numbers."""
    first = [(line, text.lstrip().splitlines()[0].rstrip()) for line, text in docstrings(ast.parse(source))]
    return [f"{line}: {text}" for line, text in first if FRAGMENT.match(text) or not text.endswith(ENDS)]


def methods(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every public method of a public class, with the class's name."""
    for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name[0] != "_"):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.name[0] != "_":
                yield owner.name, node


@pytest.mark.slow
def test_a_first_line_is_a_sentence_that_can_be_read_alone() -> None:
    found = [
        f"{file.relative_to(REPOSITORY)}:{line}" for file in FILES for line in fragments(file.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["Of the networks.", "As `place`.", "The same as an RLE.", "A line that goes\n    on."]
)
def test_a_fragment_is_found(text: str) -> None:
    assert len(fragments(f'WIDTH = 8\n"""{text}"""')) == len(fragments(f'def f():\n    """{text}"""')) == 1
    assert fragments('def f():\n    """Assert that it is offered.\n\n    As here.\n    """') == []


@pytest.mark.slow
def test_a_method_without_a_docstring_has_one_where_it_is_declared() -> None:
    """Ruff cannot see that a method is an interface's; this sees it by the name."""
    found = [pair for file in FILES if file.is_relative_to(REPOSITORY / "amodal_bench")
             for pair in methods(ast.parse(file.read_text("utf-8")))]  # fmt: skip
    documented = {node.name for _, node in found if ast.get_docstring(node)}
    assert [f"{owner}.{node.name}" for owner, node in found if node.name not in documented] == []
