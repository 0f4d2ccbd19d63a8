"""unsqueeze, squeeze, expand, repeat, repeat_interleave: axes of size 1, and copies along an axis."""

from __future__ import annotations

from shapecheck.shapes.dim import ONE, Kind
from shapecheck.shapes.shape import Axis, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.reshape import sizes_given
from shapecheck.static.values import Const, Many, Value, number


@op("unsqueeze")
def unsqueeze(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim")
    if dim is None:
        raise Lost("unsqueeze")
    shape = call.run.shape(tensor)
    if shape.rank is None:
        row = shape.row
        assert row is not None
        place = shape.entries.index(row)
        if not (0 <= dim <= place or (dim < 0 and -dim - 1 <= len(shape.entries) - 1 - place)):
            shape = call.run.front(shape, dim - 1) if dim > 0 else call.run.back(shape, dim + 1)
    index = dim if dim >= 0 else len(shape.entries) + dim + 1
    if not 0 <= index <= len(shape.entries):
        raise Lost("unsqueeze")
    return call.emit([tensor], shape.insert(index, Axis()), memory=tensor.memory, origin=tensor.origin)


@op("squeeze")
def squeeze(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim")
    if dim is None:
        axes = call.run.shape(tensor).axes
        if axes is None or any(axis.size.value is None for axis in axes):
            raise Lost("squeeze")
        kept = tuple(axis for axis in axes if not axis.is_one)
        return call.emit([tensor], Shape(kept), memory=tensor.memory, origin=tensor.origin)
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    size = call.run.facts.resolve(axis.size)
    if size.is_one:
        shape = shape.put(place, None)
    elif (
        (size.symbol is not None and size.symbol.kind in (Kind.CONSTRUCTOR, Kind.CONFIG, Kind.UNKNOWN))
        or (size.value is None and size.symbol is None)
        or size.symbol is not None
    ):
        raise Lost("squeeze")
    return call.emit([tensor], shape, memory=tensor.memory, origin=tensor.origin)


@op("expand", "broadcast_to")
def expand(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    sizes = sizes_given(call, [*call.args[1:], *call.kwargs.values()])
    if sizes is None or any(isinstance(size, Row) for size in sizes):
        raise Lost("expand")
    shape = call.run.ranked(call.run.shape(tensor), None)
    if shape.axes is None:
        if any(size.value == -1 for size in sizes):
            raise Lost("rank")
        return call.emit([tensor], Shape(tuple(call.axis(size) for size in sizes)))
    axes = list(shape.axes)
    if len(axes) > len(sizes) or any(size.value == -1 for size in sizes[: len(sizes) - len(axes)]):
        call.run.conflict = True  # torch takes neither: the tensor has another rank
        raise Lost("rank")
    entries: list[Axis] = [
        Axis((call.run.fresh(size, None, Origin.REPEAT),)) for size in sizes[: len(sizes) - len(axes)]
    ]
    for axis, size in zip(axes, sizes[len(sizes) - len(axes) :], strict=False):
        if size.value == -1 or call.run.facts.same(axis.size, size) or not (size.known or axis.is_one):
            entries.append(axis)
        elif len(axis.factors) == 1:  # an axis that isn't 1 must be as long already
            (own,) = axis.factors
            entries.append(Axis((Factor(size, own.id, own.origin, own.part, own.whole),)))
        else:
            entries.append(Axis((call.run.fresh(size, None, Origin.REPEAT),)))
    return call.emit([tensor], Shape(tuple(entries)), origin=tensor.origin)


@op("expand_as")
def expand_as(call: Call) -> Value:
    tensor, other = call.tensor(0), call.tensor(1, "other")
    return call.emit([tensor, other], other.shape, op="expand", origin=tensor.origin)


@op("repeat", "tile")
def repeat(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    if call.args[1:2] and isinstance(call.args[1], Const):
        from shapecheck.static.ops.einops import repeat_pattern

        return repeat_pattern(call)
    counts = sizes_given(call, [*call.args[1:], *(value for value in call.kwargs.values())])
    if counts is None or any(isinstance(count, Row) for count in counts):
        raise Lost("repeat")
    axes = call.run.shape(tensor).axes
    if axes is None:
        raise Lost("rank")
    padded = [*[Axis()] * (len(counts) - len(axes)), *axes]
    counts = [*[ONE] * (len(padded) - len(counts)), *counts]
    entries = [
        axis if count.is_one else Axis((call.run.fresh(count, None, Origin.REPEAT), *axis.factors))
        for count, axis in zip(counts, padded, strict=True)
    ]
    return call.emit([tensor], Shape(tuple(entries)), op="repeat", origin=tensor.origin)


@op("repeat_interleave")
def repeat_interleave(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    count = call.get(1, "repeats")
    dim = call.whole(2, "dim")
    size = number(count) if count is not None and not isinstance(count, Tensor | Many) else None
    if dim is None or size is None:
        raise Lost("repeat_interleave")
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    if not size.is_one:
        axis = Axis((*axis.factors, call.run.fresh(size, None, Origin.REPEAT)))
    return call.emit([tensor], shape.put(place, axis), op="repeat_interleave", origin=tensor.origin)
