"""Caches of keys and values: what earlier calls kept comes in front, and both grow by the same length."""

from __future__ import annotations

from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.shape import Axis, Factor, Origin, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.run import Run
from shapecheck.static.values import Seq, Unknown


def updated(run: Run, args: list[Any], node: cst.CSTNode) -> Seq | None:
    """`cache.update(keys, values, …)` of an object that isn't known: keys and values with a new length.

    The length is the one axis of tokens behind the batch; None where the two have no such axis in common.
    """
    tensors = [run.tensor(arg, node) if isinstance(arg, Tensor | Unknown) else None for arg in args[:2]]
    known = [tensor for tensor in tensors if tensor is not None and isinstance(tensor, Tensor)]
    shapes = [run.shape(tensor) for tensor in known]
    places = [_tokens(shape) for shape in shapes]
    if len(places) != 2 or places[0] != places[1] or places[0] is None or shapes[0].rank != shapes[1].rank:
        return None
    size = Dim.of(Symbol("kv_len", Kind.OPAQUE, ("kv_len", run.key(node))))
    axis = Axis((Factor(size, ("kv_len", run.key(node)), Origin.INPUT),))
    grown = [
        run.emit("cat", node, [tensor], shape.put(places[0], axis)) for tensor, shape in zip(known, shapes, strict=True)
    ]
    return Seq(list(grown))


def _tokens(shape: Shape) -> int | None:
    """The place of the one axis behind the first that is an input's own."""
    axes = shape.axes or ()
    found = [
        place for place, axis in enumerate(axes)
        if place and axis.factors and all(factor.origin is Origin.INPUT for factor in axis.factors)
    ]  # fmt: skip
    return found[0] if len(found) == 1 else None
