"""What a tensor holds → what the result of an op holds of it: axes are broadcast, moved about, or lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from shapecheck.shapes.masks import Constant, Content, Distance, Mask, Positions, Region
from shapecheck.shapes.shape import Axis, Shape

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Step, Tensor


class Steps(Protocol):
    """A trace, or a path that is still being run."""

    @property
    def steps(self) -> Sequence[Step]: ...

    @property
    def changed(self) -> Mapping[int, int]: ...

    def shape(self, tensor: Tensor) -> Shape | None: ...


def axis_of(steps: Steps, tensor: Tensor, index: int) -> Axis | None:
    """An axis of a tensor by its place; None where that isn't known."""
    shape = steps.shape(tensor)
    return None if shape is None else shape.at(index)


def onto(steps: Steps, axis: Axis, step: Step, place: int) -> Axis | None:
    """The axis of the result that an axis of an operand is broadcast to."""
    shape = steps.shape(step.operands[place]) if place < len(step.operands) else None
    if shape is None:
        return None
    for back in range(1, len(shape.entries) + 1):
        own = shape.at(-back)
        if own is not None and own.ids == axis.ids:
            return axis_of(steps, step.result, -back)
    return None


def on_result(steps: Steps, content: Content | None, step: Step, place: int) -> Mask | None:
    """A mask after it was broadcast: its axes are those of the result."""
    if not isinstance(content, Mask):
        return None
    regions: list[Region] = []
    for region in content.regions:
        keys, queries = (
            None if axis is None else onto(steps, axis, step, place) for axis in (region.keys, region.queries)
        )
        for old, new in ((region.keys, keys), (region.queries, queries)):
            if old is not None and (new is None or not new.ids):
                return None
        regions.append(replace(region, keys=keys, queries=queries))
    return replace(content, regions=tuple(regions))


def all_on_result(steps: Steps, operands: list[Content | None], step: Step) -> list[Content | None]:
    """What operands hold, with each mask broadcast."""
    return [on_result(steps, one, step, place) if isinstance(one, Mask) else one for place, one in enumerate(operands)]


def carried(steps: Steps, content: Content | None, step: Step) -> Content | None:
    """What the result holds of an op that only stretches or moves its first operand."""
    return on_result(steps, content, step, 0) if isinstance(content, Mask) else kept(steps, content, step)


def kept(steps: Steps, content: Content | None, step: Step) -> Content | None:
    """What is held after axes were moved about: lost where an axis that it is told by is gone."""
    if isinstance(content, Constant) or content is None:
        return content
    shape = steps.shape(step.result)
    left = {axis.ids for axis in shape.entries if isinstance(axis, Axis)} if shape is not None else set()
    match content:
        case Positions(axis):
            return content if axis.ids and axis.ids in left else None
        case Distance(keys, queries):
            return content if keys.ids in left and queries.ids in left else None
        case Mask(regions=regions):
            left_over = [
                region if region.queries is None or region.queries.ids in left else replace(region, queries=None)
                for region in regions
                if region.keys is None or region.keys.ids in left
            ]
            whole = left_over and (step.op == "gather" or all(axis.ids in left for one in regions for axis in one.axes))
            return replace(content, regions=tuple(left_over)) if whole else None
