"""Families in small with random weights, made when they are asked for: `random://FAMILY` where weights are named.

They show that a set-up runs, on any machine and in seconds. Their folders are marked, so that tables name the results
for what they are.
"""

from __future__ import annotations

import hashlib
import importlib
from functools import partial
from pathlib import Path

from amodal_bench.core.cache import CACHE_VARIABLE, cache_folder
from amodal_bench.core.errors import InputError, one_line
from amodal_bench.core.files import fill_folder
from amodal_bench.weights import small

RANDOM = "random://"
RANDOM_MARK = "RANDOM_WEIGHTS"
"""A file of this name in a folder says that its weights are random numbers, and so are results with them."""

_MARK = "Random numbers, made by amodal-bench. Results with them mean nothing.\n"


def families() -> list[str]:
    """The families that can be had; each has a module that makes it."""
    return sorted(file.stem for file in Path(small.__path__[0]).glob("[!_]*.py"))


def save(family: str, folder: Path) -> None:
    """Make a family's weights in an empty folder, and mark it.

    Raises:
        OSError: the folder cannot be written.
    """
    # The mark comes first, so that a folder that is cut short has it, too.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RANDOM_MARK).write_text(_MARK, encoding="utf-8")
    _quiet()
    importlib.import_module(f"{small.__name__}.{family}").save(folder)


def place(spec: str) -> Path | None:
    """The folder of `random://FAMILY`, or of `random://FAMILY/PART` of it, made or not; None for an unknown one."""
    family, _, part = spec.removeprefix(RANDOM).partition("/")
    if family not in families():
        return None
    return _kept(family) / part


def made(spec: str) -> Path | None:
    """Save the weights that a spec names, unless they are there, and return their folder (see `place`).

    None where the family has no such part.

    Raises:
        InputError: there is no such family, or it cannot be written.
    """
    family = spec.removeprefix(RANDOM).partition("/")[0]
    folder = place(spec)
    if folder is None:
        raise InputError(spec, f"there is no family {family!r}", f"valid: {', '.join(families())}")
    if folder.is_dir():
        return folder
    kept = _kept(family)
    try:
        fill_folder(kept, partial(save, family))
    except ImportError as error:
        raise lacking_library(spec, error) from error
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = f"set {CACHE_VARIABLE} to a folder that can be written"
        raise InputError(kept, f"random weights cannot be written there ({reason})", remedy) from error
    return folder if folder.is_dir() else None


def lacking_library(what: Path | str, error: ImportError) -> InputError:
    """What to say where a library that makes a family's networks cannot be imported."""
    library = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and library:
        problem, remedy = (
            f"needs {library}, which is not installed",
            f"install {library}, such as `pip install {library}`",
        )
    else:
        problem, remedy = f"needs a library that cannot be imported ({one_line(error)})", "update that library"
    return InputError(what, problem, remedy)


def _kept(family: str) -> Path:
    """Where a family is kept; one that is made otherwise is another one."""
    modules = sorted(Path(small.__path__[0]).glob("*.py"))
    digest = hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()[:12]
    return cache_folder() / "random" / f"{family}-{digest}"


def _quiet() -> None:
    """Keep the libraries' bars and advice off the terminal: nothing here takes long."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for logging in (of_diffusers, of_transformers):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
