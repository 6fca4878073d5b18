"""Reading what users downloaded: every failure is one `InputError` that names the file and the way out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow

from amodal_bench.core.bombs import require_plausible
from amodal_bench.core.errors import ConfigError, InputError, unreadable
from amodal_bench.core.files import read_bytes, require_regular
from amodal_bench.core.types import Image

COPY_AGAIN = "download or copy it again"
MEND = "download the annotation file again, or delete this record from it"


def read_json(path: Path | str) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing, or is not valid JSON (with the line and column of the first fault).
    """
    try:
        return json.loads(read_bytes(path))
    except OSError as error:
        raise unreadable(path, error) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(path, f"not valid JSON, or cut short ({where}: {error.msg})", COPY_AGAIN) from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"not a text file (byte {error.start} is not UTF-8)", COPY_AGAIN) from error
    except RecursionError as error:
        raise InputError(path, "not valid JSON (nested too deeply)", COPY_AGAIN) from error
    except ValueError as error:  # Python parses no whole number of more than 4300 digits
        raise InputError(path, "not valid JSON (a number has too many digits)", COPY_AGAIN) from error


def read_image(path: Path | str) -> Image:
    """Read a picture of any mode Pillow knows as RGB.

    EXIF orientation is not applied: COCO's annotations are drawn on the pixels as they are stored.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: the file is missing, is no picture, or is cut short.
    """
    try:
        require_regular(path)
        with pillow.open(path) as picture:
            require_plausible(picture, path)
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    # Pillow tells of a damaged file by any of these, depending on the format.
    except (OSError, SyntaxError, ValueError, MemoryError, pillow.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be read as a picture ({reason})", COPY_AGAIN) from error


def require_size(path: Path, image: Image, stated: tuple[Any, Any], remedy: str, record: str | None = None) -> None:
    """Raise `InputError` unless a picture has the height and width that the annotations state."""
    if stated != image.shape[:2]:
        sizes = "picture is {}x{} but the annotations say {}x{}".format(*image.shape[:2], *stated)
        raise InputError(path, f"{sizes} (height x width)", remedy, record)


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
