"""How a mask lies on the scores that it meets: where their keys and queries are in it, and along which it differs."""

from __future__ import annotations

import enum
from dataclasses import replace

from shapecheck.shapes.masks import Marks, Mask, Region
from shapecheck.shapes.shape import Axis, Shape


class Falls(enum.Enum):
    """The axes of the scores along which a mask differs."""

    KEYS = "keys"
    QUERIES = "queries"
    BOTH = "both"
    UNKNOWN = "unknown"


def place_of(shape: Shape, axis: Axis | None) -> int | None:
    """Where an axis stands, counted from the end; None where it isn't found."""
    for back in range(1, len(shape.entries) + 1):
        own = shape.at(-back)
        if axis is not None and own is not None and own.ids and own.ids == axis.ids:
            return back
    return None


def oriented(made: Mask, shape: Shape | None, keys: int, queries: int | None) -> Mask | None:
    """A mask as it falls on the scores, whose keys and queries stand at these places from the end.

    What lies the other way round, `mask.T`, is a causal mask of the other sense.
    """
    regions: list[Region] = []
    flipped = False
    for region in made.regions:
        own = place_of(shape, region.keys) if shape is not None else None
        if region.keys is None:
            regions.append(region)
            continue
        if region.queries is None or region.marks is not Marks.CAUSAL:
            if own not in (keys, queries):
                return None
            regions.append(region)
            continue
        other = place_of(shape, region.queries) if shape is not None else None
        if (own, other) == (queries, keys):
            flipped, region = True, region.turned
        elif (own, other) != (keys, queries):
            return None
        regions.append(region)
    if flipped:
        return None if len(regions) > 1 else replace(made, seen=made.hidden, hidden=made.seen, regions=tuple(regions))
    return replace(made, regions=tuple(regions))


def falls_of(shape: Shape | None, keys: int | None, queries: int | None) -> Falls:
    """Along which of the scores' axes a mask of this shape differs."""
    if shape is None or keys is None or queries is None:
        return Falls.UNKNOWN
    found = [_differs(shape, place) for place in (keys, queries)]
    match found:
        case [True, False]:
            return Falls.KEYS
        case [False, True]:
            return Falls.QUERIES
        case [True, True]:
            return Falls.BOTH
    return Falls.UNKNOWN


def _differs(shape: Shape, back: int) -> bool | None:
    """Whether a mask has an axis of its own at a place; None where that isn't known."""
    axis = shape.at(-back)
    if axis is None:
        return False if shape.rank is not None and back > shape.rank else None
    if axis.is_one:
        return False
    return True if axis.ids and axis.size.known else None
