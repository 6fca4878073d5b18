"""A denoiser as TorchScript: the operations of its first call, one after the other, without Python between them.

On a CPU a small network waits for Python as long as for some of its sums, and lanes wait for each other, since one
thread alone runs Python. No operation is changed, so no bit of a result is.
"""

from __future__ import annotations

import threading
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def script(network: Any) -> None:
    """Let calls of a network run as TorchScript, written down at the first call with inputs of a form.

    Args:
        network: a denoiser of diffusers, whose weights change no more. What it returns from now on has its first
            output alone, `sample`.
    """
    network.forward = _Scripted(network)


class _Scripted:
    def __init__(self, network: Any) -> None:
        self._network, self._writing = network, threading.Lock()
        self._scripts: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *args: Any, **named: Any) -> SimpleNamespace:
        from torch import Tensor
        from torch.utils._pytree import tree_flatten

        leaves, form = tree_flatten((args, named))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        said = ((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else repr(leaf) for leaf in leaves)
        key = (str(form), *said)
        with self._writing:
            if key not in self._scripts:
                self._scripts[key] = self._written(leaves, form, tensors)
        return SimpleNamespace(sample=self._scripts[key](*tensors))

    def _written(self, leaves: list[Any], form: Any, tensors: list[Tensor]) -> Any:
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
            # It warns of every shape that is taken as fixed, which is what we want, and that there are newer ways.
            with warnings.catch_warnings(action="ignore"):
                call = Call(self._network).eval()
                traced = torch.jit.trace(call, tuple(tensors), check_trace=False)  # type: ignore[no-untyped-call]
                return torch.jit.freeze(traced)
        finally:
            self._network.forward = self
