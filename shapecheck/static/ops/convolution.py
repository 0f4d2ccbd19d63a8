"""Convolutions and pools: windows that run over the last axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapecheck.shapes.details import Applied
from shapecheck.shapes.dim import ONE, Dim, Kind, Symbol
from shapecheck.shapes.shape import Axis, Origin, Shape
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.features import dim_of, given_out, mismatch
from shapecheck.static.ops.layers import SIGNATURES, layer
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import FALSE, NONE, Const, Layer, Seq, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run

_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias")
_POOL = ("kernel_size", "stride", "padding")
SIGNATURES.update({
    **{f"Conv{n}d": _CONV for n in (1, 2, 3)},
    **{f"Adaptive{kind}Pool{n}d": ("output_size",) for n in (1, 2, 3) for kind in ("Avg", "Max")},
    **{f"AvgPool{n}d": (*_POOL, "ceil_mode") for n in (1, 2, 3)},
    **{f"MaxPool{n}d": (*_POOL, "dilation", "return_indices", "ceil_mode") for n in (1, 2, 3)},
})  # fmt: skip


def _per_axis(value: Any, index: int) -> Dim | None:
    if isinstance(value, Seq):
        value = value.items[index] if index < len(value.items) and value.plain else None
    return number(value) if value is not None and value != NONE and not isinstance(value, Const) else None


def strided(
    run: Run, size: Dim, kernel: Dim | None, stride: Dim | None, padding: Dim | None, dilation: Dim | None = ONE
) -> Dim:
    """floor((size + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1, as torch's page on Conv2d has it."""
    if kernel is None or stride is None or padding is None or dilation is None or not stride.terms:
        return Dim.of(Symbol("?", Kind.UNKNOWN, ("strided", str(size), str(kernel), str(stride), str(padding))))
    if kernel == stride and not padding.terms and dilation.is_one:
        return run.facts.divide(size, kernel) or size // kernel
    span = size + Dim.of(2) * padding - dilation * (kernel - ONE) - ONE
    return span + ONE if stride.is_one else span // stride + ONE


def _spatial(call: Call, layer_: Layer, shape: Shape, rank: int) -> Shape:
    stride = layer_.arguments.get("stride")
    if stride is None or stride == NONE:
        stride = layer_.arguments.get("kernel_size") if "Pool" in layer_.type else None
    for index in range(rank):
        place = len(shape.entries) - rank + index
        entry = shape.entries[place]
        if not isinstance(entry, Axis):
            raise Lost("rank")
        if layer_.arguments.get("padding") == Const("same"):
            continue
        kernel = _per_axis(layer_.arguments.get("kernel_size"), index)
        step = _per_axis(stride, index) if stride is not None else ONE
        padding = layer_.arguments.get("padding", Const("valid"))
        around = Dim.of(0) if padding == Const("valid") else _per_axis(padding, index)
        spread = _per_axis(layer_.arguments["dilation"], index) if "dilation" in layer_.arguments else ONE
        if layer_.arguments.get("ceil_mode", FALSE) != FALSE:
            kernel = None  # rounded up, with windows that start outside left out: no formula
        size = strided(call.run, call.run.facts.resolve(entry.size), kernel, step, around, spread)
        if size != entry.size:
            fresh = call.run.fresh(size, None, Origin.INPUT)
            shape = shape.put(place, Axis((fresh,)))
    return shape


@layer("Conv1d", "Conv2d", "Conv3d")
def conv(call: Call, layer_: Layer) -> Value:
    """[b, in_channels, *] → [b, out_channels, *]."""
    rank = int(layer_.type[4])
    tensor = call.tensor(0, "input")
    run = call.run
    shape = run.ranked(run.shape(tensor), rank + 2)
    if shape.rank not in (rank + 1, rank + 2):
        raise Lost(layer_.type)
    takes, gives = dim_of(layer_, "in_channels"), dim_of(layer_, "out_channels")
    place = len(shape.entries) - rank - 1
    got = shape.entries[place]
    if gives is None or not isinstance(got, Axis):
        raise Lost(layer_.type)
    clash = takes is not None and mismatch(run, takes, got, shape)
    ratio = run.facts.ratio(takes, got.size) if clash and takes is not None else None
    shape = _spatial(call, layer_, shape.put(place, given_out(run, got, gives)), rank)
    detail = Applied(layer_.type, layer_.name, takes, got, clash, ratio)
    return call.emit([tensor], shape, detail, op="layer", memory=in_order(run, shape))


@layer("AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d")
def pool(call: Call, layer_: Layer) -> Value:
    rank = int(layer_.type[-2])
    tensor = call.tensor(0, "input")
    shape = call.shape(tensor, -rank)
    if layer_.arguments.get("return_indices", FALSE) != FALSE:
        raise Lost(layer_.type)
    return call.emit([tensor], _spatial(call, layer_, shape, rank), op="pool")


@op("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d")
def pool_function(call: Call) -> Value:
    names = (
        "input",
        *_POOL,
        *(("ceil_mode",) if call.name.startswith("avg") else ("dilation", "ceil_mode", "return_indices")),
    )
    arguments = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    kind = ("Avg" if call.name.startswith("avg") else "Max") + "Pool" + call.name[-2:]
    return pool(call, Layer(kind, arguments, call.run.key(call.node), call.run.place(call.node)))


@op("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d")
def adaptive_function(call: Call) -> Value:
    kind = "Adaptive" + ("Avg" if "avg" in call.name else "Max") + "Pool" + call.name[-2:]
    size = call.get(1, "output_size", NONE)
    return adaptive(call, Layer(kind, {"output_size": size}, call.run.key(call.node), call.run.place(call.node)))


@layer("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d")
def adaptive(call: Call, layer_: Layer) -> Value:
    rank = int(layer_.type[-2])
    tensor = call.tensor(0, "input")
    shape = call.shape(tensor, -rank)
    given = next(iter(layer_.arguments.values()), None)
    for index in range(rank):
        size = _per_axis(given, index)
        if size is None:
            raise Lost(layer_.type)
        shape = shape.put(len(shape.entries) - rank + index, call.axis(size))
    return call.emit([tensor], shape, op="pool")
