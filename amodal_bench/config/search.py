"""Where configurations are looked for: the user's folders first, so that a file of his own always counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.config.settings import config_folder, register_schema
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.files import not_a_file

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from hydra.core.config_search_path import ConfigSearchPath


def search_path(main: Path, config_dirs: Sequence[Path]) -> ConfigSearchPath:
    """Hydra's search path: the user's folders in their order, then the folder `main`."""
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery

    path = create_config_search_path(str(main))
    for folder in config_dirs:
        place = f"file://{folder.absolute()}"
        path.prepend(provider="command-line", path=place, anchor=SearchPathQuery(provider="main"))
    return path


@contextmanager
def composer(main: Path, config_dirs: Sequence[Path]) -> Iterator[Hydra]:
    """Hydra with the configuration in a folder and the user's; what was going on before goes on afterwards.

    Raises `ConfigError` where a YAML of the user's is no file.
    """
    from hydra import version
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.initialize import get_gh_backup, restore_gh_from_backup

    for folder in (main, *config_dirs):
        if folder != config_folder():
            _require_files(folder)
    register_schema()
    before = get_gh_backup()
    version.setbase("1.3")
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2("amodal_bench", search_path(main, config_dirs))
    finally:
        restore_gh_from_backup(before)


def _require_files(folder: Path) -> None:
    """Raise `ConfigError` where a YAML of the user's is no file: Hydra would wait for a pipe for ever."""
    for file in sorted(folder.glob("**/*.yaml")):
        if not file.is_dir() and (what := not_a_file(file)):
            raise ConfigError(f"{file}: is not a configuration ({what}); remove it, or put a file in its place")


def own_folders(sources: Iterable[Any]) -> list[Path]:
    """The user's folders among Hydra's sources of configurations, `hydra.runtime.config_sources`.

    They are told by the configuration and not by the command line: a launcher may have started another process.
    """
    folders = [Path(source.path) for source in sources if source.schema == "file" and source.path]
    return [folder for folder in folders if folder != config_folder()]


def replaced(config_dirs: Sequence[Path]) -> list[str]:
    """One line for each file of the user's that takes the place of one of the harness's."""
    shipped = config_folder()
    lines = []
    for folder in config_dirs:
        if folder.resolve() == shipped.resolve():
            continue
        for file in sorted(folder.glob("**/*.yaml")):
            inside = file.relative_to(folder)
            if (shipped / inside).is_file():
                choice = inside.with_suffix("").as_posix()
                lines.append(f"{file} takes the place of the {choice} that is shipped")
    return lines
