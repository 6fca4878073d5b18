"""Masks on their way to the page: COCO's RLEs in files of some hundred instances, loaded when one is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from amodal_bench.core.files import is_regular, open_regular
from amodal_bench.report.page.scripts import literal, write_text

CHUNK = 500
"""Instances whose masks lie in one file."""

ANNOTATED, PREDICTED = "annotated", "predicted"
"""Kinds of files: V and A of each instance, made once of a dataset; and the prediction of every run."""

LONGEST_HEAD = 200


def pieces(count: int) -> Iterator[tuple[int, slice]]:
    """Numbers of the files that so many instances lie in, and which instances each of them has."""
    for number, start in enumerate(range(0, count, CHUNK)):
        yield number, slice(start, min(start + CHUNK, count))


def file_of(folder: Path, kind: str, number: int) -> Path:
    """Where the masks of one piece lie in the page's folder."""
    return folder / "masks" / f"{kind}_{number}.js"


def write_piece(folder: Path, kind: str, number: int, key: str, masks: Sequence[Sequence[str | None]]) -> None:
    """Write the masks of one piece: of each instance some RLEs in COCO's text form, None where there is none.

    `key` says what they were made of; `is_made` finds it again. Raises `OSError` where the file cannot be written.
    """
    file = file_of(folder, kind, number)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, f"{_head(kind, number, key)}{literal(masks)});\n")


def is_made(folder: Path, kind: str, number: int, key: str) -> bool:
    """Whether an earlier call has written the masks of one piece, of the same things."""
    file, head = file_of(folder, kind, number), _head(kind, number, key).encode("ascii")
    if not is_regular(file):
        return False
    with open_regular(file) as opened:
        return opened.read(LONGEST_HEAD).startswith(head)


def forget_others(folder: Path, count: int) -> None:
    """Delete what an earlier call has written of more instances than these."""
    for kind in (ANNOTATED, PREDICTED):
        kept = {file_of(folder, kind, number) for number, _ in pieces(count)}
        for file in set((folder / "masks").glob(f"{kind}_*.js")) - kept:
            file.unlink()


def _head(kind: str, number: int, key: str) -> str:
    return f"amodalPage.masks({literal(kind)},{number},{literal(key)},"
