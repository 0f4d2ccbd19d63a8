"""Whole and Part: numbers that know what sizes they are made of, ints and floats like any other for the code they pass.

They flow through real Python: a head count that comes out of a dict, a width that a config works out, `x.shape`. Who
listens (LEDGER) is told of every sum and every comparison; where nobody does they are plain numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.scale import Scale


class Ledger(Protocol):
    """Who is told of sums and comparisons of such numbers."""

    def combined(self, operation: str, left: Any, right: Any, result: Any) -> Any:
        """The result of an operation, as a Whole or a Part where it has a formula."""

    def compared(self, operation: str, left: Any, right: Any, answer: bool) -> None:
        """A comparison was made, and this is the answer."""


LEDGER: ContextVar[Ledger | None] = ContextVar("shapecheck_ledger", default=None)


class Whole(int):
    """A whole number and its formula. `of` is the ledger that it belongs to: to any other it is a plain number."""

    dim: Dim
    of: object

    @classmethod
    def made(cls, number: int, dim: Dim, of: object) -> Whole:
        made = cls(number)
        made.dim, made.of = dim, of
        return made

    def __bool__(self) -> bool:
        answer = int(self) != 0
        _tell("truth", self, None, answer)
        return answer

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)

    def __copy__(self) -> Whole:
        return self

    def __deepcopy__(self, memo: object) -> Whole:
        return self

    __hash__ = int.__hash__


class Part(float):
    """A float made of sizes: `head_dim**-0.5`."""

    scale: Scale
    of: object

    @classmethod
    def made(cls, number: float, scale: Scale, of: object) -> Part:
        made = cls(number)
        made.scale, made.of = scale, of
        return made

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)

    def __copy__(self) -> Part:
        return self

    def __deepcopy__(self, memo: object) -> Part:
        return self

    __hash__ = float.__hash__


def plain(value: Any) -> Any:
    """A number without its formula."""
    if isinstance(value, Whole):
        return int(value)
    return float(value) if isinstance(value, Part) else value


def _tell(operation: str, left: Any, right: Any, answer: bool) -> None:
    ledger = LEDGER.get()
    if ledger is not None:
        ledger.compared(operation, left, right, answer)


_NUMBERS = (int, float, bool, Whole, Part)
_SUMS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv, "mod": operator.mod,
    "truediv": operator.truediv, "pow": operator.pow,
}  # fmt: skip
_COMPARISONS = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def _sum(name: str, work: Callable[[Any, Any], Any], *, swapped: bool) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if type(other) not in _NUMBERS:
            return NotImplemented  # a tensor's own method takes the number as it is
        left, right = (other, self) if swapped else (self, other)
        result = work(plain(left), plain(right))
        ledger = LEDGER.get()
        return result if ledger is None else ledger.combined(name, left, right, result)

    return method


def _comparison(name: str, work: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if type(other) not in _NUMBERS:
            return NotImplemented
        answer = work(plain(self), plain(other))
        _tell(name, self, other, answer)
        return answer

    return method


for _of in (Whole, Part):
    for _name, _work in _SUMS.items():
        setattr(_of, f"__{_name}__", _sum(_name, _work, swapped=False))
        setattr(_of, f"__r{_name}__", _sum(_name, _work, swapped=True))
    for _name, _work in _COMPARISONS.items():
        setattr(_of, f"__{_name}__", _comparison(_name, _work))


def _divmod(self: Any, other: Any) -> Any:
    return self // other, self % other


Whole.__divmod__ = _divmod  # type: ignore[method-assign]
