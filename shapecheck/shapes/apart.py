"""When two sizes that are said to be one never are: what comments and annotations are held against."""

from __future__ import annotations

from collections.abc import Sequence

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.facts import Facts

_SETTLED = frozenset({Kind.INPUT, Kind.CONSTRUCTOR, Kind.CONFIG})


def is_settled(facts: Facts, size: Dim) -> bool:
    """Whether a size is made of those that arguments and configs have: nothing of it is computed by other means."""
    return facts.kinds(size) <= _SETTLED


def never_same(
    facts: Facts, one: Dim, other: Dim, *, exactly: bool = True, named: bool = False, moved: bool = False
) -> bool:
    """Whether two sizes are never the same.

    `named` where the function has names for both, and they are different ones, `moved` where the one that is wanted stands
    somewhere else: then an input's size isn't a constructor's by chance. A token more or less makes no other size unless `exactly` one is meant.
    """
    a, b = facts.simplify(one), facts.simplify(other)
    if a == b or not a.known or not b.known:
        return False
    if a.value is not None and b.value is not None:
        return True
    if a.value is not None or b.value is not None:
        return moved  # else a size that is taken for granted
    if (named or moved) and is_settled(facts, a) and is_settled(facts, b):
        return True
    if (a - b).value is not None:
        return exactly
    return facts.ratio(a, b) is not None or facts.of_one_input(a, b)


def exchanged(facts: Facts, place: int, wanted: Sequence[Dim | None], there: Sequence[Dim]) -> bool:
    """Whether the size that is wanted at a place is at another one instead, where something else is wanted."""
    size = wanted[place]
    return size is not None and any(
        index != place and facts.same(size, other) and ((own := wanted[index]) is None or not facts.same(own, other))
        for index, other in enumerate(there)
    )
