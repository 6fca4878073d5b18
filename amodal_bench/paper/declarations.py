"""Tables and figures as files: where their YAML lies, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from amodal_bench.config.build import suggest
from amodal_bench.core.errors import ConfigError, UsageError, first_line, unreadable
from amodal_bench.core.files import read_text

Made = TypeVar("Made")


@dataclass(frozen=True)
class Declarations:
    """The files that declare things of one kind.

    Attributes:
        what: the kind, such as `table`, which is also the folder of a user's own in a folder of configurations.
        shipped: the folder of those that come with the package.
    """

    what: str
    shipped: Path

    def files(self, config_dirs: Sequence[Path] = ()) -> dict[str, Path]:
        """The file of each by name, in the order of names, those of a user's folders instead of the package's."""
        folders = [self.shipped, *(folder / self.what for folder in reversed(config_dirs))]
        found = {file.stem: file for folder in folders for file in folder.glob("*.yaml")}
        return dict(sorted(found.items()))

    def file_of(self, name: str, config_dirs: Sequence[Path] = ()) -> Path:
        """The file of one. Raises `UsageError` where there is none of that name."""
        files = self.files(config_dirs)
        if name not in files:
            raise UsageError(f"paper {name}: there is no such {self.what}; {suggest(name, files)}")
        return files[name]

    def read(self, file: Path, make: Callable[[dict[str, Any]], Made]) -> Made:
        """What `make` makes of a file's plain values, with `name`. Raises `ConfigError` where it declares nothing."""
        import yaml  # type: ignore[import-untyped]

        try:
            said = yaml.safe_load(read_text(file))
            if not isinstance(said, dict):
                raise ConfigError(
                    f"{file}: is not a {self.what}: it must be a mapping; compare it with {self.shipped}"
                )
            return make({"name": file.stem, **said})
        except OSError as error:
            raise ConfigError(str(unreadable(file, error))) from error
        except (UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
            problem = f"is not a {self.what} ({first_line(error)})"
            raise ConfigError(f"{file}: {problem}; compare it with {self.shipped}") from error


def refuse_unknown(said: Mapping[str, Any], known: Sequence[str], file: Path) -> None:
    """Raise `ConfigError` for the first key of a file that is not known."""
    for key in said:
        if key not in known:
            raise ConfigError(f"{file}: {key}: is not known; {suggest(str(key), known)}")


def refuse_unpublished(said: Any, file: Path) -> None:
    """Raise `ConfigError` for the first word on published values that no record of the ledger has."""
    from amodal_bench.published.ledger import Published, ledger

    if not isinstance(said, Mapping):
        raise ConfigError(f"{file}: published: {said!r} must be a mapping, such as {{method: sam}}")
    refuse_unknown(said, [each.name for each in fields(Published)], file)
    for key, value in said.items():
        if value not in (known := {getattr(record, key) for record in ledger()}):
            hint = suggest(str(value), sorted(map(str, known)))
            raise ConfigError(f"{file}: published: no published value has {key} {value!r}; {hint}; or leave it out")
