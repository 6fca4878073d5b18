"""Write the part of datasets/README.md that tells of each dataset, from the cards.

The text between the two markers of the file is replaced. With --check nothing is written: the exit status is 1 where
the file is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import file_option
from amodal_bench.core.errors import InputError
from amodal_bench.core.shown import one_line
from amodal_bench.datasets.card import Card, card_names, load_card

BEGIN, END = "<!-- cards: written by amodal-bench data readme -->", "<!-- end of cards -->"


@verb(__doc__)
@file_option("--file", default="datasets/README.md", help="datasets/README.md by default.")
@click.option("--check", is_flag=True, help="Only say whether the file is up to date.")
def main(file: Path, check: bool) -> int:
    """Write the file, or check it; returns 1 where it is not up to date."""
    try:
        old = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(file, "cannot be read", "run this from the repository's root") from error
    new = updated(old, file)
    if check:
        print(f"{file} {'is up to date' if new == old else 'is not what the cards say'}")
        return int(new != old)
    file.write_text(new, encoding="utf-8")
    print(f"wrote {file}", file=sys.stderr)
    return 0


def updated(text: str, file: Path) -> str:
    """The file's text with the part between its markers made anew. Raises `InputError` where it has no markers."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InputError(file, "its markers are missing", f"put the lines {BEGIN} and {END} where the cards belong")
    return f"{head}{BEGIN}\n\n{rendered()}\n\n{END}{tail}"


def rendered() -> str:
    """All cards: a table to find one, then a section each."""
    cards = [load_card(name) for name in card_names()]
    table = ["| dataset | command | fetched by `data fetch` | by hand |", "|---|---|---|---|"]
    for card in cards:
        fetched = f"{len(card.files)} files" if len(card.files) != 1 else "1 file"
        by_hand = f"{len(card.manual)} steps" if len(card.manual) != 1 else "1 step"
        cells = [
            card.title,
            f"`dataset={card.name}`",
            fetched if card.files else "-",
            by_hand if card.manual else "-",
        ]
        table.append(f"| {' | '.join(cells)} |")
    return "\n\n".join(["\n".join(table), *map(_section, cards)])


def _section(card: Card) -> str:
    facts = {"Paper": card.paper, "Homepage": card.homepage, "Licence": card.licence, "Size": card.size}
    parts = [f"## {card.title}: `dataset={card.name}`"]
    parts.append("\n".join(f"- {name}: {_line(text)}" for name, text in facts.items()))
    if "\n" in card.tree or card.files or card.manual:
        parts.append(f"```text\n{card.tree}\n```")
    if card.published:
        parts.append(_published(card))
    if card.files:
        parts.append(f"`amodal-bench data fetch {card.name}` downloads:")
        parts.append("\n".join(_file(card, number) for number in range(len(card.files))))
    if card.manual:
        parts.append("By hand:")
        parts.append("\n".join(f"{number}. {_line(step)}" for number, step in enumerate(card.manual, start=1)))
    root = " dataset.root=FOLDER" if card.files or card.manual else ""
    parts.append(f"Check it: `amodal-bench data check {card.name}{root}`")
    if card.notes:
        parts.append("Good to know:")
        parts.append("\n".join(f"- {_line(note)}" for note in card.notes))
    return "\n\n".join(parts)


def _published(card: Card) -> str:
    lines = ["| split | variant | images | instances | source |", "|---|---|---|---|---|"]
    for entry in card.published:
        values = (entry.split, entry.variant, entry.images, entry.instances, _line(entry.source))
        lines.append(f"| {' | '.join('-' if value is None else str(value) for value in values)} |")
    return "\n".join(lines)


def _file(card: Card, number: int) -> str:
    file = card.files[number]
    place = file.place(Path()).as_posix()
    size = f", {file.bytes} bytes" if file.bytes is not None else ""
    digest = f", sha256 `{file.sha256}`" if file.sha256 is not None else ""
    return f"- `{place}` from <{file.url}>{size}{digest}{', unpacked there' if file.unpack else ''}"


def _line(text: str) -> str:
    """Text on one line, as lists and tables need it."""
    return one_line(text).replace("|", "\\|")
