"""YAML files of a user's that cannot be read, each in one line with the file and the place in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.files import read_text

REMEDY = "a configuration is lines of KEY: VALUE"


@contextmanager
def faults_named(config_dirs: Sequence[Path]) -> Iterator[None]:
    """Where a file in these folders that is no YAML ends the work, raise `ConfigError` with its place.

    Only then are the files read: what is never chosen disturbs nobody.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        yield
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        if mark is not None:
            raise ConfigError(_faulty(f"{mark.name}:{mark.line + 1}:{mark.column + 1}", error)) from error
        files = [file for folder in config_dirs for file in sorted(folder.glob("**/*.yaml"))]
        fault = next((fault for file in files if (fault := fault_of(file))), None)
        if fault is None:
            raise
        raise ConfigError(fault) from error


def refuse_faulty(chosen: Mapping[str, Any], config_dirs: Sequence[Path]) -> None:
    """Raise `ConfigError` where a file of the user's, chosen by its name for a group, is no configuration."""
    for group, name in chosen.items():
        for folder in config_dirs:
            file = folder / group.partition("@")[0] / f"{name}.yaml"
            if file.is_file() and (fault := fault_of(file)):
                raise ConfigError(fault)


def fault_of(file: Path) -> str | None:
    """What is wrong with a file, with its place, or None where it can be read as a configuration."""
    import yaml

    try:
        node = yaml.compose(read_text(file), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        return f"{file}: is not a text file (byte {error.start} is not UTF-8); {REMEDY}"
    except OSError as error:
        return f"{file}: cannot be read ({error.strerror}); check its permissions"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return _faulty(f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file), error)
    if node is None or isinstance(node, yaml.MappingNode):
        return None
    what = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
    return f"{file}:{node.start_mark.line + 1}: holds {what}; {REMEDY}"


def _faulty(place: str, error: Exception) -> str:
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{place}: is not valid YAML ({problem}); {REMEDY}"
