"""A benchmark harness for amodal segmentation.

The names below are imported when they are first used, so `import amodal_bench` itself costs nothing. Their page is
`docs/python-api.md`.
"""

from amodal_bench.core.version import __version__ as __version__

TYPE_CHECKING = False  # checkers take it for true; `typing` alone takes longer to import than all of this
if TYPE_CHECKING:
    from amodal_bench.api.evaluate import evaluate as evaluate
    from amodal_bench.api.load import load_dataset as load_dataset
    from amodal_bench.api.load import load_model as load_model
    from amodal_bench.api.load import load_protocol as load_protocol
    from amodal_bench.api.runs import Run as Run
    from amodal_bench.api.runs import open_run as open_run
    from amodal_bench.api.score import Tables as Tables
    from amodal_bench.api.score import score as score
    from amodal_bench.backbones.base import Backbone as Backbone
    from amodal_bench.backbones.base import Schedule as Schedule
    from amodal_bench.core.errors import BenchError as BenchError
    from amodal_bench.core.errors import ConfigError as ConfigError
    from amodal_bench.core.errors import InputError as InputError
    from amodal_bench.core.errors import PredictionError as PredictionError
    from amodal_bench.core.errors import UsageError as UsageError
    from amodal_bench.core.stages import StageCost as StageCost
    from amodal_bench.datasets.base import RECORD_COLUMNS as RECORD_COLUMNS
    from amodal_bench.datasets.base import Dataset as Dataset
    from amodal_bench.datasets.base import Problem as Problem
    from amodal_bench.datasets.base import Query as Query
    from amodal_bench.datasets.base import Sample as Sample
    from amodal_bench.method.leakage import Leakage as Leakage
    from amodal_bench.metrics.protocols import Filter as Filter
    from amodal_bench.metrics.protocols import ScoringProtocol as ScoringProtocol
    from amodal_bench.models.base import Completes as Completes
    from amodal_bench.models.base import Completion as Completion
    from amodal_bench.models.base import Explains as Explains
    from amodal_bench.models.base import Finite as Finite
    from amodal_bench.models.base import Model as Model
    from amodal_bench.models.base import Step as Step
    from amodal_bench.models.base import Stepwise as Stepwise
    from amodal_bench.models.base import Timed as Timed
    from amodal_bench.report.outcome import Logger as Logger
    from amodal_bench.report.outcome import Outcome as Outcome
    from amodal_bench.report.outcome import RunInfo as RunInfo
    from amodal_bench.segmenters.base import Prompt as Prompt
    from amodal_bench.segmenters.base import Segmenter as Segmenter

_MODULES = {
    "api.evaluate": ("evaluate",),
    "api.load": ("load_dataset", "load_model", "load_protocol"),
    "api.runs": ("Run", "open_run"),
    "api.score": ("Tables", "score"),
    "backbones.base": ("Backbone", "Schedule"),
    "core.errors": ("BenchError", "ConfigError", "InputError", "PredictionError", "UsageError"),
    "core.stages": ("StageCost",),
    "datasets.base": ("RECORD_COLUMNS", "Dataset", "Problem", "Query", "Sample"),
    "method.leakage": ("Leakage",),
    "metrics.protocols": ("Filter", "ScoringProtocol"),
    "models.base": ("Completes", "Completion", "Explains", "Finite", "Model", "Step", "Stepwise", "Timed"),
    "report.outcome": ("Logger", "Outcome", "RunInfo"),
    "segmenters.base": ("Prompt", "Segmenter"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "RECORD_COLUMNS", "Backbone", "BenchError", "Completes", "Completion", "ConfigError", "Dataset",
    "Explains", "Filter", "Finite", "InputError", "Leakage", "Logger", "Model", "Outcome", "PredictionError",
    "Problem", "Prompt", "Query", "Run", "RunInfo", "Sample", "Schedule", "ScoringProtocol", "Segmenter",
    "StageCost", "Step", "Stepwise", "Tables", "Timed", "UsageError", "__version__", "evaluate",
    "load_dataset", "load_model", "load_protocol", "open_run", "score",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw this function would believe in any name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
