"""What `fuzz.py` is made of: odd values, one reader for each kind of file, and the judge of what they answer."""

from fuzzing import annotations, archives, files, words
from fuzzing.judge import Reader

READERS: dict[str, type[Reader]] = {
    kind.name: kind for module in (annotations, files, archives, words) for kind in module.READERS
}
"""Readers by name."""
