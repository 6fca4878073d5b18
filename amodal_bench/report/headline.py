"""What stands first in a record that holds several scores of one run: the numbers of most instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Number: TypeAlias = float | int | str | None


def headlined(known: Mapping[str, Number], found: Mapping[str, float | int | str]) -> tuple[dict[str, Number], str]:
    """The numbers that a record has after a score, and what the score's own names have behind the protocol's.

    A protocol's numbers replace all earlier ones under its name, where they are about the same instances or about
    more: what has no value now is None. Numbers of fewer instances, or of as many others, stand beside the earlier
    ones, under `instance@2-ids-DIGEST/miou`.

    Args:
        known: the record's numbers, such as `instance@2/miou`; of each protocol `ids`, their number and digest.
        found: the score's numbers, those of the command's own protocol first.

    Returns:
        All numbers, and `-ids-DIGEST` where those of the command's own protocol stand beside others, else "".
    """
    kept: dict[str, Number] = dict(known)
    behind: list[str] = []
    for key in dict.fromkeys(name.rpartition("/")[0] for name in found):
        ids = str(found.get(f"{key}/ids", ""))
        suffix = f"-ids-{ids.partition(':')[2]}" if is_less(ids, known.get(f"{key}/ids")) else ""
        behind.append(suffix)
        now = {f"{key}{suffix}/{name.rpartition('/')[2]}": n for name, n in found.items() if _is_of(name, key)}
        kept |= dict.fromkeys(name for name in known if _is_of(name, f"{key}{suffix}"))
        kept |= now
    return kept, behind[0] if behind else ""


def is_less(ids: str, known: object) -> bool:
    """Whether a selection such as `3:a976f7706624` is another one than the known one, and has no more instances."""
    return bool(known) and str(known) != ids and _count(ids) <= _count(str(known))


def _is_of(name: str, key: str) -> bool:
    return name.rpartition("/")[0] == key


def _count(ids: str) -> int:
    count = ids.partition(":")[0]
    return int(count) if count.isdecimal() else 0
