"""Download what may be downloaded freely of a dataset, and print the steps for the rest.

A download that was cut off goes on where it was; a file that is whole is not fetched again. An archive that has been
unpacked may be deleted: the file NAME.unpacked beside it remembers that it was.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.answers import complain
from amodal_bench.cli.data.compose import root_of
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import config_dir, folder_option, name_in, overrides
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.core.progress import stage
from amodal_bench.core.shown import one_line
from amodal_bench.core.stops import keeping
from amodal_bench.datasets.card import Card, CardFile, load_card

DELETE = "delete it to fetch it again"


@verb(__doc__)
@name_in("dataset")
@folder_option(
    "--root",
    metavar="FOLDER",
    help="Where the dataset goes, as dataset.root=FOLDER says it; by default where dataset=NAME looks.",
)
@overrides("dataset.root=FOLDER: where the dataset goes")
@config_dir
def main(name: str, root: Path | None, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Fetch a dataset; returns 1 where a file could not be fetched."""
    if root is None or overrides:
        found = root_of(compose([f"dataset={name}", *overrides], config_dir).dataset)
        root = found if root is None else root
    card = load_card(name)
    _introduce(card)
    if root is None:
        print(f"\n{card.title} needs no files.")
        return 0
    failed = 0
    for file in card.files:
        try:
            with keeping("what has come is kept; give the same command again to continue"):
                _fetch(file, root)
        except BenchError as error:  # the others can still be had
            failed += 1
            complain(str(error))
    _steps(card, root)
    return 1 if failed else 0


def _introduce(card: Card) -> None:
    for name, text in (
        ("licence", card.licence),
        ("cite", card.paper),
        ("homepage", card.homepage),
        ("size", card.size),
    ):
        print(_wrapped(text, f"{name:9} "))


def _fetch(file: CardFile, root: Path) -> None:
    """Make one file be there, checked and unpacked."""
    from amodal_bench.cli.data.download import download
    from amodal_bench.cli.data.unpack import unpack

    path = file.place(root)
    done = path.with_name(f"{path.name}.unpacked")
    if file.unpack and done.exists():
        print(f"{path}: already unpacked")
        return
    if path.exists():
        digest = _complete(file, path)
        print(f"{path}: already complete")
    else:
        digest = download(file.url, path, file.bytes, file.sha256, file.most)
        print(f"{path}: {path.stat().st_size} bytes, sha256 {_judged(file, digest)}")
    if file.unpack:
        unpacked = unpack(path, path.parent, file.most)
        done.write_text(f"{digest}\n")
        for name in unpacked.left_out:
            print(f"{path}: left out {one_line(name)}, a link or a device")
        print(f"{path}: unpacked {unpacked.files} files into {path.parent}; it may be deleted")


def _judged(file: CardFile, digest: str) -> str:
    return "is right" if file.sha256 is not None else f"{digest} (the card has none to compare with)"


def _complete(file: CardFile, path: Path) -> str:
    """The SHA-256 of a file that is there. Raises `InputError` where it is another one; a user's file is kept."""
    from amodal_bench.core.digests import sha256

    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        raise InputError(path, f"is there, but has {size} bytes instead of {file.bytes}", DELETE)
    with stage(f"checking {path.name}"):
        digest = sha256(path)
    if file.sha256 is not None and digest != file.sha256:
        raise InputError(path, f"is there, but has sha256 {digest} instead of {file.sha256}", DELETE)
    return digest


def _steps(card: Card, root: Path) -> None:
    """What is left to do by hand, and how it should look afterwards."""
    if card.manual:
        print(
            f"\nBy hand, into {root}:"
            if card.files
            else f"\nNo part of it can be downloaded freely. By hand, into {root}:"
        )
    for number, step in enumerate(card.manual, start=1):
        print(_wrapped(step, f"{number}. "))
    print(f"\nExpected in {root}:\n{textwrap.indent(card.tree, '  ')}")
    print(f"\nThen: amodal-bench data check {card.name} dataset.root={root}")


def _wrapped(text: str, lead: str) -> str:
    """A paragraph of 100 columns that hangs under its lead; a word, a web address for one, is never cut."""
    return textwrap.fill(
        " ".join(text.split()),
        width=100,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
