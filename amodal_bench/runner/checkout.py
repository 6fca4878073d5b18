"""The commits of the package's own checkout and of the working folder's, as far as there are such."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

TIMEOUT = 5.0
"""Seconds that git has for an answer: a file system may hang."""

PACKAGE = Path(__file__).parents[1]


def checkouts(package: Path = PACKAGE, folder: Path | None = None) -> dict[str, Any]:
    """Commit and state of the code: `{"package": {"commit": ..., "changed": ...}, "folder": ...}`.

    Args:
        package: the package's folder; a checkout that does not track it, such as one with a virtual environment in
            it, is not the package's.
        folder: the working folder, this process's by default.

    Returns:
        None in place of a checkout where there is none, where git is missing, or where it gives no answer in time;
        and in place of the folder's where it is the package's.
    """
    own = _top(package) if _git(package, "ls-files", "--error-unmatch", "__init__.py") is not None else None
    working = _top(folder or Path.cwd())
    return {"package": _state(own), "folder": _state(working) if working != own else None}


def _state(top: str | None) -> dict[str, Any] | None:
    """The commit, and whether a tracked file has changed since; None where it has no commit."""
    if top is None or (commit := _git(Path(top), "rev-parse", "HEAD")) is None:
        return None
    status = _git(Path(top), "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "changed": None if status is None else bool(status)}


def _top(folder: Path) -> str | None:
    return _git(folder, "rev-parse", "--show-toplevel")


def _git(folder: Path, *words: str) -> str | None:
    """What git answers, without the line's end; None where it cannot be asked."""
    # A repository may name a program that watches its files: no run should start it.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env={**os.environ, **quiet},
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
