"""Cards: what a user has to know of a dataset before it is on the disk, as `cards/NAME.yaml` states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from amodal_bench.core.errors import InputError, unbroken

FOLDER = Path(__file__).parent / "cards"
SCHEMES = ("https://",)
"""How addresses of files begin: what comes over http, anybody on the way may have changed."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Published:
    """How large a split is by a published count; None where no count is published."""

    split: str
    variant: str | None
    images: int | None
    instances: int | None
    source: str


@dataclass(frozen=True)
class CardFile:
    """A file that anybody may download.

    Attributes:
        url: https.
        path: where it goes, relative to the dataset's root; for an archive, its folder suffices.
        bytes, sha256: what it has to be; None where that is not known.
        unpack: whether it is an archive to unpack, into the folder that it lies in.
        most: bytes that it may have where `bytes` is not known, and that its members may have together.
    """

    url: str
    path: str
    bytes: int | None
    sha256: str | None
    unpack: bool
    most: int

    def place(self, root: Path) -> Path:
        """Where the file lies under a dataset's root."""
        if self.unpack and not self.path.lower().endswith(ARCHIVES):
            return root / self.path / PurePosixPath(self.url.partition("?")[0]).name
        return root / self.path


@dataclass(frozen=True)
class Card:
    """Facts about a dataset.

    Attributes:
        name: as in `dataset=NAME`.
        title, paper, homepage, licence, size: free text; `paper` is the citation.
        tree: the files expected under the root, several lines.
        published: counts to compare with.
        files: what may be downloaded freely.
        manual: steps for what needs a form or a permission.
        notes: traps a user should know.
    """

    name: str
    title: str
    paper: str
    homepage: str
    licence: str
    size: str
    tree: str
    published: tuple[Published, ...]
    files: tuple[CardFile, ...]
    manual: tuple[str, ...]
    notes: tuple[str, ...]


def card_names() -> list[str]:
    """Datasets that have a card, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_card(name: str) -> Card:
    """Read a dataset's card.

    Raises:
        InputError: there is none, or it is malformed; the message names the first key at fault.
    """
    file = FOLDER / f"{name}.yaml"
    if not file.is_file():
        raise InputError(file, "no such card", f"cards exist for {', '.join(card_names()) or 'no dataset'}")
    try:
        return _card(name, _read_yaml(file))
    except ValueError as error:
        raise InputError(file, str(error), "write it as the cards beside it") from error


def _read_yaml(file: Path) -> Any:
    from omegaconf import OmegaConf

    try:
        return OmegaConf.to_container(OmegaConf.load(file))
    except Exception as error:  # errors of the YAML library, of OmegaConf and of the file system
        raise ValueError(f"not valid YAML ({unbroken(error)})") from error


def _card(name: str, data: Any) -> Card:
    keys = [field.name for field in fields(Card) if field.name != "name"]
    entries = _mapping(data, keys, "")
    texts = {key: _text(entries[key], key) for key in ("title", "paper", "homepage", "licence", "size", "tree")}
    return Card(
        name=name,
        **texts,
        published=tuple(_published(x, f"published[{n}]") for n, x in enumerate(_items(entries, "published"))),
        files=tuple(_file(x, f"files[{n}]") for n, x in enumerate(_items(entries, "files"))),
        manual=tuple(_text(x, f"manual[{n}]") for n, x in enumerate(_items(entries, "manual"))),
        notes=tuple(_text(x, f"notes[{n}]") for n, x in enumerate(_items(entries, "notes"))),
    )


def _published(data: Any, where: str) -> Published:
    entry = _mapping(data, [field.name for field in fields(Published)], where)
    return Published(
        split=_text(entry["split"], f"{where}.split"),
        variant=None if entry["variant"] is None else _text(entry["variant"], f"{where}.variant"),
        images=_count(entry["images"], f"{where}.images"),
        instances=_count(entry["instances"], f"{where}.instances"),
        source=_text(entry["source"], f"{where}.source"),
    )


def _file(data: Any, where: str) -> CardFile:
    entry = _mapping(data, [field.name for field in fields(CardFile)], where)
    url, path = _text(entry["url"], f"{where}.url"), _text(entry["path"], f"{where}.path")
    if not url.startswith(SCHEMES):
        raise ValueError(f"{where}.url: {url!r} is not a web address that begins with {' or '.join(SCHEMES)}")
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{where}.path: {path!r} is not a path inside the dataset's root")
    if not isinstance(entry["unpack"], bool):
        raise ValueError(f"{where}.unpack: {entry['unpack']!r} is neither true nor false")
    size, most = _count(entry["bytes"], f"{where}.bytes"), _count(entry["most"], f"{where}.most")
    if most is None or most < (size or 0):
        raise ValueError(f"{where}.most: {most} must be a number of bytes, and not less than bytes")
    return CardFile(url, path, size, _digest(entry["sha256"], where), entry["unpack"], most)


def _mapping(data: Any, keys: list[str], where: str) -> Mapping[str, Any]:
    """`data` as a mapping that has exactly these keys."""
    if not isinstance(data, dict):
        raise ValueError(f"{where or 'the card'}: {data!r} is not a mapping")
    place = f"{where}." if where else ""
    for key in keys:
        if key not in data:
            raise ValueError(f"{place}{key} is missing")
    for key in data:
        if key not in keys:
            raise ValueError(f"{place}{key} is not a key of a card; the keys are {', '.join(keys)}")
    return data


def _items(entries: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(entries[key], list):
        raise ValueError(f"{key}: {entries[key]!r} is not a list")
    found: list[Any] = entries[key]
    return found


def _text(value: Any, where: str) -> str:
    """Text; a number is taken, too, since YAML reads a year as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        raise ValueError(f"{where}: {value!r} is not a text")
    return str(value).strip("\n").rstrip()


def _count(value: Any, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{where}: {value!r} is neither a count nor null")
    return value


def _digest(value: Any, where: str) -> str | None:
    if value is None:
        return None
    text = str(value).lower()
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{where}.sha256: {value!r} is neither 64 hex digits nor null")
    return text
