"""When two sizes that are said to be one never are: what comments and annotations are held against."""

from __future__ import annotations

from collections.abc import Sequence

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.shape import Axis

_SETTLED = frozenset({Kind.INPUT, Kind.CONSTRUCTOR, Kind.CONFIG})


def is_settled(facts: Facts, size: Dim) -> bool:
    """Whether a size is made of those that arguments and configs have: nothing of it is computed by other means."""
    if not facts.kinds(size) <= _SETTLED:
        return False
    given = [symbol for symbol in facts.resolve(size).symbols() if symbol.kind is Kind.INPUT]
    if size.symbol is not None:
        return not given or _is_length(given[0])
    return not given or all(isinstance(atom, Symbol) for atom in size.atoms())  # h*w: nobody's features


def _is_length(symbol: Symbol) -> bool:
    """Whether a size of an input is that of an axis, and not of its last one: features are as many as a layer takes."""
    match symbol.key:
        case (_, int(place), "size"):
            return place >= 0
    return False


def never_same(
    facts: Facts, one: Dim, other: Dim, *, exactly: bool = True, named: bool = False, moved: bool = False
) -> bool:
    """Whether two sizes are never the same.

    `named` where the function has names for both, and they are different ones, `moved` where the one that is wanted stands
    somewhere else: then an input's size isn't a constructor's by chance. A token more or less makes no other size unless `exactly` one is meant.
    """
    a, b = facts.simplify(one), facts.simplify(other)
    if a == b or str(a) == str(b) or not a.known or not b.known:
        return False
    if _leads(a) and _leads(b):
        return False  # the batch of two inputs is one
    if a.value is not None and b.value is not None:
        return True
    if a.value is not None or b.value is not None:
        return moved  # else a size that is taken for granted
    if is_settled(facts, a) and is_settled(facts, b) and (moved or (named and not _of_inputs(a, b))):
        return True
    if (a - b).value is not None:
        return exactly
    return facts.ratio(a, b) is not None or facts.of_one_input(a, b)


def _of_inputs(a: Dim, b: Dim) -> bool:
    """Whether both are made of inputs' sizes: those of two inputs may be one by convention."""
    return all({symbol.kind for symbol in size.symbols()} == {Kind.INPUT} for size in (a, b))


def _leads(size: Dim) -> bool:
    """Whether a size is that of an input's first axis."""
    symbol = size.symbol
    if symbol is None or symbol.kind is not Kind.INPUT:
        return False
    match symbol.key:
        case ((("row", *_)), 0, "size"):
            return True
    return False


def is_borrowed(axis: Axis) -> bool:
    """Whether an input's axis is only known to be as long as another input's: they met once, and may both be square."""
    for factor in axis.factors:
        symbol = factor.size.symbol
        match factor.id:
            case (row, place, "axis") if symbol is not None and symbol.kind is Kind.INPUT:
                if symbol.key != (row, place, "size"):
                    return True
    return False


def exchanged(facts: Facts, place: int, wanted: Sequence[Dim | None], there: Sequence[Dim]) -> bool:
    """Whether the size that is wanted at a place is at another one instead, where something else is wanted."""
    size = wanted[place]
    return size is not None and any(
        index != place and facts.same(size, other) and ((own := wanted[index]) is None or not facts.same(own, other))
        for index, other in enumerate(there)
    )
