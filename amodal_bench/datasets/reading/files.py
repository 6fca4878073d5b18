"""Reading what users downloaded: every failure is one `InputError` that names the file and the way out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image as pillow

from amodal_bench.core.bombs import DAMAGED, require_plausible
from amodal_bench.core.digests import files_digest
from amodal_bench.core.errors import ConfigError, InputError, unreadable
from amodal_bench.core.files import open_regular, read_bytes, require_regular
from amodal_bench.core.foreign import LOOKED_AT, Foreign, foreign
from amodal_bench.core.rgb import OfUnknownRange, rgb
from amodal_bench.core.types import Image

COPY_AGAIN = "download or copy it again"
MOST = 32 << 30
"""Bytes of an annotation file, which is held in memory twice: the largest published, SAIL-VOS', have several GB."""

END = 8
"""Zeros at the end of a file that show that its room was made before it was written; UTF-16 ends in fewer."""

MEND = "download the annotation file again, or delete this record from it"
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)
"""EXIF's tag of how a picture is shown, and its values that exchange height and width."""

Taken = TypeVar("Taken")


def annotation_digest(path: Path) -> str:
    """`files_digest` of an annotation file. Raises `InputError` also for one that is too large to be one."""
    require_size_of_annotations(path)
    return files_digest([path])


def require_size_of_annotations(path: Path | str) -> None:
    """Raise `InputError` where a file has more than `MOST` bytes or its end is a hole, before it is read whole."""
    try:
        size = Path(path).stat().st_size
        end = _end(path, size)
    except OSError:
        return  # reading it says so
    if size > MOST:
        problem = f"it has {size / (1 << 30):,.0f} GiB, and an annotation file may have {MOST >> 30}"
        raise InputError(path, problem, "check that it is the right file, or split it")
    if len(end) == END and not any(end) and instead_of(path) is None:  # a packed file may end so
        raise InputError(path, "it is not whole: its end is filled with zeros", COPY_AGAIN)


def _end(path: Path | str, size: int) -> bytes:
    """The last bytes of a file. Raises `OSError` where it cannot be opened, or is none."""
    with open_regular(path) as file:
        file.seek(max(size - END, 0))
        return file.read(END)


def read_json(path: Path | str, each_key_once: bool = False) -> Any:
    """Parse a JSON file.

    Args:
        path: the file.
        each_key_once: refuse an object that has a key twice, of which each parser takes another one.

    Raises:
        InputError: the file is missing, or is not valid JSON (with the line and column of the first fault).
    """
    require_size_of_annotations(path)
    try:
        raw = read_bytes(path)
    except OSError as error:
        raise unreadable(path, error) from error
    require_own(path, raw, foreign(raw))
    try:
        return json.loads(raw, object_pairs_hook=_once if each_key_once else None)  # in UTF-16, too
    except _Twice as error:
        raise InputError(path, f"an object in it has the key {error} twice", "leave one of them out") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(path, f"not valid JSON, or cut short ({where}: {error.msg})", COPY_AGAIN) from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"not a text file (byte {error.start} is not UTF-8)", COPY_AGAIN) from error
    except RecursionError as error:
        raise InputError(path, "not valid JSON (nested too deeply)", COPY_AGAIN) from error
    except ValueError as error:  # Python parses no whole number of more than 4300 digits
        raise InputError(path, "not valid JSON (a number has too many digits)", COPY_AGAIN) from error


class _Twice(ValueError):
    """An object has a key twice; its text is the key."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises `_Twice` where a key stands in it twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(json.dumps(next(key for key in keys if keys.count(key) > 1))[:100])
    return found


def require_own(path: Path | str, head: bytes, found: Foreign | None, kind: str = "JSON") -> None:
    """Raise `InputError` where JSON is empty, or a file is `found` to be another one in the place of its kind."""
    if not head and kind == "JSON":
        raise InputError(path, "not valid JSON, or cut short (it is empty)", COPY_AGAIN)
    if found:
        raise InputError(path, f"not {kind}: it is {found.what}", found.remedy)


def instead_of(path: Path | str) -> Foreign | None:
    """What a file that cannot be read as a picture or a video is instead; None where that cannot be told."""
    try:
        with open_regular(path) as file:
            return foreign(file.read(LOOKED_AT))
    except OSError:
        return None


def read_image(path: Path | str) -> Image:
    """Read a picture of any mode Pillow knows as RGB, see `core.rgb`.

    EXIF orientation is not applied: COCO's annotations are drawn on the pixels as they are stored.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: the file is missing, is no picture, is cut short, or has pixels of unknown range.
    """
    return read_pixels(path, rgb)


def read_pixels(path: Path | str, take: Callable[[pillow.Image], Taken]) -> Taken:
    """What `take` makes of an opened picture; raises what `read_image` does."""
    try:
        require_regular(path)
        with pillow.open(path) as picture:
            require_plausible(picture, path)
            return take(picture)
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    except OfUnknownRange as error:
        raise InputError(path, str(error), "save it with 8 or 16 bits") from error
    except DAMAGED as error:
        if found := instead_of(path):
            raise InputError(path, f"no picture: it is {found.what}", found.remedy) from error
        reason = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be read as a picture ({reason})", COPY_AGAIN) from error


def _is_turned(path: Path) -> bool:
    """Whether a picture's EXIF tag exchanges its height and width."""
    try:
        return read_pixels(path, lambda picture: picture.getexif().get(ORIENTATION) in TURNED)
    except InputError:
        return False


def require_size(path: Path, image: Image, stated: tuple[Any, Any], remedy: str, record: str | None = None) -> None:
    """Raise `InputError` unless a picture has the height and width that the annotations state."""
    if stated == image.shape[:2]:
        return
    sizes = "picture is {}x{} but the annotations say {}x{} (height x width)".format(*image.shape[:2], *stated)
    if stated == image.shape[1::-1] and _is_turned(path):
        sizes, remedy = f"{sizes}, as its EXIF tag turns it", "save it upright, without the tag"
    raise InputError(path, sizes, remedy, record)


def require_split(title: str, split: str, known: Sequence[str]) -> None:
    """Raise `ConfigError` unless a dataset has this split."""
    if split not in known:
        raise ConfigError(f"dataset.split: {title} has no split {split!r}; it has {', '.join(known)}")


def require_root(name: str, title: str, root: Path) -> None:
    """Raise `InputError` unless a dataset's folder exists; its remedy names the verb that helps."""
    if not root.is_dir():
        remedy = f"`amodal-bench data fetch {name}` gets it or tells how to; or set dataset.root to where it is"
        raise InputError(root, f"the folder of {title} does not exist", remedy)


def require_files(
    name: str, title: str, root: Path | None, file: tuple[Path, str, str], folder: tuple[Path, str, str]
) -> None:
    """Raise `InputError` unless the files are where they should be.

    Args:
        name: the dataset's, as in `dataset=NAME`.
        title: the dataset's, for people.
        root: its folder, None where nothing is looked for in it.
        file: the annotation file, what to say where it is missing, and the remedy.
        folder: the same of the pictures' folder.
    """
    if root is not None:
        require_root(name, title, root)
    if not file[0].is_file():
        raise InputError(*file)
    if not folder[0].is_dir():
        raise InputError(*folder)
