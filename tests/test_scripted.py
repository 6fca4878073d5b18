"""Networks that run as TorchScript: the same bits for every form of inputs, and nothing else is changed."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from amodal_bench.backbones import scripted
from amodal_bench.backbones.scripted import script


class Made(NamedTuple):
    sample: Tensor


class Small(torch.nn.Module):
    """A network whose trace takes the batch, the type of time and a switch as fixed, and warns of it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor, time: Any, twice: bool = False, return_dict: bool = True) -> Any:
        y = self.conv(x) * 0.3 + 0.1  # a script may put these into the weights, which gives other bits
        if y.mean() > 1e9:  # of a tensor: the tracer warns
            y = -y
        time = torch.as_tensor(time)
        y = (y + (2 * time if time.is_floating_point() else time)) * len(x)
        return Made(2 * y if twice else y) if return_dict else (2 * y if twice else y, "more")


def networks() -> tuple[Any, Any]:
    """A plain network, and a scripted one of the same weights."""
    plain, other = Small(), Small()
    script(other)
    return plain, other


def pixels(count: int = 2, side: int = 7) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))


CALLS: dict[str, Callable[[Any], Any]] = {
    "first": lambda net: net(pixels(), torch.tensor(5)),
    "other values": lambda net: net(pixels() + 1, torch.tensor(6)),
    "more samples": lambda net: net(pixels(3), torch.tensor(5)),
    "another side": lambda net: net(pixels(2, 9), torch.tensor(5)),
    "another type of time": lambda net: net(pixels(), torch.tensor(5.5)),
    "no tensor": lambda net: net(pixels(), 700),
    "another that is none": lambda net: net(pixels(), 100),
    "a switch": lambda net: net(pixels(), 100, twice=True),
    "by name": lambda net: net(time=torch.tensor(5), x=pixels()),
}


def test_every_form_of_inputs_gives_the_bits_of_the_plain_network() -> None:
    plain, other = networks()
    with torch.inference_mode():
        for name, call in [*CALLS.items(), *reversed(CALLS.items())]:
            for _ in range(3):  # torch makes a faster program of what has been called before
                assert torch.equal(call(plain).sample, call(other).sample), name
    assert len(list(other.parameters())) == 2


def test_what_it_returns_is_taken_as_the_librarys_outputs_are() -> None:
    plain, other = networks()
    expected = plain(pixels(), 5).sample
    for output in (other(pixels(), 5), other(pixels(), 5, return_dict=False)):
        assert torch.equal(output[0], expected) and torch.equal(output.sample, expected)


def test_a_copy_has_weights_and_scripts_of_its_own() -> None:
    plain, other = networks()
    before = other(pixels(), 5).sample
    copied = copy.deepcopy(other)
    with torch.no_grad():
        copied.conv.bias += 1
        plain.conv.bias += 1
        assert torch.equal(copied(pixels(), 5).sample, plain(pixels(), 5).sample)
        assert torch.equal(other(pixels(), 5).sample, before)


def test_a_call_that_fails_leaves_the_network_as_it_was() -> None:
    plain, other = networks()
    with pytest.raises(RuntimeError):
        other(torch.rand(2, 5, 7, 7), 5)
    assert torch.equal(other(pixels(), 5).sample, plain(pixels(), 5).sample)


def small(config: str = "", more: float = 0.0) -> Any:
    """A network with a setting, and other weights where there is `more`."""
    network: Any = Small()
    network.config = config
    with torch.no_grad():
        network.conv.weight[0, 0, 0, 0] += more
    return network


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The networks whose scripts are written from now on, in a process that has written none."""
    found, write = list[Any](), scripted._Scripted._write

    def noted(self: Any, *args: Any) -> Any:
        found.append(self)
        return write(self, *args)

    monkeypatch.setattr(scripted, "_written", {})
    monkeypatch.setattr(scripted._Scripted, "_write", noted)
    return found


def test_networks_of_the_same_weights_share_their_scripts(written: list[Any]) -> None:
    """TorchScript gives no memory back."""
    for given, count in ((("", 0), 1), (("", 0), 1), (("wide", 0), 2), (("", 1), 3), (("", 1), 3), (("wide", 0), 3)):
        plain, other = small(*given), small(*given)
        script(other)
        assert torch.equal(other(pixels(), 5).sample, plain(pixels(), 5).sample)
        assert len(written) == count


def test_threads_write_one_script_and_no_warning_is_shown_or_hidden(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    for _ in range(5):
        plain, one = networks()
        two = small(more=1)
        script(two)
        monkeypatch.setattr(scripted, "_written", {})
        written.clear()
        begin, found = threading.Barrier(4), list[Tensor]()

        def call(network: Any, begin: threading.Barrier = begin, found: list[Tensor] = found) -> None:
            begin.wait(10)
            found.append(network(pixels(), 5).sample.detach())

        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            filters = list(warnings.filters)
            threads = [threading.Thread(target=call, args=(network,)) for network in (one, two, one, two)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert warnings.filters == filters and not shown
        expected = [plain(pixels(), 5).sample, small(more=1)(pixels(), 5).sample]
        assert len(found) == 4 and len(written) == 2
        assert [sum(torch.equal(each, right) for each in found) for right in expected] == [2, 2]
