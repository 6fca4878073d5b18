"""Reading a pickle without running it: what it says of tensors, and nothing else.

A pickle is a program for a small machine, which calls what the file names. This one calls nothing: it knows the few
functions that rebuild tensors by their names, and notes what they were to be given; all else becomes an inert mark.
What it does is bounded by the length of the file, whatever loops or doublings the objects in it have.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

MOST_STEPS = 3_000_000
"""Steps of the machine; ten times what the published file takes, with the state of its optimiser."""

LARGEST = 1 << 40
"""Elements that a tensor may have on a side, and bytes between them."""

MOST_SIDES = 8

INERT: Final = object()
"""Stands for every object of a foreign class."""


class Stored(NamedTuple):
    """A storage: the class that says what its elements are, the name of its member, and how many elements it has."""

    kind: str
    member: str
    length: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor: elements of a storage from `offset` on, with these sides and steps between elements."""

    stored: Stored
    offset: int
    sides: tuple[int, ...]
    steps: tuple[int, ...]


class _Name(NamedTuple):
    module: str
    name: str


def load(pickled: bytes) -> Any:
    """What a pickle describes: numbers, texts, lists, tuples, dicts with keys of text or whole numbers, and `Placed`.

    Raises:
        ValueError: it is damaged, describes a tensor that cannot be, or takes too many steps.
    """
    machine = _Machine()
    try:
        for step, (code, argument, _) in enumerate(pickletools.genops(pickled)):
            if step > MOST_STEPS:
                raise ValueError(f"its pickle takes more than {MOST_STEPS:,} steps")
            if code.name == "STOP":
                return machine.stack.pop()
            machine.do(code.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"its pickle is damaged ({type(error).__name__})") from error
    raise ValueError("its pickle has no end")


class _Machine:
    """The stack, what lies below each mark, and the memo."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def do(self, code: str, argument: Any) -> None:
        if code in _VALUES:
            self.stack.append(argument)
        elif code in _PUTS:
            self.memo[len(self.memo) if code == "MEMOIZE" else argument] = self.stack[-1]
        elif code in _GETS:
            self.stack.append(self.memo[argument])
        elif code in _STEPS:
            _STEPS[code](self)
        elif code == "GLOBAL":
            self.stack.append(_Name(*argument.split(" ", 1)))
        elif code not in ("PROTO", "FRAME"):
            raise ValueError(f"its pickle has the step {code}, which no file of tensors has")

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def put(self, value: Any) -> None:
        self.stack.append(value)

    def append(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def set(self, values: list[Any]) -> None:
        """Only keys of text and whole numbers are kept: others can take for ever to be compared."""
        if isinstance(self.stack[-1], dict):
            pairs = zip(values[::2], values[1::2], strict=True)
            self.stack[-1].update((key, value) for key, value in pairs if isinstance(key, str | int))

    def last(self, count: int) -> list[Any]:
        if len(self.stack) <= count:
            raise IndexError
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def name(self) -> None:
        module, name = self.last(2)
        self.stack.append(_Name(module, name))

    def call(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = _called(self.stack[-1], arguments)

    def frozen_set(self) -> None:
        self.since_mark()
        self.stack.append(INERT)

    def foreign(self, arguments: int) -> None:
        """Objects of foreign classes: what makes them is dropped."""
        del self.stack[len(self.stack) - arguments - 1 :]
        self.stack.append(INERT)


_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_PUTS = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GETS = {"BINGET", "LONG_BINGET"}
_STEPS: dict[str, Callable[[_Machine], None]] = {
    "MARK": _Machine.mark,
    "NONE": lambda m: m.put(None),
    "NEWTRUE": lambda m: m.put(True),
    "NEWFALSE": lambda m: m.put(False),
    "EMPTY_LIST": lambda m: m.put([]),
    "EMPTY_DICT": lambda m: m.put({}),
    "EMPTY_TUPLE": lambda m: m.put(()),
    "EMPTY_SET": lambda m: m.put(INERT),
    "TUPLE": lambda m: m.put(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.tuple_of(1),
    "TUPLE2": lambda m: m.tuple_of(2),
    "TUPLE3": lambda m: m.tuple_of(3),
    "LIST": lambda m: m.put(m.since_mark()),
    "FROZENSET": _Machine.frozen_set,
    "POP": _Machine.pop,
    "POP_MARK": lambda m: m.since_mark().clear(),
    "DUP": lambda m: m.put(m.stack[-1]),
    "APPEND": lambda m: m.append(m.last(1)),
    "APPENDS": lambda m: m.append(m.since_mark()),
    "ADDITEMS": lambda m: m.since_mark().clear(),
    "SETITEM": lambda m: m.set(m.last(2)),
    "SETITEMS": lambda m: m.set(m.since_mark()),
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": lambda m: m.foreign(1),
    "NEWOBJ_EX": lambda m: m.foreign(2),
    "BUILD": lambda m: m.last(1).clear(),  # the state of an object: nothing here has one
    "BINPERSID": lambda m: m.put(_stored(m.stack.pop())),
}


def _called(function: Any, arguments: Any) -> Any:
    """What one of the known functions makes of its arguments; of any other one, the inert mark."""
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        return INERT
    if function == ("collections", "OrderedDict") and not arguments:
        return {}
    if function == ("torch._utils", "_rebuild_parameter") and arguments:
        return arguments[0]
    if function in (("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2")):
        return _placed(*arguments[:4])
    return INERT


def _stored(said: Any) -> Stored:
    """A storage as `torch.save` refers to it: "storage", its class, its member, a device, and its length."""
    if not isinstance(said, tuple) or len(said) != 5 or said[0] != "storage" or not isinstance(said[1], _Name):
        raise ValueError("its pickle refers to something that is not a storage")
    (module, kind), member, length = said[1], said[2], said[4]
    if module not in ("torch", "torch.storage") or not isinstance(member, str) or not _is_count(length):
        raise ValueError("its pickle describes a storage that cannot be")
    return Stored(kind, member, length)


def _placed(stored: Any, offset: Any, sides: Any, steps: Any) -> Placed:
    """A tensor that lies in its storage; a step of 0 shows an element many times."""
    shaped = isinstance(stored, Stored) and isinstance(sides, tuple) and isinstance(steps, tuple)
    if not shaped or len(sides) != len(steps) or len(sides) > MOST_SIDES:
        raise ValueError("its pickle describes a tensor that cannot be")
    if not all(map(_is_count, (offset, *sides, *steps))):
        raise ValueError("its pickle describes a tensor with a size that is negative or not a number")
    reach = offset + sum((side - 1) * step for side, step in zip(sides, steps, strict=True)) + 1
    if reach > stored.length and all(sides):
        raise ValueError("its pickle describes a tensor that reaches beyond its storage")
    return Placed(stored, offset, sides, steps)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST
