"""Source text as it is parsed: comments, layout and docstrings change nothing."""

from __future__ import annotations

import ast

PARSING = 1
"""Raised where the same text would give another tree."""


def parsed(source: str) -> str:
    """The syntax tree of a source text without its docstrings. Raises `SyntaxError`."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [part for part in node.body if not _is_text(part)]
            node.body = body or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
