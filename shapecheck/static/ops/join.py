"""Tensors joined: cat along an axis, stack along a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapecheck.shapes.details import Detail, Joined, Meeting
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.shape import Axis, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import Many, Seq, Value

if TYPE_CHECKING:
    from shapecheck.static.run import Run


def _joined(call: Call) -> tuple[list[Tensor], Dim | None, bool]:
    """The tensors of a list, how many they are, and whether one stands for all."""
    value = call.get(0, "tensors")
    if not isinstance(value, Seq) or value.unsure:
        raise Lost(call.name)
    tensors: list[Tensor] = []
    count: Dim | None = Dim.of(len(value.items))
    many = False
    for item in value.items:
        if isinstance(item, Row):
            raise Lost(call.name)
        one = item.element if isinstance(item, Many) else item
        tensor = call.run.tensor(one, call.node)
        if tensor is None:
            raise Lost(call.name)
        if isinstance(item, Many):
            many, count = True, item.count if len(value.items) == 1 else None
        tensors.append(tensor)
    if not tensors:
        raise Lost(call.name)
    return tensors, count, many


@op("cat", "concat", "concatenate")
def cat(call: Call) -> Value:
    tensors, count, many = _joined(call)
    dim = call.whole(1, "dim", call.whole(1, "axis", 0))
    assert dim is not None
    run = call.run
    align(run, [run.shape(tensor) for tensor in tensors])
    shapes = [call.shape(tensor, dim) for tensor in tensors]
    axes = [shape.at(dim) for shape in shapes]
    known = [axis for axis in axes if axis is not None]
    place = shapes[0].position(dim)
    assert place is not None
    if many:
        size = count if count is not None else run.unknown_size()
        axis = Axis((run.fresh(size, None, Origin.LIST), *known[0].factors))
        symbol = known[0].size.symbol
        if symbol in run.stretches and len(tensors) == 1:  # all the stretches that an axis was cut into
            axis = run.axis(run.stretches[symbol].size, _origin([run.stretches[symbol]]))
        shape = shapes[0].put(place, axis)
        return call.emit(tensors, shape, Joined(axis, size), op="cat", memory=in_order(run, shape))
    total = Dim.of(0)
    for axis in known:
        total = total + axis.size
    same = all(run.facts.same(axis.size, known[0].size) for axis in known)
    if same and len(known) > 1:
        axis = Axis((run.fresh(Dim.of(len(known)), None, Origin.LIST), *known[0].factors))
    else:
        axis = known[0] if len(known) == 1 else run.axis(total, _origin(known))
    merged = _merged_others(call, shapes, dim)
    detail: Detail = Joined(axis, Dim.of(len(tensors)))
    clash = _clash(run, shapes, place)
    if clash is not None:
        detail = Meeting(*clash, run.facts.ratio(clash[0].size, clash[1].size))
    else:
        _agree_beside(run, shapes, place)
    shape = (
        merged.put(merged.position(dim) or 0, axis) if merged.position(dim) is not None else shapes[0].put(place, axis)
    )
    origin = tensors[0].origin if len({tensor.origin for tensor in tensors}) == 1 else Origin.OTHER
    return call.emit(tensors, shape, detail, op="cat", memory=in_order(run, shape), origin=origin)


def align(run: Run, shapes: list[Shape]) -> None:
    """Give all the rank that one is known to have: no others are joined."""
    ranks = {shape.rank for shape in shapes if shape.rank is not None}
    if len(ranks) != 1 or ranks == {1}:  # an empty list of tensors may begin as torch.tensor([])
        return
    (rank,) = ranks
    for shape in shapes:
        if shape.row is not None and run.facts.assumed:
            run.supposed(shape, rank, "joined to what has as many axes")
        elif shape.row is not None:
            run.ranked(shape, rank)


def _clash(run: Run, shapes: list[Shape], place: int) -> tuple[Axis, Axis] | None:
    """Two axes beside the one that is joined which are never the same size."""
    first = shapes[0]
    for other in shapes[1:]:
        if first.rank is None or first.rank != other.rank:
            continue
        for index, (one, two) in enumerate(zip(first.entries, other.entries, strict=True)):
            if index == place or not isinstance(one, Axis) or not isinstance(two, Axis):
                continue
            never = run.facts.ratio(one.size, two.size) is not None and Kind.UNKNOWN not in run.facts.kinds(one.size)
            if never and not _inputs_only(run, one, two):
                return one, two
    return None


def _agree_beside(run: Run, shapes: list[Shape], place: int) -> None:
    """Learn that inputs are as long beside the axis that is joined: torch broadcasts nothing there."""
    for other in shapes[1:]:
        if shapes[0].rank is None or shapes[0].rank != other.rank:
            continue
        for index, (one, two) in enumerate(zip(shapes[0].entries, other.entries, strict=True)):
            if index != place and isinstance(one, Axis) and isinstance(two, Axis):
                if run.facts.kinds(one.size) | run.facts.kinds(two.size) == {Kind.INPUT}:
                    run.facts.equate(one.size, two.size)


def _inputs_only(run: Run, one: Axis, two: Axis) -> bool:
    return bool((run.facts.kinds(one.size) | run.facts.kinds(two.size)) & {Kind.INPUT, Kind.OPAQUE})


def _origin(axes: list[Axis]) -> Origin:
    origins = {factor.origin for axis in axes for factor in axis.factors}
    return origins.pop() if len(origins) == 1 else Origin.OTHER


def _merged_others(call: Call, shapes: list[Shape], dim: int) -> Shape:
    """The axes that aren't joined, from whichever operand knows most of them."""
    best = shapes[0]
    for shape in shapes[1:]:
        if (best.row is not None and shape.row is None) or (
            best.rank is not None and best.rank == shape.rank and not best.known and shape.known
        ):
            best = shape
    return best


@op("stack", "hstack", "vstack")
def stack(call: Call) -> Value:
    value = call.get(0, "tensors")
    if call.name != "stack" or not isinstance(value, Seq):
        raise Lost(call.name)
    dim = call.whole(1, "dim", 0)
    assert dim is not None
    return stacked(call, value, dim)


def stacked(call: Call, value: Seq, dim: int) -> Value:
    """A list of tensors of one shape, with a new axis."""
    inner = Call(call.run, call.node, "stack", [value], {})
    tensors, count, _ = _joined(inner)
    shape = call.run.shape(tensors[0])
    for other in tensors[1:]:
        found = call.run.shape(other)
        shape = found if shape.row is not None and found.row is None else shape
    size = count if count is not None else call.run.unknown_size()
    axis = Axis((call.run.fresh(size, None, Origin.LIST),)) if not size.is_one else Axis()
    if shape.row is not None and not (dim == 0 or -len(shape.entries) + shape.entries.index(shape.row) <= dim < 0):
        raise Lost("rank")
    place = dim if dim >= 0 else len(shape.entries) + 1 + dim
    result = shape.insert(place, axis)
    return call.run.emit("stack", call.node, tensors, result, Joined(axis, size), memory=in_order(call.run, result))
