"""What `fuzz.py` is made of: odd values, one reader for each kind of file, and the judge of what they answer."""

from fuzzing import annotations
from fuzzing.judge import Reader

READERS: dict[str, type[Reader]] = {kind.name: kind for kind in annotations.READERS}
"""Readers by name."""
