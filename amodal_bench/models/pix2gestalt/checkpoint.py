"""Reading a training checkpoint of pytorch-lightning without that library, and without running what is in it."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from amodal_bench.core.errors import InputError, first_line, unreadable

if TYPE_CHECKING:
    from torch import Tensor

REMEDY = "it needs a checkpoint as pix2gestalt's authors publish it, such as epoch=000005.ckpt; download it again"

_ADMITTED = {
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
}
"""All that a file of tensors needs beside storages, which torch itself knows by their names."""


class Inert:
    """Stands for any object of a foreign class: takes whatever a pickle does to one, and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, _: Any, __: Any) -> None: ...

    def append(self, _: Any) -> None:
        """Swallow what a pickle would put into a list."""
        ...

    def extend(self, _: Any) -> None:
        """Swallow what a pickle would put into a list."""
        ...


class Unpickler(pickle.Unpickler):
    """Finds the few functions that rebuild tensors; every other name means an inert class of its own."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of a name that is admitted; an inert one for every other name."""
        if (module, name) in _ADMITTED:
            return super().find_class(module, name)
        return type("Inert", (Inert,), {})


_MODULE = SimpleNamespace(Unpickler=Unpickler, __name__=__name__)
"""What `torch.load` takes for the module pickle."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint's `state_dict` by name, on the CPU.

    They are views of the mapped file: what is never touched, such as the optimiser's state, takes no memory.

    Raises:
        InputError: the file is absent, damaged, or no such checkpoint.
    """
    import torch

    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", pickle_module=_MODULE, weights_only=False, mmap=True)
    except Exception as error:  # a pickle can fail in any way
        raise InputError(path, f"cannot be read as a checkpoint ({first_line(error)})", REMEDY) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, Mapping) or not state:
        raise InputError(path, "has no state_dict, so it is not a training checkpoint", REMEDY)
    if foreign := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise InputError(path, f"has entries that are not tensors ({len(foreign)}), such as {foreign[0]}", REMEDY)
    return {str(name): value.detach() for name, value in state.items()}


def _check_archive(path: Path) -> None:
    """Raise `InputError` unless the file is an archive of tensors: its directory stands at its end.

    An archive of TorchScript is refused here, since `torch.load` would hand it to another reader.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name.rpartition("/")[2] for name in archive.namelist()}
    except OSError as error:
        raise unreadable(path, error) from error
    except zipfile.BadZipFile as error:
        raise InputError(
            path, "is not a complete checkpoint: it is cut short, or another kind of file", REMEDY
        ) from error
    if "data.pkl" not in files or "constants.pkl" in files:
        raise InputError(path, "is an archive of another kind than torch.save makes", REMEDY)
