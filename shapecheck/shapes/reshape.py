"""reshape as an equation and as an alignment of factors: grouped, split, scrambled or impossible.

A reshape keeps the order of the elements. It is a pure grouping and splitting iff the factors of the old axes can be
bracketed anew into the new ones; where the bracketing is stuck, the order of two axes may be lost. That alone proves
nothing, since the factors of a symbol are unknown: see `_exchanged`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shapecheck.shapes.dim import ONE, Dim, Kind, product
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.shape import Axis, Factor, Origin, is_heads


class Verdict(enum.Enum):
    REGROUPED = "regrouped"
    SCRAMBLED = "scrambled"
    UNEQUAL = "unequal"  # the number of elements can't be the same
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Regrouping:
    """What a reshape does: the new axes, and for a scrambled one the factor that stands where `need` had to come."""

    verdict: Verdict
    axes: tuple[Axis, ...]
    left: Dim | None = None  # SCRAMBLED: the size that stands there. UNEQUAL: how many times too many or too few
    need: Dim | None = None
    splits: tuple[tuple[object, tuple[Factor, ...]], ...] = ()  # the parts that a factor was cut into
    unless: tuple[Dim, Dim] | None = None  # UNEQUAL: a length and a number of heads that would have to be the same


def regroup(
    old: Sequence[Axis], new: Sequence[Dim], facts: Facts, fresh: Callable[[Dim, str], Factor], *, ordered: bool = True
) -> Regrouping:
    """The reshape of `old` to sizes `new` (no -1 among them any more).

    `fresh` makes a factor of a size with an identity of its own. `ordered` is False for tensors whose axes hold no
    order yet (zeros, a Parameter): they may be cut in any order.
    """
    total_old, total_new = product([axis.size for axis in old]), product(list(new))
    if not facts.same(total_old, total_new):
        ratio = facts.ratio(total_old, total_new)
        axes = tuple(Axis((fresh(size, "reshaped"),)) for size in new)
        if ratio is None and _fraction(total_old, total_new, facts):
            return Regrouping(Verdict.UNEQUAL, axes)
        if ratio is not None:
            return Regrouping(Verdict.UNEQUAL, axes, left=ratio)
        unless = length_for_heads(old, total_new, facts)
        if unless is not None:
            return Regrouping(Verdict.UNEQUAL, axes, unless=unless)
        if _balance(total_old, total_new, facts) is False:
            return _with_known_end(Regrouping(Verdict.UNKNOWN, axes), old, new, facts, fresh)
    found = _align(old, new, facts, fresh, ordered=ordered)
    return _with_known_end(found, old, new, facts, fresh) if found.verdict is Verdict.UNKNOWN else found


def _fraction(a: Dim, b: Dim, facts: Facts) -> bool:
    """Whether one is a constant fraction of the other, like 2 to 3."""
    a, b = facts.simplify(a), facts.simplify(b)
    if a.monomial is None or b.monomial is None:
        return False
    return frozenset(a.monomial[0]) == frozenset(b.monomial[0]) and a.monomial[1] != b.monomial[1]


def length_for_heads(axes: Sequence[Axis], total: Dim, facts: Facts) -> tuple[Dim, Dim] | None:
    """A length and a number of heads beside it that must be the same for `axes` to hold `total` elements.

    Nobody means that: it is how a merge shows that took its sizes from axes in the wrong order.
    """
    heads = [axis.size for axis in axes if is_heads(axis)]
    for place, axis in enumerate(axes) if heads else ():
        if place and all(factor.origin is Origin.INPUT for factor in axis.factors) and not axis.is_one:
            others = product([other.size for other in axes if other is not axis])
            wanted = facts.divide(total, others)
            if wanted is not None and any(facts.same(wanted, size) for size in heads):
                return facts.resolve(axis.size), wanted
    return None


def _balance(a: Dim, b: Dim, facts: Facts) -> bool:
    """Read the reshape as an equation: bind the one free symbol that makes both totals equal."""
    a, b = facts.simplify(a), facts.simplify(b)
    if a.monomial is None or b.monomial is None:
        return False
    left, right = dict(a.monomial[0]), dict(b.monomial[0])
    for atom in list(left):
        shared = min(left[atom], right.get(atom, 0))
        if shared:
            for side in (left, right):
                side[atom] -= shared
                if not side[atom]:
                    del side[atom]
    one = Dim({frozenset(left.items()): (tuple(left.items()), a.monomial[1])})
    other = Dim({frozenset(right.items()): (tuple(right.items()), b.monomial[1])})
    order = {Kind.INPUT: 0, Kind.OPAQUE: 1, Kind.CONFIG: 2, Kind.CONSTRUCTOR: 3}
    free = []
    for lhs, rhs in ((one, other), (other, one)):
        for atom, power in lhs.monomial[0] if lhs.monomial else ():
            symbol = Dim.of(atom).symbol
            if symbol is None or power != 1 or symbol.kind not in order:
                continue
            rest = lhs.exact_quotient(Dim.of(atom))
            value = facts.divide(rhs, rest) if rest is not None else None
            if value is not None and value.known and not value.is_one:
                free.append((order[symbol.kind], len(lhs.monomial[0]) if lhs.monomial else 0, symbol, value))
    free.sort(key=lambda entry: entry[:2])
    return bool(free) and facts.bind(free[0][2], free[0][3])


def _align(
    old: Sequence[Axis], given: Sequence[Dim], facts: Facts, fresh: Callable[[Dim, str], Factor], *, ordered: bool
) -> Regrouping:
    """Take the old factors in order for the new sizes, divisions taken to come out even; an axis of its own is as given."""
    new = [facts.simplify(size) for size in given]
    rest = [factor for axis in old for factor in axis.factors]
    axes: list[Axis] = []
    for place, size in enumerate(new):
        need, taken = size, list[Factor]()
        while not need.is_one:
            if not rest:
                return _unknown(axes, given, fresh)
            factor = rest.pop(0)
            left = facts.simplify(factor.size)
            if left.is_one:
                continue
            if left == need:
                taken.append(factor)
                break
            if (quotient := facts.divide(need, left)) is not None and not _opaque(left):
                taken.append(factor)
                need = quotient
                continue
            cut = _cut(left, need, new[place + 1 :], facts)
            if cut is not None:
                part, remainder = _halves(factor, need, cut, fresh)
                taken.append(part)
                rest.insert(0, remainder)
                break
            shifted = len(old) == len(new) and not _features((factor, *rest))
            if ordered and not shifted and _exchanged(left, need, rest, new[place + 1 :], facts):
                axes.append(Axis((*taken, fresh(need, "scrambled"))))
                axes += [Axis((fresh(after, "scrambled"),)) for after in given[place + 1 :]]
                return Regrouping(Verdict.SCRAMBLED, _with_parts(axes).axes, left, need)
            return _unknown(axes, given, fresh)
        axes.append(Axis(tuple(taken)))
    return _with_parts(axes)


def _cut(left: Dim, need: Dim, later: Sequence[Dim], facts: Facts) -> Dim | None:
    """What remains of `left` when `need` is cut off its front: exact, or as the sizes after it tell."""
    quotient = facts.divide(left, need)
    if quotient is not None:
        return quotient
    following = ONE
    for size in later:
        following = following * size
        if facts.same(need * following, left):
            return following
    return None


def _with_known_end(
    found: Regrouping, old: Sequence[Axis], new: Sequence[Dim], facts: Facts, fresh: Callable[[Dim, str], Factor]
) -> Regrouping:
    """A regrouping of which only the end is known: the last axes hold the same elements as the last ones before.

    `[s, t, h*d]` to `[b, -1, h, d]` splits h*d, whatever becomes of s and t.
    """
    for start in range(1, len(old)):
        total = product([axis.size for axis in old[start:]])
        if any(_opaque(axis.size) for axis in old[start:]) or total.is_one:
            continue
        for place in range(1, len(new)):
            if facts.same(product(list(new[place:])), total):
                end = _align(old[start:], [facts.simplify(size) for size in new[place:]], facts, fresh, ordered=False)
                if end.verdict is Verdict.REGROUPED:
                    return Regrouping(Verdict.UNKNOWN, (*found.axes[:place], *end.axes))
    return found


def _halves(factor: Factor, need: Dim, rest: Dim, fresh: Callable[[Dim, str], Factor]) -> tuple[Factor, Factor]:
    whole = factor.whole if factor.part == (-1, -1) else factor.id
    first, second = fresh(need, "part"), fresh(rest, "part")
    origin = factor.origin
    return (
        Factor(need, first.id, origin, (-1, -1), whole),
        Factor(rest, second.id, origin, (-1, -1), whole),
    )


def _with_parts(axes: Sequence[Axis]) -> Regrouping:
    """Number the parts of each factor that was cut: the first of three is (0, 3)."""
    parts: dict[object, list[Factor]] = {}
    for axis in axes:
        for factor in axis.factors:
            if factor.part == (-1, -1):
                parts.setdefault(factor.whole, []).append(factor)
    numbered = {
        factor.id: Factor(factor.size, factor.id, factor.origin, (index, len(group)), factor.whole)
        for group in parts.values()
        for index, factor in enumerate(group)
    }
    done = tuple(Axis(tuple(numbered.get(factor.id, factor) for factor in axis.factors)) for axis in axes)
    splits = tuple((whole, tuple(numbered[part.id] for part in group)) for whole, group in parts.items())
    return Regrouping(Verdict.REGROUPED, done, splits=splits)


def _unknown(axes: Sequence[Axis], new: Sequence[Dim], fresh: Callable[[Dim, str], Factor]) -> Regrouping:
    done = list(_with_parts(axes).axes)
    return Regrouping(Verdict.UNKNOWN, (*done, *(Axis((fresh(size, "reshaped"),)) for size in new[len(done) :])))


def _exchanged(left: Dim, need: Dim, rest: Sequence[Factor], later: Sequence[Dim], facts: Facts) -> bool:
    """Positive evidence that two axes change places: what stands here comes later, what is needed stood later.

    `[b, h, t, d]` → `[b, t, h*d]`: h stands where t must come, h divides a later new size, t divides what is left of the old.
    """
    if _opaque(left) or _opaque(need) or (left.value is not None and need.value is not None):
        return False
    stood_later = facts.divide(product([factor.size for factor in rest]), need)
    comes_later = facts.divide(product(list(later)), left)
    return stood_later is not None and comes_later is not None


def _features(factors: Sequence[Factor]) -> bool:
    """Whether features or heads are among the factors: two lengths may be exchanged on purpose (the relative shift)."""
    return any(factor.origin in (Origin.LAYER, Origin.LIST) for factor in factors)


def _opaque(dim: Dim) -> bool:
    return any(symbol.kind is Kind.UNKNOWN for symbol in dim.symbols())


HELD = frozenset({Origin.CREATED, Origin.PARAMETER})  # axes that hold no order of tokens yet
