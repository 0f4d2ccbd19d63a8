"""Mask: which places a tensor says to see and which to hide, as far as its making proves it.

A mask of unknown making has no meaning here: an argument called `mask` may be either way round. What `tril`, a compare of
positions, or the ids of padding say is certain, through every view, cast and complement that follows. `shapes.reader`
follows them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.making import BOOL, INT, SAME, Offset, Triangle
from shapecheck.shapes.shape import Axis, Shape

ONE = Dim.of(1)


class Marks(enum.Enum):
    """What the places are that a mask tells apart."""

    CAUSAL = "causal"  # a query's own and earlier positions, and later ones
    PADDING = "padding"  # tokens, and the padding beside them
    LENGTHS = "lengths"  # positions up to a length that was given, and those from there on


@dataclass(frozen=True, slots=True)
class Region:
    """The places to be seen. Causal: keys up to `diagonal` places after a query; None where it isn't a known number.

    `keys` is the axis of the mask that tells keys apart: None for padding of a rank that isn't known.
    """

    marks: Marks
    keys: Axis | None
    queries: Axis | None = None
    diagonal: Dim | None = None

    @property
    def sure(self) -> bool:
        """Whether the other side is no sensible thing to see: only what comes later, only padding."""
        if self.marks is Marks.CAUSAL:
            value = self.diagonal.value if self.diagonal is not None else None
            return value is not None and value >= 0
        return self.marks is Marks.PADDING

    @property
    def turned(self) -> Region:
        """The other side with queries for keys: `mask.T`."""
        diagonal = None if self.diagonal is None else -self.diagonal - ONE
        return replace(self, keys=self.queries, queries=self.keys, diagonal=diagonal)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(axis for axis in (self.keys, self.queries) if axis is not None)


@dataclass(frozen=True, slots=True)
class Mask:
    """A tensor of two values: `seen` at the places to be seen, `hidden` at all others.

    `exact` is False where something unknown was combined with it: then only some of its places are told by `regions`.
    """

    seen: float
    hidden: float
    regions: tuple[Region, ...]
    dtype: str | None
    exact: bool = True

    @property
    def keeps(self) -> bool:
        """Whether 1, or True, means to be seen."""
        return (self.seen, self.hidden) == (1, 0)

    @property
    def hides(self) -> bool:
        """Whether 1, or True, means to be hidden."""
        return (self.seen, self.hidden) == (0, 1)

    @property
    def sure(self) -> bool:
        return any(region.sure for region in self.regions)

    @property
    def is_zero_one(self) -> bool:
        return self.keeps or self.hides


@dataclass(frozen=True, slots=True)
class Constant:
    value: float
    dtype: str | None


@dataclass(frozen=True, slots=True)
class Positions:
    """start, start + 1, … along an axis."""

    axis: Axis
    start: Dim


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the place on one axis lies after that on another, and `more`."""

    keys: Axis
    queries: Axis
    more: Dim


Content = Mask | Constant | Positions | Distance


ORDER: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def triangle(kept: Triangle, shape: Shape | None, value: float, dtype: str | None = None) -> Mask | None:
    """The mask that a triangle of one value is, over the last two axes of a shape, and 0 elsewhere."""
    keys, queries = (None, None) if shape is None else (shape.at(-1), shape.at(-2))
    if keys is None or queries is None or not keys.ids or not queries.ids:
        return None
    diagonal = kept.diagonal
    if kept.upper:
        before = None if diagonal is None else diagonal - ONE
        return Mask(0.0, value, (Region(Marks.CAUSAL, keys, queries, before),), dtype)
    return Mask(value, 0.0, (Region(Marks.CAUSAL, keys, queries, diagonal),), dtype)


def mapped(content: Mask | Constant, by: Callable[[float], float], dtype: str | None = SAME) -> Mask | Constant | None:
    """The same with other values; None where one is no number."""
    kind = content.dtype if dtype == SAME else dtype
    if isinstance(content, Constant):
        value = float(by(content.value))
        return None if math.isnan(value) else Constant(value, kind)
    seen, hidden = float(by(content.seen)), float(by(content.hidden))
    if math.isnan(seen) or math.isnan(hidden):
        return None
    return (
        Constant(seen, kind)
        if seen == hidden and content.exact
        else replace(content, seen=seen, hidden=hidden, dtype=kind)
    )


def cast(content: Mask | Constant, dtype: str | None) -> Content | None:
    if dtype == BOOL:
        return mapped(content, lambda value: value != 0, BOOL)
    return mapped(content, lambda value: value, dtype)


def moved(content: Content | None, offset: Offset) -> Content | None:
    """A number added, or what is left of it."""
    value, size = offset.value, offset.size
    match content:
        case Mask() | Constant() if value is not None:
            return mapped(content, lambda one: value - one if offset.negated else value + one, _arithmetic(content))
        case Positions() if size is not None and not offset.negated:
            return replace(content, start=content.start + size)
        case Distance() if size is not None and not offset.negated:
            return replace(content, more=content.more + size)
    return None


def _arithmetic(content: Mask | Constant) -> str | None:
    return INT if content.dtype == BOOL else content.dtype


def causal(keys: Axis, queries: Axis, how: str, diagonal: Dim) -> Mask | None:
    """`key how query + diagonal`."""
    values = (1.0, 0.0) if how in ("<", "<=") else (0.0, 1.0)
    if how in ("==", "!="):
        return None
    diagonal = diagonal - ONE if how in ("<", ">=") else diagonal
    return Mask(*values, (Region(Marks.CAUSAL, keys, queries, diagonal),), BOOL)


def lengths(axis: Axis | None, *, below: bool) -> Mask | None:
    if axis is None or not axis.ids:
        return None
    return Mask(*((1.0, 0.0) if below else (0.0, 1.0)), (Region(Marks.LENGTHS, axis),), BOOL)


def blurred(mask: Mask) -> Mask:
    return replace(mask, regions=tuple(replace(region, diagonal=None) for region in mask.regions))


def regions_of(mask: Mask) -> list[tuple[object, ...]]:
    return [(one.marks, *(axis.ids for axis in one.axes), one.diagonal) for one in mask.regions]


def sliced(content: Content | None, axes: tuple[tuple[Axis, Axis, Dim | None], ...]) -> Content | None:
    """What is left of a mask after slices: a diagonal moves with the rows and columns that were left out in front."""
    if isinstance(content, Positions):
        cut = next(((after, start) for before, after, start in axes if before.ids == content.axis.ids), None)
        if cut is None:
            return content
        return None if cut[1] is None else Positions(cut[0], content.start + cut[1])
    if not isinstance(content, Mask):
        return content if isinstance(content, Constant) else None
    regions: list[Region] = []
    for region in content.regions:
        for before, after, start in axes:
            moved = None if start is None or region.diagonal is None else region.diagonal
            if region.keys is not None and region.keys.ids == before.ids:
                region = replace(region, keys=after, diagonal=None if moved is None or start is None else moved - start)
            elif region.queries is not None and region.queries.ids == before.ids:
                region = replace(
                    region, queries=after, diagonal=None if moved is None or start is None else moved + start
                )
        regions.append(region)
    return replace(content, regions=tuple(regions))
