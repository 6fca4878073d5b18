"""A denoiser as TorchScript: the operations of its first call, one after the other, without Python between them.

On a CPU a small network waits for Python as long as for some of its sums, and lanes wait for each other, since one
thread alone runs Python. No operation is changed, so no bit of a result is.

TorchScript keeps what it has written, weights included, until the process ends. So networks of the same weights share
their scripts, however many are loaded in a process.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from amodal_bench.core.stages import uncharged

if TYPE_CHECKING:
    from torch import Tensor

_writing = threading.Lock()
"""One script is written at a time: while it is, warnings are kept silent, which all threads share."""

_written: dict[tuple[Any, ...], Any] = {}
"""All scripts of this process, by what the network is and by the form of its inputs."""


class Output(NamedTuple):
    """What a scripted network returns, as the library's own outputs do by name and by place."""

    sample: Tensor


def script(network: Any) -> None:
    """Let calls of a network run as TorchScript, written down at the first call with inputs of a form.

    Args:
        network: a denoiser of diffusers, whose weights change no more, and which its modules, its `config` and they
            tell from others. What it returns from now on has its first output alone, `sample`.
    """
    network.forward = _Scripted(network)


class _Scripted:
    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, *args: Any, return_dict: bool = True, **named: Any) -> tuple[Tensor]:  # noqa: ARG002
        from torch import Tensor
        from torch.utils._pytree import tree_flatten

        leaves, form = tree_flatten((args, named))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        said = ((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else repr(leaf) for leaf in leaves)
        key = (self._name, str(form), *said)
        if key not in _written:
            with uncharged(), _writing:
                if key not in _written:
                    _written[key] = self._write(leaves, form, tensors)
        return Output(_written[key](*tensors))

    @cached_property
    def _name(self) -> str:
        with uncharged():
            return _name(self._network)

    def __getstate__(self) -> dict[str, Any]:
        """A copy looks for its own scripts, by its own weights."""
        return {"_network": self._network}

    def _write(self, leaves: list[Any], form: Any, tensors: list[Tensor]) -> Any:
        import torch
        from torch.utils._pytree import tree_unflatten

        class Call(torch.nn.Module):
            """A call of the network with its tensors alone."""

            def __init__(self, network: Any) -> None:
                super().__init__()
                self.network = network

            def forward(self, *tensors: Tensor) -> Tensor:
                """The network's first output, of a call in which these tensors take the places of the first one's."""
                rest = iter(tensors)
                filled = [next(rest) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
                args, named = tree_unflatten(filled, form)
                output: Tensor = self.network(*args, **named, return_dict=False)[0]
                return output

        del self._network.forward  # the class's own, which is written down
        try:
            with _without_warnings():
                call = Call(self._network).eval()
                traced = torch.jit.trace(call, tuple(tensors), check_trace=False)  # type: ignore[no-untyped-call]
                return torch.jit.freeze(traced, optimize_numerics=False)  # else sums may be put together
        finally:
            self._network.forward = self


def _name(network: Any) -> str:
    """What tells networks apart whose scripts differ: their modules, settings and weights, as a digest."""
    import torch

    found = hashlib.blake2b(f"{network!r}\n{getattr(network, 'config', None)!r}\n{network.training}".encode())
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        found.update(f"{name} {tensor.dtype} {tensor.shape} {tensor.stride()} {tensor.requires_grad}\n".encode())
        found.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Say nothing of shapes that are taken as fixed, which is what we want, nor that there are newer ways."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
