"""`python -m amodal_bench`, the same program as `amodal-bench`: from here on a signal has its line."""

import _signal  # type: ignore[import-not-found]  # what `signal` adds to it takes longer than all before it
import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

LINES = {
    getattr(_signal, name): line
    for name, line in (("SIGINT", "interrupted"), ("SIGTERM", "ended by SIGTERM"), ("SIGHUP", "ended by SIGHUP"))
    if hasattr(_signal, name)
}
"""What a signal is answered by where no work is under way: while the program is loaded, and after all is done."""


def leave(number: int, _: "FrameType | None") -> None:
    """End the process with a signal's line and status."""
    os.write(2, f"{LINES[number]}\n".encode())
    os._exit(128 + number)


leave.gives_way = True  # type: ignore[attr-defined]  # to `core.stops`, as the handler that Python begins with does


def ignore() -> None:
    """Heed no signal any more: all is done and told, and Python would let one end the process without its line."""
    for number in LINES:
        _signal.signal(number, _signal.SIG_IGN)


def start() -> None:
    """Run the program, and end the process."""
    atexit.register(ignore)  # as the first, so that it is called as the last
    for number in LINES:
        if _signal.getsignal(number) in (_signal.SIG_DFL, _signal.default_int_handler):  # `nohup` ignores SIGHUP
            _signal.signal(number, leave)
    from amodal_bench.cli.main import main

    main()


if __name__ == "__main__":
    # Python puts the working folder first; there a file of the user's would be imported instead of a library, or for
    # one that is not installed. It is looked into when a class of the user's is wanted, and not before.
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    start()
