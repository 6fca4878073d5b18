"""The hub of published weights: its cache on this machine, downloads, and what it says when it refuses."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import InputError, first_line
from amodal_bench.core.files import read_text
from amodal_bench.core.progress import Progress
from amodal_bench.core.window import can_redraw
from amodal_bench.weights.catalogue import catalogue

LOOK = 2.0
"""Seconds between two looks at the size of the cache."""

LOG_IN = "run `hf auth login` with a token of that account that may read gated repositories, or set HF_TOKEN to it"


def cache_of(hub_id: str) -> Path:
    """The folder of a repository in the hub's cache, whether it is there or not."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser() / f"models--{hub_id.replace('/', '--')}"


def cached(hub_id: str, revision: str | None) -> Path | None:
    """The snapshot of a branch, tag or commit in the hub's cache, complete or not; asks nobody."""
    repository = cache_of(hub_id)
    revision = revision or "main"
    reference = repository / "refs" / revision
    commit = read_text(reference).strip() if reference.is_file() else revision
    folder = repository / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


def download(hub_id: str, revision: str | None, patterns: Sequence[str], lacking: int | None = None) -> Path:
    """Bring the files that match into the hub's cache, and show how far it is; goes on where it was cut off.

    Args:
        hub_id: of the repository.
        revision: a branch, tag or commit; the main branch where it is None.
        patterns: of the names of files.
        lacking: bytes that are not here yet; None where nobody knows.

    Returns:
        The snapshot's folder.

    Raises:
        InputError: the hub or the way to it refuses; one line with what to do.
    """
    from huggingface_hub import snapshot_download

    try:
        with _told(hub_id, lacking):
            found: Any = snapshot_download(hub_id, revision=revision, allow_patterns=list(patterns))
    except Exception as error:  # of the hub's client, of the HTTP library below it, or of the disk
        raise refusal(hub_id, revision, error) from error
    return Path(found)


@contextmanager
def _told(hub_id: str, lacking: int | None) -> Iterator[None]:
    """Tell a log what has come, by the size of the cache; on a terminal the hub's client has bars of its own."""
    if can_redraw(sys.stderr):
        yield
        return
    before, end = _size(hub_id), threading.Event()

    def look(progress: Progress) -> None:
        while not end.wait(LOOK):
            progress.advance(max(0, _size(hub_id) - before - progress.done))

    with Progress(f"downloading {hub_id}", lacking, "B") as progress:
        watch = threading.Thread(target=look, args=(progress,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            end.set()
            watch.join()


def _size(hub_id: str) -> int:
    """Bytes of what has come of a repository, of files that are not whole, too."""
    with suppress(OSError):  # a file gets its own name meanwhile
        return sum(file.stat().st_size for file in (cache_of(hub_id) / "blobs").glob("*"))
    return 0


@dataclass(frozen=True)
class Listing:
    """What the hub says of a repository.

    Attributes:
        commit: that the revision stands for.
        gated: whether conditions have to be accepted.
        sizes: bytes of each file.
    """

    commit: str
    gated: bool
    sizes: Mapping[str, int]


def listing(hub_id: str, revision: str | None, patterns: Sequence[str]) -> Listing:
    """Ask the hub for the files that match. Raises `InputError` as `download` does."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(hub_id, revision=revision, files_metadata=True)
    except Exception as error:  # see `download`
        raise refusal(hub_id, revision, error) from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    wanted = sorted(name for name in sizes if any(fnmatchcase(name, pattern) for pattern in patterns))
    return Listing(str(info.sha), bool(info.gated), {name: sizes[name] for name in wanted})


def refusal(hub_id: str, revision: str | None, error: Exception) -> InputError:
    """What a failed download means, and what to do about it."""
    # Names, not classes: these are the same in all versions of the library, their modules are not.
    kinds = [kind.__name__ for kind in type(error).__mro__]
    known = catalogue().get(hub_id)
    if "GatedRepoError" in kinds:
        licence = f" ({known.licence})" if known else ""
        page = f"accept its licence{licence} on {page_of(hub_id)} with your account, then {LOG_IN}"
        return InputError(hub_id, "it is gated, and this account has no access to it", page)
    if "RevisionNotFoundError" in kinds:
        return InputError(hub_id, f"the hub has no revision {revision} of it", "correct model.backbone.revision")
    if "RepositoryNotFoundError" in kinds:
        remedy = f"correct the id; if it is private, {LOG_IN}"
        return InputError(hub_id, "the hub has no such repository, or this account may not see it", remedy)
    again = "give the same command again"
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if "OfflineModeIsEnabled" in {kind.__name__ for kind in type(cause).__mro__}:
        return InputError(hub_id, "cannot be downloaded in offline mode", "unset HF_HUB_OFFLINE")
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return InputError(
            hub_id,
            f"cannot be written to {cache_of(hub_id)} ({error.strerror})",
            f"make the folder writable or free space in it, then {again}",
        )
    return InputError(hub_id, f"cannot be downloaded ({first_line(cause)})", f"check the connection, then {again}")


def page_of(hub_id: str) -> str:
    """Where a person reads about a repository and accepts its conditions."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{hub_id}"


def room() -> int:
    """Free bytes where the hub's cache is, or will be."""
    place = cache_of("any/model").parent
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(os.fspath(place)).free
