"""Dim: the size of an axis, an integer polynomial over named symbols with quotients.

The normal form is a sum of terms, each a whole coefficient times a product of atoms to powers. An atom is a Symbol or
an operation that has no polynomial: `a // b`, `a % b`, or a named function (`ceil(t, 2)`). Division that comes out even
is carried out (`(2*b*d) // (b*d)` is 2); any other stays an atom, and `h * (d // h)` is *not* `d`: whoever wants that
must know that h divides d (see facts.Facts.simplify).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd


class Kind(enum.Enum):
    """Where a symbol's number comes from: it decides what may be equal to what (facts.Facts.compare)."""

    INPUT = "input"  # the size of an axis of an argument of forward
    CONSTRUCTOR = "constructor"  # a parameter of __init__
    CONFIG = "config"  # a field of a config object, or an attribute that nobody sets here
    OPAQUE = "opaque"  # computed by something that has no formula
    UNKNOWN = "unknown"  # nothing is known; prints as `?`


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named unknown number. `key` is its identity (the name where none is given): two symbols may share a name."""

    name: str = field(compare=False)
    kind: Kind = field(compare=False, default=Kind.OPAQUE)
    key: object = None
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        if self.key is None:
            object.__setattr__(self, "key", self.name)
        object.__setattr__(self, "_hash", hash(self.key))  # keys are nested, and looked up all the time

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return "?" if self.kind is Kind.UNKNOWN else self.name


@dataclass(frozen=True, slots=True)
class Function:
    """A number that is computed but no polynomial: `//` and `%` print as operators, the rest as calls."""

    name: str
    arguments: tuple[Dim, ...]

    def __str__(self) -> str:
        if self.name in ("//", "%"):
            left, right = (_bracketed(argument) for argument in self.arguments)
            return f"{left}{self.name}{right}"
        return f"{self.name}({', '.join(map(str, self.arguments))})"


Atom = Symbol | Function
_NOTHING: frozenset[tuple[Atom, int]] = frozenset()  # the key of the constant term
Monomial = tuple[tuple[Atom, int], ...]  # atoms with powers; equal as sets, kept in the order of the source


class Dim:
    """An integer polynomial; immutable, hashable, equal iff the normal forms are.

    `Dim.of(3) * Dim.of(Symbol("d"))` prints `3*d`. Symbols print in the order in which they were multiplied.
    """

    __slots__ = ("_hash", "_symbols", "is_one", "terms", "value")
    value: int | None  # the number, where this is one
    is_one: bool

    def __init__(self, terms: Mapping[frozenset[tuple[Atom, int]], tuple[Monomial, int]]) -> None:
        self.terms = terms
        self.value = 0 if not terms else terms[_NOTHING][1] if len(terms) == 1 and _NOTHING in terms else None
        self.is_one = self.value == 1
        self._hash: int | None = None
        self._symbols: frozenset[Symbol] | None = None

    @staticmethod
    def of(value: int | Atom | Dim) -> Dim:
        if isinstance(value, Dim):
            return value
        if isinstance(value, int):
            return _of_int(int(value))
        return Dim({frozenset([(value, 1)]): (((value, 1),), 1)})

    # -- identity ---------------------------------------------------------------------------------------------------
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Dim):
            return NotImplemented
        mine, others = self.terms, other.terms
        if len(mine) != len(others):
            return False
        for key, term in mine.items():  # no generator: sizes are compared more often than anything else
            match = others.get(key)
            if match is None or match[1] != term[1]:
                return False
        return True

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset((key, term[1]) for key, term in self.terms.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Dim({self})"

    def __reduce__(self) -> tuple[Callable[..., Dim], tuple[object, ...]]:
        return Dim, (dict(self.terms),)

    # -- arithmetic -------------------------------------------------------------------------------------------------
    def __add__(self, other: Dim) -> Dim:
        terms = dict(self.terms)
        for key, (monomial, coefficient) in other.terms.items():
            total = coefficient + (terms[key][1] if key in terms else 0)
            if total:
                terms[key] = (terms[key][0] if key in terms else monomial, total)
            else:
                del terms[key]
        return Dim(terms)

    def __neg__(self) -> Dim:
        return Dim({key: (monomial, -coefficient) for key, (monomial, coefficient) in self.terms.items()})

    def __sub__(self, other: Dim) -> Dim:
        return self + -other

    def __mul__(self, other: Dim) -> Dim:
        if other.is_one:
            return self
        if self.is_one:
            return other
        if other.value is not None and other.value:
            factor = other.value
            return Dim({key: (monomial, coefficient * factor) for key, (monomial, coefficient) in self.terms.items()})
        terms: dict[frozenset[tuple[Atom, int]], tuple[Monomial, int]] = {}
        for left, left_coefficient in self.terms.values():
            for right, right_coefficient in other.terms.values():
                powers = dict(left)
                for atom, power in right:
                    powers[atom] = powers.get(atom, 0) + power
                monomial = tuple(powers.items())
                key = frozenset(monomial)
                total = left_coefficient * right_coefficient + (terms[key][1] if key in terms else 0)
                if total:
                    terms[key] = (monomial, total)
                else:
                    terms.pop(key, None)
        return Dim(terms)

    def __pow__(self, exponent: int) -> Dim:
        result = ONE
        for _ in range(exponent):
            result = result * self
        return result

    def __floordiv__(self, other: Dim) -> Dim:
        """Python's `//`. Raises ZeroDivisionError where the divisor is the number 0."""
        if (a := self.value) is not None and (b := other.value) is not None:
            return Dim.of(a // b)
        if not other.terms:
            raise ZeroDivisionError
        exact = self.exact_quotient(other)
        if exact is None:
            exact = _undone(self, other)
        return exact if exact is not None else Dim.of(Function("//", (self, other)))

    def __mod__(self, other: Dim) -> Dim:
        """Python's `%`. Raises ZeroDivisionError where the divisor is the number 0."""
        if (a := self.value) is not None and (b := other.value) is not None:
            return Dim.of(a % b)
        if not other.terms:
            raise ZeroDivisionError
        return ZERO if self.exact_quotient(other) is not None else Dim.of(Function("%", (self, other)))

    def exact_quotient(self, other: Dim) -> Dim | None:
        """The polynomial q with q * other == self, or None where there is none."""
        if not other.terms:
            return None
        if len(other.terms) == 1:
            return self.over_monomial(*next(iter(other.terms.values())))
        if self == other:
            return ONE
        atoms = sorted({*self.atoms(), *other.atoms()}, key=str)

        def power(term: tuple[Monomial, int]) -> list[int]:  # lexicographic: an order that multiplication keeps
            powers = dict(term[0])
            return [powers.get(atom, 0) for atom in atoms]

        lead = max(other.terms.values(), key=power)
        quotient, rest = ZERO, self
        for _ in range(8):  # sizes in practice need one or two steps
            if not rest.terms:
                return quotient
            monomial, coefficient = max(rest.terms.values(), key=power)
            step = Dim({frozenset(monomial): (monomial, coefficient)}).over_monomial(*lead)
            if step is None:
                return None
            quotient, rest = quotient + step, rest - step * other
        return None

    def over_monomial(self, divisor: Monomial, coefficient: int) -> Dim | None:
        """The exact quotient by one term; None where there is none."""
        terms = {}
        for monomial, own in self.terms.values():
            powers = dict(monomial)
            for atom, power in divisor:
                left = powers.get(atom, 0) - power
                if left < 0:
                    return None
                powers[atom] = left
                if not left:
                    del powers[atom]
            if own % coefficient:
                return None
            result = tuple(powers.items())
            terms[frozenset(result)] = (result, own // coefficient)
        return Dim(terms)

    # -- reading ----------------------------------------------------------------------------------------------------
    @property
    def symbol(self) -> Symbol | None:
        """The symbol, where this is one and nothing else."""
        if len(self.terms) == 1:
            ((monomial, coefficient),) = self.terms.values()
            if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Symbol):
                return monomial[0][0]
        return None

    @property
    def function(self) -> Function | None:
        """The quotient, remainder or function, where this is one and nothing else."""
        if len(self.terms) == 1:
            ((monomial, coefficient),) = self.terms.values()
            if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Function):
                return monomial[0][0]
        return None

    @property
    def monomial(self) -> tuple[Monomial, int] | None:
        """The product of atoms and its coefficient, where there is one term."""
        return next(iter(self.terms.values())) if len(self.terms) == 1 else None

    def atoms(self) -> Iterator[Atom]:
        """The atoms of every term, outermost only."""
        for monomial, _ in self.terms.values():
            for atom, _ in monomial:
                yield atom

    def symbols(self) -> frozenset[Symbol]:
        """Every symbol, those inside quotients and functions too."""
        if self._symbols is None:
            found: set[Symbol] = set()
            for atom in self.atoms():
                if isinstance(atom, Symbol):
                    found.add(atom)
                else:
                    found.update(*(argument.symbols() for argument in atom.arguments))
            self._symbols = frozenset(found)
        return self._symbols

    @property
    def known(self) -> bool:
        """Whether no symbol of kind UNKNOWN is in it."""
        return all(symbol.kind is not Kind.UNKNOWN for symbol in self.symbols())

    # -- printing ---------------------------------------------------------------------------------------------------
    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = ""
        for monomial, coefficient in self.terms.values():
            alone = len(monomial) == 1 and (
                coefficient == 1 or (coefficient == -1 and text != "")
            )  # `-d//h` is (-d)//h
            factors = [_factor(atom, power, alone=alone) for atom, power in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += sign + "*".join(factors)
        return text


@lru_cache(1024)
def _of_int(value: int) -> Dim:
    return Dim({_NOTHING: ((), value)} if value else {})


def _factor(atom: Atom, power: int, *, alone: bool) -> str:
    text = str(atom)
    if isinstance(atom, Function) and atom.name in ("//", "%") and not (alone and power == 1):
        text = f"({text})"
    return text if power == 1 else f"{text}**{power}"


def _bracketed(dim: Dim) -> str:
    text = str(dim)
    simple = dim.symbol is not None or (dim.value is not None and dim.value >= 0)
    return text if simple or (dim.function is not None and dim.function.name not in ("//", "%")) else f"({text})"


def _undone(dividend: Dim, divisor: Dim) -> Dim | None:
    """`n // (n // (n // k))` is `n // k`, whatever sizes n and k are."""
    inner = divisor
    for _ in range(2):
        function = inner.function
        if function is None or function.name != "//" or function.arguments[0] != dividend:
            return None
        found, inner = inner, function.arguments[1]
    return found


def product(dims: Iterator[Dim] | tuple[Dim, ...] | list[Dim]) -> Dim:
    """The product of sizes; 1 where there are none."""
    result = ONE
    for dim in dims:
        result = result * dim
    return result


def common_factor(a: Dim, b: Dim) -> int:
    """The greatest whole number that divides every coefficient of both."""
    return gcd(*(coefficient for dim in (a, b) for _, coefficient in dim.terms.values()))


ZERO = Dim({})
ONE = Dim({_NOTHING: ((), 1)})
