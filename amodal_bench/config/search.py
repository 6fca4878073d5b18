"""Where configurations are looked for: the user's folders first, so that a file of his own always counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.config.settings import config_folder

if TYPE_CHECKING:
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
