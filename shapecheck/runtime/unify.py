"""Sizes: predicted sizes over symbols, met one by one with the numbers that were seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from shapecheck.shapes.dim import Atom, Dim, Function, Symbol
from shapecheck.shapes.substitute import replace


@dataclass
class Sizes:
    """What the symbols are, each bound by the first number that settles it; every later number must agree."""

    values: dict[Atom, int] = field(default_factory=dict)
    where: dict[Atom, str] = field(default_factory=dict)  # what settled it
    _products: dict[Dim, int] = field(default_factory=dict)  # what has more than one free symbol, as a whole

    def reduced(self, dim: Dim) -> Dim:
        """The size with all numbers put in that are known by now."""
        return replace(dim, lambda atom: Dim.of(self.values[atom]) if atom in self.values else None)

    def meet(self, dim: Dim, number: int, where: str) -> bool:
        """Whether a predicted size can be the number that was seen; binds a symbol where that settles it."""
        left = self.reduced(dim)
        if left.value is not None:
            return left.value == number
        solved = _solved(left, number)
        if solved is None:
            return self._products.setdefault(left, number) == number
        atom, value = solved
        if value is None:
            return False
        self.values[atom] = value
        self.where[atom] = where
        self._settle()
        return True

    def bind(self, symbol: Symbol, number: int, where: str) -> None:
        """Take a symbol to be a number, unless something settled it before."""
        if symbol not in self.values:
            self.values[symbol] = number
            self.where[symbol] = where

    def _settle(self) -> None:
        """Solve what has one free symbol left by now."""
        for dim, number in self._products.items():
            solved = _solved(self.reduced(dim), number)
            if solved is not None and solved[1] is not None and solved[0] not in self.values:
                self.values[solved[0]] = solved[1]
                self.where[solved[0]] = f"{dim} is {number}"

    def told(self) -> dict[str, int]:
        """The symbols with a name of their own, and their numbers."""
        return {atom.name: value for atom, value in self.values.items() if isinstance(atom, Symbol)}


def _solved(dim: Dim, number: int) -> tuple[Atom, int | None] | None:
    """The one free atom of `a*x + c` and its value; None for the value where it has no whole one that a size can be.

    None where there is more than one free atom, or it isn't linear. A quotient that isn't known is an atom like another.
    """
    free: Atom | None = None
    factor, constant = 0, 0
    for monomial, coefficient in dim.terms.values():
        if not monomial:
            constant = coefficient
        elif len(monomial) == 1 and monomial[0][1] == 1 and free is None:
            free, factor = monomial[0][0], coefficient
        else:
            return None
    if free is None or (isinstance(free, Function) and any(argument.value is None for argument in free.arguments)):
        return None
    value, rest = divmod(number - constant, factor)
    return free, None if rest or value < 0 else value
