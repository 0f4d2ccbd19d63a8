"""softmax, sums and means."""

from __future__ import annotations

from shapecheck.shapes.details import Reduced, Softmax
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.shape import Axis, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.broadcast import run_broadcast
from shapecheck.static.values import NONE, Const, Num, Seq, Unknown, Value, number


@op("softmax", "log_softmax", "softmin", "sparsemax", "entmax15", "gumbel_softmax", "_softmax")
def softmax(call: Call) -> Value:
    tensor = call.tensor(0, "input", "logits", "x")
    index = call.whole(1, "dim") if call.name != "gumbel_softmax" else call.whole(4, "dim", -1)
    return softened(call, tensor, index)


def softened(call: Call, tensor: Tensor, index: int | None) -> Value:
    """Softmax over an axis; without one torch takes the first for ranks 0, 1 and 3, and the second else."""
    shape = call.run.shape(tensor)
    place = index
    if index is None and shape.rank is not None:
        place = 0 if shape.rank in (0, 1, 3) else 1
    axis = None
    if place is not None:
        axis = shape.at(place)
        if axis is None and place < 0:
            shape = call.run.back(shape, place)
            axis = shape.at(place)
    return call.emit([tensor], shape, Softmax(axis, index), op="softmax", memory=tensor.memory)


_REDUCTIONS = (
    "sum", "mean", "amax", "amin", "prod", "logsumexp", "nansum", "nanmean", "all", "any", "norm", "vector_norm", "argmax",
    "argmin", "std", "var", "count_nonzero",
)  # fmt: skip


def _tensor(call: Call, value: Value) -> Tensor | None:
    """The tensor that `max` compares with; None for a dim."""
    if isinstance(value, Unknown) and value.tensor is None:
        return None if value.kind is not Kind.INPUT or "other" not in call.kwargs else call.run.tensor(value, call.node)
    return call.run.tensor(value, call.node)


@op(*_REDUCTIONS, "max", "min", "median", "mode", "kthvalue")
def reduction(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    place = 2 if call.name in ("norm", "vector_norm") else 1
    value = call.get(place, "dim", call.get(place, "axis"))
    spread = call.name in ("std", "var")  # these have `unbiased` before or after `dim`
    keep = call.flag(place + 1 + spread, "keepdim") or call.flag(place + 1 + spread, "keepdims")
    pair = call.name in ("max", "min", "median", "mode", "kthvalue")
    if call.name in ("mode", "kthvalue"):
        place = 1 if call.name == "mode" else 2
        value, keep = call.get(place, "dim", Num(Dim.of(-1))), call.flag(place + 1, "keepdim")
    if call.name in ("max", "min") and (other := call.get(1, "other")) is not None and (both := _tensor(call, other)):
        shape, _ = run_broadcast(call, tensor, both)
        return call.emit([tensor, both], shape, op="maximum" if call.name == "max" else "minimum")
    if value is None or value == NONE or (spread and isinstance(value, Const)):
        return call.emit([tensor], Shape(()), Reduced(call.name), op="reduce")
    if pair and not isinstance(value, Num | Unknown):
        raise Lost(call.name)
    values = value.items if isinstance(value, Seq) else [value]
    if not values:  # dim=() means every axis
        return call.emit([tensor], Shape(()), Reduced(call.name), op="reduce")
    indices = [number(one) for one in values]
    known = [dim.value for dim in indices if dim is not None and dim.value is not None]
    if len(known) != len(values):
        raise Lost(call.name)
    shape = call.shape(tensor, *known)
    places = {shape.position(index) for index in known}
    entries = [
        Axis() if position in places else entry
        for position, entry in enumerate(shape.entries)
        if keep or position not in places
    ]
    result = Shape(tuple(entries))
    if pair:
        step = call.run.step("reduce", call.node, [tensor], [result, result])
        return Seq(list(step.results), fields=("values", "indices"))
    return call.emit([tensor], result, Reduced(call.name), op="reduce")


@op("sort", "topk", "cummax", "cummin")
def ordered(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    shape = call.run.shape(tensor)
    if call.name == "topk":
        count, dim = number(call.get(1, "k")), call.whole(2, "dim", -1)
        assert dim is not None
        shape = call.shape(tensor, dim)
        position = shape.position(dim)
        if count is None or position is None:
            raise Lost("topk")
        shape = shape.put(position, call.axis(count))
    step = call.run.step(call.name, call.node, [tensor], [shape, shape])
    return Seq(list(step.results), fields=("values", "indices"))


@op("argsort")
def argsort(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    return call.emit([tensor], tensor.shape, op="argsort")
