"""Compositions are made once by a process: Hydra takes longer for one than most tests take for all the rest."""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.utils import JobRuntime

if TYPE_CHECKING:
    from hydra.types import RunMode
    from omegaconf import DictConfig

KEPT = 200
"""Configurations at up to half a megabyte each."""


def remember_compositions() -> None:
    """Let Hydra give copies of what it has composed of the same words and files before."""
    whole = ConfigLoaderImpl.load_configuration
    kept: OrderedDict[Hashable, DictConfig] = OrderedDict()

    def load_configuration(
        self: ConfigLoaderImpl,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        more: tuple[Any, ...] = (run_mode, from_shell, validate_sweep_overrides)
        key = (config_name, *overrides, *more, version.getbase(), JobRuntime().get("name"), *_files(self))
        if key not in kept:
            kept[key] = whole(self, config_name, overrides, *more)
            if len(kept) > KEPT:
                kept.popitem(last=False)
        found = copy.deepcopy(kept[key])
        found.hydra.runtime.cwd = str(Path.cwd())
        return found

    ConfigLoaderImpl.load_configuration = load_configuration  # type: ignore[method-assign]


def _files(loader: ConfigLoaderImpl) -> Iterator[Hashable]:
    """Where configurations lie, and by which each file is known to be the same."""
    for place in loader.get_search_path().get_path():
        yield (place.provider, place.path)
        folder = Path(str(place.path).removeprefix("file://"))
        for root, _, names in os.walk(folder):
            for name in sorted(names):
                stat = (Path(root) / name).lstat()
                yield (root, name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
