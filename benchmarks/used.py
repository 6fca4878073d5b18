"""What a process has used, those that it has split off included."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """Give the CPU seconds of this process, and of those that it has split off and that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
