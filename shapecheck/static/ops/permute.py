"""transpose, permute, movedim, .T: the same axes in another order."""

from __future__ import annotations

from shapecheck.shapes.shape import Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.values import Many, Seq, Value, number


@op("transpose", "swapaxes", "swapdims")
def transpose(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    first, second = call.whole(1, "dim0"), call.whole(2, "dim1")
    if first is None or second is None:
        raise Lost("transpose")
    shape = call.shape(tensor, first, second)
    a, b = shape.position(first), shape.position(second)
    assert a is not None and b is not None
    if shape.row is not None and (first >= 0) != (second >= 0):
        shape = call.run.ranked(shape, None, "transpose")
        if shape.row is not None:
            raise Lost("rank")
        a, b = first % len(shape.entries), second % len(shape.entries)
    entries = list(shape.entries)
    entries[a], entries[b] = entries[b], entries[a]
    return permuted(call, tensor, Shape(tuple(entries)))


def permuted(call: Call, tensor: Tensor, shape: Shape) -> Value:
    memory = tensor.memory
    return call.emit([tensor], shape, op="permute", memory=memory, origin=tensor.origin)


@op("permute")
def permute(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    values = call.args[1:] or [call.kwargs.get("dims")]
    if len(values) == 1 and isinstance(values[0], Seq):
        values = values[0].items
    order = [number(value) if value is not None and not isinstance(value, Row | Many) else None for value in values]
    known = [dim.value for dim in order if dim is not None and dim.value is not None]
    if len(known) != len(values):
        raise Lost("permute")
    shape = call.run.ranked(call.run.shape(tensor), len(known), "permute")
    if shape.rank != len(known) or sorted(index % len(known) for index in known) != list(range(len(known))):
        raise Lost("permute")
    return permuted(call, tensor, Shape(tuple(shape.entries[index] for index in known)))


@op("movedim", "moveaxis")
def movedim(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    source, target = call.whole(1, "source"), call.whole(2, "destination")
    shape = call.run.shape(tensor)
    if source is None or target is None or shape.rank is None:
        raise Lost("movedim")
    entries = list(shape.entries)
    entries.insert(target % len(entries), entries.pop(source % len(entries)))
    return permuted(call, tensor, Shape(tuple(entries)))


@op("T", "mT", "H", "mH", "t", "adjoint")
def turned(call: Call) -> Value:
    tensor = call.tensor(0)
    shape = call.run.shape(tensor)
    if call.name in ("mT", "mH", "adjoint"):
        shape = call.shape(tensor, -2)
        return permuted(call, tensor, Shape((*shape.entries[:-2], shape.entries[-1], shape.entries[-2])))
    if shape.row is not None:
        shape = call.run.ranked(shape, 2)  # `.T` is written for two axes
        if shape.row is not None:
            raise Lost("rank")
    return call.emit(
        [tensor], Shape(tuple(reversed(shape.entries))), op="reverse", memory=tensor.memory, origin=tensor.origin
    )
