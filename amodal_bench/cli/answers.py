"""What becomes of errors: one line on the terminal and an exit status, the same for runs and verbs."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from amodal_bench.core import stops
from amodal_bench.core.disk import in_the_place_of, refusal
from amodal_bench.core.errors import BenchError, UsageError, shortened, unbroken
from amodal_bench.core.progress import asked
from amodal_bench.core.shown import shown

DONE, FAILED, USAGE = 0, 1, 2
"""Exit statuses: all is well, something went wrong, the command line is wrong. Signals have `stops.STATUS`."""


def traceback_wanted() -> bool:
    """Whether the user wants to see tracebacks, as HYDRA_FULL_ERROR=1 says."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def answered(work: Callable[[], int], kept: str = "", config_dirs: Sequence[Path] = ()) -> int:
    """Do a command's work; returns its exit status, and where it fails says why in one line.

    Args:
        work: returns an exit status.
        kept: what of the work is kept where the user stops it, for its line.
        config_dirs: folders with configurations of the user's, whose choices are named beside the harness's.

    Raises:
        Exception: what nobody expected; and every error where the user wants tracebacks.
    """
    try:
        with asked():
            status = work()
        sys.stdout.flush()
        return status
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        complain(_sentence(error))
        return USAGE
    except (KeyboardInterrupt, click.Abort) as error:
        print(stops.told(error, kept), file=sys.stderr, flush=True)
        return stops.status_of(error)
    except SystemExit as error:  # of the code of a component: the program itself ends otherwise
        if traceback_wanted():
            raise
        complain(f"the code of a component called sys.exit({error.code!r}); let it raise an error instead")
        return FAILED
    except Exception as error:
        error = disk_error(error) or error
        if traceback_wanted() or not is_expected(error):
            raise
        from amodal_bench.config.mistakes import explain

        complain(explain(error, config_dirs))
        return status_of(error)


def is_expected(error: BaseException) -> bool:
    """Whether an error is one that a user can mend: the harness's own, or Hydra's or OmegaConf's of a setting."""
    if isinstance(error, BenchError):
        return True
    if "hydra" not in sys.modules:
        return False
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, (HydraException, OmegaConfBaseException))


def disk_error(error: Exception) -> BenchError | None:
    """What to say of a disk that refuses, or of a file that somebody has closed; None of any other error."""
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.EBADF:
        return BenchError("the code of a component closed a file that is in use; let it close its own files alone")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP) and error.filename is not None:
        return in_the_place_of(Path(os.fsdecode(error.filename2 or error.filename)), error)
    return refusal(Path("the disk"), error, again="then give the command again")


def status_of(error: BaseException) -> int:
    """The exit status of an expected error: settings and words that are wrong are the command line's fault."""
    return FAILED if isinstance(error, BenchError) and not isinstance(error, UsageError) else USAGE


def complain(text: str) -> None:
    """Print the one line that a user sees of an error."""
    print(f"error: {shown(shortened(text))}", file=sys.stderr, flush=True)


def _sentence(error: click.ClickException) -> str:
    """What the parser says, in the form of all other messages."""
    text = unbroken(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return text
    return f"{text}{' See' if text.endswith('?') else '; see'} {context.command_path} --help"
