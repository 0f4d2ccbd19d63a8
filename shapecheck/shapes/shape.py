"""Shape: named axes that know where they came from.

An Axis is an ordered tuple of Factors: `[b, t, 3*h*d]` reshaped to `[b, t, 3, h, d]` re-brackets the same factors, a
transpose permutes axes, and an axis that was merged from h and d still knows both. A Row stands for axes whose number
is not known (yet): `[*x, d_out]`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from shapecheck.shapes.dim import Dim, Kind, product


class Origin(enum.Enum):
    """What brought an axis about."""

    INPUT = "input"  # an axis of an argument of forward
    LAYER = "layer"  # the output features of a layer, or of a product with a parameter
    PARAMETER = "parameter"
    CREATED = "created"  # zeros, arange, …
    LIST = "list"  # one for each element of a list that was joined or stacked
    REPEAT = "repeat"  # copies made by expand or repeat
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Factor:
    """A size with an identity. `part` = (index, count) where it is one of the parts that an axis was split into."""

    size: Dim = field(compare=False)
    id: object
    origin: Origin = field(compare=False, default=Origin.OTHER)
    part: tuple[int, int] | None = field(compare=False, default=None)
    whole: object = field(compare=False, default=None)  # the id of the factor that it is a part of


@dataclass(frozen=True)
class Axis:
    """An axis: the product of its factors, the outermost first; no factor is an axis of size 1."""

    factors: tuple[Factor, ...] = ()

    @cached_property
    def size(self) -> Dim:
        return product([factor.size for factor in self.factors])

    @property
    def ids(self) -> frozenset[object]:
        return frozenset(factor.id for factor in self.factors)

    @property
    def is_one(self) -> bool:
        return self.size.is_one

    def __str__(self) -> str:
        return str(self.size)


@dataclass(frozen=True, slots=True)
class Row:
    """Axes whose number isn't known. `given` where they belong to an argument of forward: its sizes are the user's."""

    key: object
    name: str = field(compare=False, default="…")
    given: bool = field(compare=False, default=False)

    def __str__(self) -> str:
        return f"*{self.name}"


Entry = Axis | Row


@dataclass(frozen=True)
class Shape:
    """A tuple of axes, with at most one Row among them."""

    entries: tuple[Entry, ...] = ()

    @property
    def row(self) -> Row | None:
        return next((entry for entry in self.entries if isinstance(entry, Row)), None)

    @property
    def axes(self) -> tuple[Axis, ...] | None:
        """The axes, where their number is known."""
        axes = tuple(entry for entry in self.entries if isinstance(entry, Axis))
        return axes if len(axes) == len(self.entries) else None

    @property
    def rank(self) -> int | None:
        return None if self.row else len(self.entries)

    @property
    def known(self) -> bool:
        """Whether the rank and every size is known."""
        return all(isinstance(entry, Axis) and entry.size.known for entry in self.entries)

    @property
    def total(self) -> Dim | None:
        """The number of elements."""
        axes = self.axes
        return None if axes is None else product([axis.size for axis in axes])

    def at(self, index: int) -> Axis | None:
        """The axis at a place counted from either end; None where a Row lies between or there is none."""
        if index >= len(self.entries) or index < -len(self.entries):
            return None
        stretch = self.entries[: index + 1] if index >= 0 else self.entries[index:]
        if any(isinstance(entry, Row) for entry in stretch):
            return None
        entry = self.entries[index]
        return entry if isinstance(entry, Axis) else None

    def position(self, index: int) -> int | None:
        """The place in `entries`, never negative; None where a Row hides it or there is none."""
        return None if self.at(index) is None else index % len(self.entries)

    def put(self, index: int, axis: Axis | None) -> Shape:
        """The shape with the axis at `index` (of entries) replaced, or taken out for None."""
        return Shape((*self.entries[:index], *((axis,) if axis is not None else ()), *self.entries[index + 1 :]))

    def insert(self, index: int, axis: Axis) -> Shape:
        return Shape((*self.entries[:index], axis, *self.entries[index:]))

    def factors(self) -> Iterator[Factor]:
        for entry in self.entries:
            if isinstance(entry, Axis):
                yield from entry.factors

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.entries))}]"


def is_opaque(axes: Iterable[Axis]) -> bool:
    """Whether some size is unknown."""
    return any(symbol.kind is Kind.UNKNOWN for axis in axes for symbol in axis.size.symbols())


def is_heads(axis: Axis) -> bool:
    """Whether an axis counts heads: a part, but not the last one, of what a layer gave out. 2 and 3 are packs of q, k, v."""
    parts = [factor for factor in axis.factors if factor.part is not None]
    return bool(parts) and all(is_head_part(factor) for factor in axis.factors if factor.origin is not Origin.REPEAT)


def is_head_part(factor: Factor) -> bool:
    """Whether a factor alone counts heads."""
    if factor.origin is not Origin.LAYER or factor.part is None or factor.size.value in (1, 2, 3):
        return False
    return factor.part[0] < factor.part[1] - 1


def is_tokens(axis: Axis) -> bool:
    """Whether an axis is an input's own."""
    return bool(axis.factors) and all(factor.origin is Origin.INPUT for factor in axis.factors)
