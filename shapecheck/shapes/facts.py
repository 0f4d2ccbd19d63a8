"""Facts: what one path knows of its sizes. Bindings, divisibility, ranks, assumptions."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, fields

from shapecheck.shapes.dim import Atom, Dim, Function, Kind, Symbol
from shapecheck.shapes.rows import rests_of, whole_row
from shapecheck.shapes.shape import Axis, Entry, Factor, Row, Shape
from shapecheck.shapes.substitute import replace


@dataclass
class Facts:
    """The knowledge of one path; it grows while the path runs, and what is learnt late holds for the whole path."""

    bindings: dict[Symbol, Dim] = field(default_factory=dict)
    names: dict[Symbol, str] = field(default_factory=dict)  # what the source calls a size that had no name
    rows: dict[object, tuple[Entry, ...]] = field(default_factory=dict)
    divisible: set[tuple[Dim, Dim]] = field(default_factory=set)
    looked_at: set[tuple[Dim, Dim]] = field(default_factory=set)  # (n, d) whose remainder some code works out
    uneven: set[tuple[Dim, Dim]] = field(default_factory=set)  # (n, d) known to leave a remainder on this path
    assumptions: list[str] = field(default_factory=list)
    assumed: set[object] = field(default_factory=set)  # the keys of the rows whose rank was only assumed
    quotients: dict[tuple[Dim, Dim], Dim] = field(default_factory=dict)  # (n, d) → n // d, as divisions were written
    _known: int = 0  # how much was known when the caches were filled: knowledge only grows
    _shapes: dict[int, tuple[Shape, Shape]] = field(default_factory=dict)
    _simple: dict[Dim, Dim] = field(default_factory=dict)
    _resolved: dict[Dim, Dim] = field(default_factory=dict)

    def copy(self) -> Facts:
        """The same knowledge, to be added to by another path."""
        twin = copy(self)
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, dict | set | list):
                setattr(twin, one.name, value.copy())
        return twin

    # -- resolving --------------------------------------------------------------------------------------------------
    def resolve(self, dim: Dim) -> Dim:
        """The size with everything put in that is known by now."""
        if dim.value is not None or not self._touches(dim):
            return dim
        self._fresh()
        known = self._resolved.get(dim)
        if known is None:
            known = self._resolved[dim] = self._replaced(dim)
            self._resolved[known] = known
        return known

    def _touches(self, dim: Dim) -> bool:
        symbols = dim.symbols()
        return not (self.bindings.keys().isdisjoint(symbols) and self.names.keys().isdisjoint(symbols))

    def _replaced(self, dim: Dim) -> Dim:
        for _ in range(len(self.bindings) + 2):
            if not self._touches(dim):
                break
            new = replace(dim, self._bound)
            if new is dim:
                break
            dim = new
        return dim

    def _bound(self, atom: Atom) -> Dim | None:
        if not isinstance(atom, Symbol):
            return None
        if (dim := self.bindings.get(atom)) is not None:
            return dim
        if (name := self.names.get(atom)) is not None and name != atom.name:
            kind = Kind.OPAQUE if atom.kind is Kind.UNKNOWN else atom.kind
            return Dim.of(Symbol(name, kind, atom.key))
        return None

    def _fresh(self) -> None:
        """Forget what was worked out when less was known."""
        known = len(self.bindings) + len(self.names) + len(self.rows)
        if known != self._known:
            self._known = known
            self._shapes.clear()
            self._simple.clear()
            self._resolved.clear()

    def simplify(self, dim: Dim) -> Dim:
        """Resolved, and `h * (d // h)` read as d: every division is taken to come out even."""
        self._fresh()
        known = self._simple.get(dim)
        if known is None:
            known = self._simple[dim] = self._simplified(dim)
        return known

    def _simplified(self, dim: Dim) -> Dim:
        dim = self.resolve(dim)
        for _ in range(16):
            new = _cancelled(dim)
            if new is dim:
                return dim
            dim = new
        return dim

    def shape(self, shape: Shape) -> Shape:
        """The shape with rows and sizes put in that are known by now."""
        self._fresh()
        cached = self._shapes.get(id(shape))
        if cached is None:
            cached = self._shapes[id(shape)] = (shape, self._shape(shape))  # the shape is kept, and so its id
        return cached[1]

    def _shape(self, shape: Shape) -> Shape:
        entries: list[Entry] = []
        changed = False
        for entry in shape.entries:
            if isinstance(entry, Row):
                found = self.row(entry)
                changed |= found != (entry,)
                entries += found
            else:
                axis = self.axis(entry)
                changed |= axis is not entry
                entries.append(axis)
        return Shape(tuple(entries)) if changed else shape

    def axis(self, axis: Axis) -> Axis:
        if all(self.resolve(factor.size) is factor.size for factor in axis.factors):
            return axis
        return Axis(tuple(self._factor(factor) for factor in axis.factors))

    def _factor(self, factor: Factor) -> Factor:
        size = self.resolve(factor.size)
        if size is factor.size:
            return factor
        return Factor(size, factor.id, factor.origin, factor.part, factor.whole)

    def row(self, row: Row) -> tuple[Entry, ...]:
        bound = self.rows.get(row.key)
        if bound is None:
            return (row,)
        entries: list[Entry] = []
        for entry in bound:
            entries += self.row(entry) if isinstance(entry, Row) else [self.axis(entry)]
        return tuple(entries)

    # -- learning ---------------------------------------------------------------------------------------------------
    def bind(self, symbol: Symbol, dim: Dim) -> bool:
        """Take the symbol to be `dim` from now on; False where that would go in a circle."""
        dim = self.resolve(dim)
        if symbol in dim.symbols() or symbol in self.bindings:
            return False
        self.bindings[symbol] = dim
        return True

    def equate(self, a: Dim, b: Dim) -> bool:
        """Learn a == b by binding one symbol: an unknown or an input's size before any other; False if none is free."""
        a, b = self.simplify(a), self.simplify(b)
        if a == b:
            return True
        sides = [(a, b), (b, a)]
        sides.sort(key=lambda side: _freedom(side[0]))
        return any((symbol := one.symbol) is not None and self.bind(symbol, other) for one, other in sides)

    def owes(self, dividend: Dim, divisor: Dim) -> bool:
        """Whether nothing known so far says that the division comes out even."""
        dividend, divisor = self.resolve(dividend), self.resolve(divisor)
        if dividend.exact_quotient(divisor) is not None:
            return False
        inner = divisor.function
        if inner is not None and inner.name == "//" and dividend.exact_quotient(inner.arguments[0]) is not None:
            return self.owes(*inner.arguments)  # n // k divides n where k does
        for n, d in self.divisible:
            n, d = self.resolve(n), self.resolve(d)
            # n/d whole: so is (k*n)/d, and n/e where d = e*k
            if dividend.exact_quotient(n) is not None and d.exact_quotient(divisor) is not None:
                return False
        return True

    def is_looked_at(self, dividend: Dim, divisor: Dim) -> bool:
        """Whether some code works out the remainder: it may be a check in a form that isn't known to be one."""
        return any((self.resolve(n), self.resolve(d)) == (dividend, divisor) for n, d in self.looked_at)

    def is_uneven(self, dividend: Dim, divisor: Dim) -> bool:
        """Whether the path has looked, found a remainder, and gone on: a check the wrong way round."""
        return any((self.resolve(n), self.resolve(d)) == (dividend, divisor) for n, d in self.uneven)

    # -- comparing --------------------------------------------------------------------------------------------------
    def same(self, a: Dim, b: Dim) -> bool:
        return a == b or self.simplify(a) == self.simplify(b)

    def divide(self, a: Dim, b: Dim) -> Dim | None:
        """a / b where it is known to come out even, with the divisions that were written taken to be even."""
        exact = self.resolve(a).exact_quotient(self.resolve(b))
        if exact is not None:
            return exact
        a, b = self.simplify(a), self.simplify(b)
        exact = a.exact_quotient(b)
        if exact is not None:
            return exact
        dividing = [(self.resolve(n), self.resolve(d)) for n, d in _quotients(b)]
        for n, d in [*dividing, *_quotients(a), *self.quotients, *self.divisible]:
            n, d = self.resolve(n), self.resolve(d)
            if d.value is not None and (n.value is not None or ((n, d) in dividing and self.owes(n, d))):
                continue  # numbers divide or don't, and `n // (n // 32)` need not be 32: nothing is taken for granted
            times = a.exact_quotient(n)
            if times is not None:  # a = times * n = times * d * (n // d)
                parts = times * d * (n // d)
                exact = parts.exact_quotient(b)
                if exact is not None:
                    return self.simplify(exact)
        return None

    def ratio(self, a: Dim, b: Dim) -> Dim | None:
        """k with a == k*b or b == k*a, k being more than 1 for certain: the sizes can't be the same."""
        for one, other in ((a, b), (b, a)):
            k = self.divide(one, other)
            if k is not None and not k.is_one and _more_than_one(k):
                return k
        return None

    def kinds(self, dim: Dim) -> set[Kind]:
        return {symbol.kind for symbol in self.resolve(dim).symbols()}

    def rests_on_assumption(self, shapes: Iterable[Shape | None], borne_out: Iterable[object] = ()) -> bool:
        """Whether shapes have axes that are only there if a rank is as is usual, `borne_out` rows apart."""
        if not self.assumed:
            return False
        certain = {whole_row(key) for key in borne_out}
        of_rank = {row for row in self.assumed if whole_row(row) not in certain}
        known = [shape for shape in shapes if shape is not None]
        keys = [factor.id for shape in known for factor in shape.factors()]
        keys += [symbol.key for shape in known for factor in shape.factors() for symbol in factor.size.symbols()]
        rows = [shape.row.key for shape in known if shape.row is not None]
        assumed = of_rank | {key for row in of_rank if self.rows.get(row) == () for key in rests_of(row)}
        return any(key in assumed for key in rows) or any(
            isinstance(key, tuple) and len(key) == 3 and key[0] in assumed for key in keys
        )

    def of_one_input(self, a: Dim, b: Dim) -> bool:
        """Whether two sizes are different axes of one input: those are never taken to be the same."""
        one, other = self.resolve(a).symbol, self.resolve(b).symbol
        if one is None or other is None or one.kind is not Kind.INPUT or other.kind is not Kind.INPUT:
            return False
        first, second = _input_of(one.key), _input_of(other.key)
        if first is None or first != second:
            return False
        # two axes of a rank that isn't known, one counted from the front and one from the back, may be one axis
        return not any(isinstance(entry, Row) for entry in self.row(Row(first)))


def _input_of(key: object) -> object:
    """The input whose axis a symbol's key names."""
    while isinstance(key, tuple) and len(key) == 3 and key[2] == "size":
        key = whole_row(key[0])
    return key if isinstance(key, tuple) and key[:1] == ("row",) else None


def _freedom(dim: Dim) -> int:
    order = {Kind.UNKNOWN: 0, Kind.INPUT: 1, Kind.OPAQUE: 2, Kind.CONFIG: 3, Kind.CONSTRUCTOR: 4}
    return order[dim.symbol.kind] if dim.symbol is not None else 9


def _more_than_one(k: Dim) -> bool:
    """A number over 1, or a product of constructor's or config's sizes: those are not 1 for all users."""
    if k.value is not None:
        return k.value > 1
    term = k.monomial
    if term is None or term[1] < 1:
        return False
    # a quotient may be 1: num_heads // num_kv_heads
    return all(isinstance(atom, Symbol) and atom.kind in (Kind.CONSTRUCTOR, Kind.CONFIG) for atom, _ in term[0])


def _quotients(dim: Dim) -> Iterable[tuple[Dim, Dim]]:
    for atom in dim.atoms():
        if isinstance(atom, Function) and atom.name == "//":
            yield atom.arguments[0], atom.arguments[1]


def _cancelled(dim: Dim) -> Dim:
    """`d * (n // d)` → n in each term; the same object where there is none."""
    for monomial, coefficient in dim.terms.values():
        for atom, power in monomial:
            if not (isinstance(atom, Function) and atom.name == "//"):
                continue
            rest = dict(monomial)
            rest[atom] = power - 1
            if not rest[atom]:
                del rest[atom]
            others = tuple(rest.items())
            term = Dim({frozenset(others): (others, coefficient)})
            left = term.exact_quotient(atom.arguments[1])
            if left is not None:
                whole = Dim({frozenset(monomial): (monomial, coefficient)})
                return dim - whole + left * atom.arguments[0]
    return dim
