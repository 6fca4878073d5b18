"""Reading a training checkpoint of pytorch-lightning without that library, and without running what is in it.

One reader finds the members, reads the pickle, and maps the numbers: no other one, `torch.load` for one, is given the
file, so that none sees another content in it.
"""

from __future__ import annotations

import math
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.files import MIB, open_regular
from amodal_bench.models.pix2gestalt.archive import Member, members
from amodal_bench.models.pix2gestalt.unpickled import Placed, load

if TYPE_CHECKING:
    from torch import Tensor

REMEDY = "it needs a checkpoint as pix2gestalt's authors publish it, such as epoch=000005.ckpt; download it again"
PICKLE, SCRIPT, ORDER = "data.pkl", "constants.pkl", "byteorder"

MOST_PICKLED = 16 * MIB
"""Bytes of the pickle: those of the published file, which has the state of an optimiser, too, are about one MiB."""

MOST_TENSORS = 100_000
MOST_ELEMENTS = 1 << 28
"""Elements of one tensor: seven times those of the largest one that is published."""

KINDS = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""What the elements of a storage are, by the name of its class in torch."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint's `state_dict` by name, on the CPU.

    They are views of the mapped file: what is never touched, such as the optimiser's state, takes no memory.

    Raises:
        InputError: the file is absent, damaged, or no such checkpoint.
    """
    try:
        listed = members(path)
        if PICKLE not in listed or SCRIPT in listed:
            raise InputError(path, "is an archive of another kind than torch.save makes", REMEDY)
        content = load(_read(path, listed[PICKLE], MOST_PICKLED))
        if ORDER in listed and (order := _read(path, listed[ORDER], 16).decode(errors="replace")) != sys.byteorder:
            raise ValueError(f"its numbers are written with the byte order {order!r}, and this machine's is another")
        return _tensors(path, content, listed)
    except OSError as error:
        raise unreadable(path, error) from error
    except zipfile.BadZipFile as error:
        problem = "is not a complete checkpoint: it is cut short, or another kind of file"
        raise InputError(path, problem, REMEDY) from error
    except (ValueError, RuntimeError) as error:  # the library has a kind of the second for versions of ZIP
        raise InputError(path, f"cannot be read as a checkpoint ({error})", REMEDY) from error


def _read(path: Path, member: Member, most: int) -> bytes:
    if member.size > most:
        raise ValueError(f"a part of {member.size:,} bytes may have {most:,}")
    with open_regular(path) as file:
        file.seek(member.start)
        return file.read(member.size)


def _tensors(path: Path, content: Any, listed: Mapping[str, Member]) -> dict[str, Tensor]:
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise InputError(path, "has no state_dict, so it is not a training checkpoint", REMEDY)
    if foreign := [name for name, value in state.items() if not isinstance(value, Placed)]:
        shown = str(foreign[0])[:200]
        raise InputError(path, f"has entries that are not tensors ({len(foreign)}), such as {shown}", REMEDY)
    if len(state) > MOST_TENSORS:
        raise ValueError(f"it has {len(state):,} tensors")
    import torch

    mapped = torch.UntypedStorage.from_file(str(path), False, path.stat().st_size)
    return {str(name): _tensor(mapped, placed, listed) for name, placed in state.items()}


def _tensor(mapped: Any, placed: Placed, listed: Mapping[str, Member]) -> Tensor:
    """A view of the mapped file. Raises `ValueError` where its numbers are not in it."""
    import torch

    stored = placed.stored
    member = listed.get(f"data/{stored.member}")
    if member is None or stored.kind not in KINDS:
        raise ValueError(f"its tensor has no numbers in it: {stored.kind[:60]} {stored.member[:60]}")
    dtype = getattr(torch, KINDS[stored.kind])
    if stored.length * dtype.itemsize != member.size or member.start % dtype.itemsize:
        raise ValueError(f"its member data/{stored.member[:60]} has not the size that the pickle says")
    if math.prod(placed.sides) > MOST_ELEMENTS:
        raise ValueError(f"its tensor of {'x'.join(map(str, placed.sides))} has too many elements")
    part = mapped[member.start : member.start + member.size]
    return torch.empty(0, dtype=dtype).set_(part, placed.offset, placed.sides, placed.steps)
