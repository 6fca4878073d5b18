"""Code that comes from no file, as in a notebook: whatever it does otherwise, it is told otherwise."""

from __future__ import annotations

import pytest

from amodal_bench.core.bytecode import told

CELL = '''
"""A cell."""
LEVEL = 1
TABLE = {"a": (1, 2)}

def helper(mask, on=True, *, keep=1):
    return mask if on and keep and LEVEL and TABLE else None

def outer(scale):
    def inner(mask):
        return helper(mask) * scale
    return inner

class Base:
    share = 0.5

    def predict(self, masks):
        """Predict."""
        return [helper(mask) for mask in masks if self.share]

class Mine(Base):
    made = staticmethod(outer(2))
'''


def lines(source: str) -> list[str]:
    space: dict[str, object] = {"__name__": "a cell of a notebook"}
    exec(compile(source, "<cell>", "exec"), space)
    kinds = [space["Mine"], space["Base"]]
    assert all(isinstance(kind, type) for kind in kinds)
    return told(kind for kind in kinds if isinstance(kind, type))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("LEVEL = 1", "LEVEL = 0"),
        ("(1, 2)", "(1, 3)"),
        ("on=True", "on=False"),
        ("keep=1", "keep=0"),
        ("outer(2)", "outer(3)"),
        ("share = 0.5", "share = 0.0"),
        ("return mask if on", "return None if on"),
        ("helper(mask) for mask", "helper(None) for mask"),
    ],
)
def test_every_change_shows(was: str, becomes: str) -> None:
    assert CELL.count(was) == 1
    assert lines(CELL.replace(was, becomes)) != lines(CELL)


def test_comments_places_and_docstrings_do_not() -> None:
    other = CELL.replace('"""Predict."""', '"""Say what is hidden."""').replace(
        "LEVEL = 1", "# higher\n\n\nLEVEL = 1"
    )
    assert lines(other) == lines(CELL) == lines(CELL)
