"""Numbers of a followed run: what each is as a size, by its formula, or by being like no other size."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any, cast

import libcst as cst

from shapecheck.runtime.symbolic import Part, Whole
from shapecheck.runtime.unify import Sizes
from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.scale import Scale
from shapecheck.static.arithmetic import operate
from shapecheck.static.learning import learn
from shapecheck.static.run import Run
from shapecheck.static.values import Cond, Num, Real, Value

LEAST = 4  # smaller numbers are axes, packs of q, k and v, and steps before they are sizes
_OPERATORS: dict[str, type] = {
    "add": cst.Add, "sub": cst.Subtract, "mul": cst.Multiply, "floordiv": cst.FloorDivide, "mod": cst.Modulo,
    "truediv": cst.Divide, "pow": cst.Power,
}  # fmt: skip
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Numbers:
    """The sizes of one run, by their formulas and by their numbers."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.sizes = Sizes()
        self._given: dict[int, set[Dim]] = defaultdict(set)  # made of what the constructor was given
        self._all: dict[int, set[Dim]] = defaultdict(set)
        self._halved: set[int] = set()  # numbers that floats of sizes may be cut to

    # -- names for numbers
    def symbol(self, number: int, name: str, kind: Kind, key: object) -> Any:
        """A number that is given, under its name."""
        symbol = Symbol(name, kind, key)
        self.sizes.bind(symbol, number, "given")
        return self.whole(number, Dim.of(symbol))

    def whole(self, number: int, dim: Dim) -> Any:
        """A number with its formula; without, where that says no more than the number."""
        if dim.value is not None:
            return int(number)
        self._note(int(number), dim)
        return Whole.made(int(number), dim, self)

    def _note(self, number: int, dim: Dim) -> None:
        self._all[number].add(dim)
        if {symbol.kind for symbol in dim.symbols()} <= {Kind.CONSTRUCTOR, Kind.CONFIG}:
            self._given[number].add(dim)

    def dim(self, number: int) -> Dim:
        """The formula of a number: its own, or that of the only size that it can be."""
        if isinstance(number, Whole) and number.of is self:
            return number.dim
        dims = self._given.get(number, set()) if _is_telling(number) else set()
        return next(iter(dims)) if len(dims) == 1 else Dim.of(int(number))

    def scale(self, number: float) -> Scale:
        """What something is multiplied by, in sizes: the float's own, or the root of the only size that it can be.

        A float that is no root of a size and that nobody would write down is unknown: it may have been made of sizes.
        """
        if isinstance(number, Part) and number.of is self:
            return number.scale
        roots = {(dim, sign) for size, dims in self._all.items() for dim in dims for sign in (1, -1)
                 if size >= LEAST and abs(size ** (sign / 2) - number) < 1e-9 * abs(number)}  # fmt: skip
        if len(roots) == 1:
            ((dim, sign),) = roots
            return Scale(powers=((dim, Fraction(sign, 2)),))
        written = number in (0.0, math.inf, -math.inf) or len(f"{number!r}") <= 6
        return Scale(coefficient=number) if written and not math.isnan(number) else Scale(known=False)

    # -- sums and comparisons
    def combined(self, operation: str, left: Any, right: Any, result: Any) -> Any:
        """The result of a sum with its formula, where it has one that holds."""
        if not (self._ours(left) or self._ours(right)) or operation not in _OPERATORS:
            return result
        node = cast("Any", self.run.place(cast("Any", None)))  # an identity, and no syntax tree
        value = operate(self.run, _OPERATORS[operation], self._value(left), self._value(right), node)
        match value:
            case Num(dim) if type(result) is int and self.sizes.reduced(dim).value in (None, result):
                return self.whole(result, dim)
            case Real(scale) if isinstance(result, float) and scale.known:
                if operation == "truediv" and isinstance(left, Whole) and isinstance(right, Whole):
                    self._note(int(result), left.dim // right.dim)
                    self._halved.add(int(result))  # `int(dim / heads)` is known by its number
                return Part.made(result, scale, self)
        return result

    def compared(self, operation: str, left: Any, right: Any, answer: bool) -> None:
        """Learn what the answer of a comparison says of sizes. That a size is a number says nothing of other ones."""
        a, b = self._value(left), self._value(right) if right is not None else None
        if not isinstance(a, Num):
            return
        if operation == "truth":
            learn(self.run, a, answer)
        elif isinstance(b, Num) and (_made(a.dim) or _made(b.dim) or None not in (a.dim.symbol, b.dim.symbol)):
            learn(self.run, Cond(_SIGNS[operation], (a, b)), answer)

    def meet(self, dim: Dim, number: int) -> bool:
        """Whether a size can be a number."""
        return self.sizes.meet(self.run.facts.resolve(dim), number, "")

    def _ours(self, value: Any) -> bool:
        return isinstance(value, Whole | Part) and value.of is self

    def _value(self, value: Any) -> Value:
        if isinstance(value, float):
            return Real(value.scale if isinstance(value, Part) and value.of is self else Scale(coefficient=value))
        if isinstance(value, Whole) and value.of is self:
            return Num(value.dim)
        return Num(self.dim(int(value)) if value in self._halved else Dim.of(int(value)))


def _is_telling(number: int) -> bool:
    """Whether a number may be known by itself: 32, 64 and 96 are written everywhere, 21 is not."""
    for prime in (2, 3, 5):
        while number > 0 and number % prime == 0:
            number //= prime
    return number > 1


def _made(dim: Dim) -> bool:
    """Whether a size is made of a division."""
    return any(Dim.of(atom).function is not None for atom in dim.atoms())
