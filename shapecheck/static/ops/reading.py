"""size, dim, numel, item: what is read of a tensor and is no tensor."""

from __future__ import annotations

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.making import FLOAT
from shapecheck.shapes.reader import Reader
from shapecheck.static.ops import Call, op
from shapecheck.static.values import Const, Num, Unknown, Value


@op("size")
def size_of(call: Call) -> Value:
    from shapecheck.static.sequences import item, sizes

    tensor = call.tensor(0)
    index = call.get(1, "dim")
    found = sizes(call.run, tensor)
    return found if index is None else item(call.run, found, index, call.node)


@op("dim", "ndimension")
def rank_of(call: Call) -> Value:
    rank = call.run.shape(call.tensor(0)).rank
    return Num(Dim.of(rank)) if rank is not None else Unknown(call.run.key(call.node), "dim")


@op("numel", "nelement")
def numel(call: Call) -> Value:
    total = call.run.shape(call.tensor(0)).total
    return Num(total) if total is not None else Unknown(call.run.key(call.node), "numel")


@op("is_floating_point")
def is_floating_point(call: Call) -> Value:
    kind = Reader(call.run).dtype(call.tensor(0, "input"), len(call.run.steps))
    return Unknown(call.run.key(call.node), call.name) if kind is None else Const(kind == FLOAT)


@op("item", "tolist", "numpy", "stride", "is_contiguous", "data_ptr", "element_size", "is_complex",
    "get_device", "storage_offset", "untyped_storage", "backward", "register_hook", "is_sparse")  # fmt: skip
def no_tensor(call: Call) -> Value:
    return Unknown(call.run.key(call.node), call.name)
