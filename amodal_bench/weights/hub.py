"""The hub of published weights: its cache on this machine, downloads, and what it says when it refuses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import InputError, first_line
from amodal_bench.core.files import read_text
from amodal_bench.weights.catalogue import catalogue

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


def download(hub_id: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """Bring the files that match into the hub's cache, with a progress bar; goes on where it was cut off.

    Returns:
        The snapshot's folder.

    Raises:
        InputError: the hub or the way to it refuses; one line with what to do.
    """
    from huggingface_hub import snapshot_download

    try:
        found: Any = snapshot_download(hub_id, revision=revision, allow_patterns=list(patterns))
    except Exception as error:  # of the hub's client, of the HTTP library below it, or of the disk
        raise refusal(hub_id, revision, error) from error
    return Path(found)


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
