"""Components as a contract needs them: whatever a user's class raises while it is constructed becomes one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amodal_bench.config.build import TARGET, build
from amodal_bench.core.errors import BenchError, ConfigError
from amodal_bench.testing.clauses import FAILURES, described


def made(spec: Mapping[str, Any], where: str) -> Any:
    """Build what a specification describes.

    Raises:
        BenchError: it cannot be built, whatever its class raised.
    """
    try:
        return build(spec, where)
    except BenchError:
        raise
    except FAILURES as error:
        raise ConfigError(f"{where}: {spec.get(TARGET)} cannot be built: {described(error)}") from error
