"""Rows: the axes that a row of them has given up, and what those are called."""

from __future__ import annotations

from collections.abc import Iterator

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.shape import Axis, Factor, Origin, Row, Shape


def of_row(row: Row, place: int, name: str, size: Dim | None = None) -> Axis:
    """An axis that a row gives up: an input's own, or one of a tensor that nothing is known of."""
    kind, origin = (Kind.INPUT, Origin.INPUT) if row.given else (Kind.UNKNOWN, Origin.OTHER)
    return Axis(
        (Factor(size or Dim.of(Symbol(name, kind, (row.key, place, "size"))), (row.key, place, "axis"), origin),)
    )


def axis_of_row(key: object, place: int, *, given: bool) -> Axis:
    """The same by the row's key alone."""
    whole = whole_row(key)
    value = whole[1] if isinstance(whole, tuple) and len(whole) > 1 else None  # ("param", owner, name)
    word = word_of(str(value[-1])) if isinstance(value, tuple) else "x"
    name = f"{word}_last{given_up(key)}" if place < 0 else f"{word}_{ahead(key) + place}"
    return of_row(Row(key, word, given), place, name)


def rows_of(shape: Shape) -> set[object]:
    """The keys of the rows that gave a shape its axes."""
    return {factor.id[0] for factor in shape.factors() if isinstance(factor.id, tuple)}


def ahead(key: object) -> int:
    """How many axes a row's front has given up."""
    count = 0
    while given_up(key):
        assert isinstance(key, tuple)
        count, key = count + (key[1] == 1), key[0]
    return count


def rests_of(key: object) -> Iterator[object]:
    """The row that this one is the rest of, and so on: an empty rest leaves no axis of its own to be known by."""
    while given_up(key):
        assert isinstance(key, tuple)
        key = key[0]
        yield key


def whole_row(key: object) -> object:
    """The key of the row that a row is the rest of in the end."""
    for above in rests_of(key):
        key = above
    return key


def given_up(key: object) -> int:
    """How many axes a row has given up, on either side."""
    count = 0
    while isinstance(key, tuple) and len(key) == 2 and key[1] in (1, -1) and isinstance(key[0], tuple):
        count += 1
        key = key[0]
    return count


def word_of(name: str) -> str:
    """What the axes of a row are called by, where its name is an expression too."""
    return name if name.isidentifier() else "x"
