"""Images made larger, smaller or into patches: interpolate, pad, transposed convolutions, unfold and fold; gated halves."""

from __future__ import annotations

from shapecheck.shapes.details import Applied
from shapecheck.shapes.dim import ONE, Dim, product
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Axis, Origin, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.convolution import strided
from shapecheck.static.ops.cut import part_of
from shapecheck.static.ops.features import mismatch
from shapecheck.static.ops.layers import SIGNATURES, layer
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import NONE, Const, Layer, Num, Real, Seq, Value, number

TWO = Dim.of(2)
SIGNATURES.update({
    **{f"ConvTranspose{n}d": ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups")
       for n in (1, 2, 3)},
    "Upsample": ("size", "scale_factor"), "PixelShuffle": ("upscale_factor",), "PixelUnshuffle": ("downscale_factor",),
    "Unfold": ("kernel_size", "dilation", "padding", "stride"),
    "Fold": ("output_size", "kernel_size", "dilation", "padding", "stride"), "GLU": ("dim",),
})  # fmt: skip


def _pair(value: Value | None, default: int | None = None, count: int = 2) -> list[Dim]:
    """One number for each axis. Raises Lost where one isn't known."""
    if value is None or value == NONE:
        if default is None:
            raise Lost("size")
        return [Dim.of(default)] * count
    if isinstance(value, Seq):
        dims = [number(item) for item in value.items] if value.plain else []
    else:
        dims = [] if isinstance(value, Const) else [number(value)] * count
    known = [dim for dim in dims if dim is not None]
    if len(known) != count:
        raise Lost("size")
    return known


def _last(call: Call, tensor: Tensor, count: int) -> tuple[Shape, list[Dim]]:
    """A shape with its last axes laid bare, and their sizes."""
    shape = call.shape(tensor, -count)
    axes = [shape.at(index) for index in range(-count, 0)]
    return shape, [call.run.facts.resolve(axis.size) for axis in axes if axis is not None]


def _even(call: Call, size: Dim, by: Dim) -> Dim:
    """A size divided by what torch insists that it is a multiple of."""
    exact = call.run.facts.divide(size, by)
    if exact is not None:
        return exact
    return size // by if size.known and by.known and by.terms else call.run.unknown_size()


def _image(call: Call, tensor: Tensor, shape: Shape, sizes: list[Dim], op_name: str) -> Value:
    """The tensor with its last axes of these sizes."""
    first = len(shape.entries) - len(sizes)
    axes = tuple(
        entry if isinstance(entry, Axis) and entry.size == size else call.axis(size, Origin.INPUT)
        for entry, size in zip(shape.entries[first:], sizes, strict=True)
    )
    result = Shape((*shape.entries[:first], *axes))
    return call.emit([tensor], result, op=op_name, memory=in_order(call.run, result))


@op("interpolate")
def interpolate(call: Call) -> Value:
    """[b, c, *] → [b, c, *size]. https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html"""
    tensor = call.tensor(0, "input")
    return _resized(call, tensor, call.get(1, "size"), call.get(2, "scale_factor"))


@layer("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")
def upsample(call: Call, layer_: Layer) -> Value:
    return _resized(call, call.tensor(0, "input"), layer_.arguments.get("size"), layer_.arguments.get("scale_factor"))


def _resized(call: Call, tensor: Tensor, size: Value | None, scale: Value | None) -> Value:
    rank = call.run.shape(tensor).rank
    if isinstance(size, Seq) and size.plain:
        count = len(size.items)
    elif rank is not None and rank > 2:
        count = rank - 2
    else:
        raise Lost("interpolate")
    shape, sizes = _last(call, tensor, count)
    if size is not None and size != NONE:
        return _image(call, tensor, shape, _pair(size, count=count), "interpolate")
    factors = scale.items if isinstance(scale, Seq) and scale.plain else [scale] * count
    if len(factors) != count:
        raise Lost("interpolate")
    scaled = [_scaled(one, by) for one, by in zip(sizes, factors, strict=True)]
    return _image(call, tensor, shape, scaled, "interpolate")


def _scaled(size: Dim, by: Value | None) -> Dim:
    """floor(size * by), for a factor that is whole or a half, a quarter, … Raises Lost for any other float."""
    match by:
        case Num(dim):
            return size * dim
        case Real(Scale(known=True, learnt=False, powers=(), coefficient=factor)) if factor > 0:
            if factor.is_integer():
                return size * Dim.of(int(factor))
            if (1 / factor).is_integer():
                return size // Dim.of(int(1 / factor))
    raise Lost("interpolate")


@layer("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def transposed(call: Call, layer_: Layer) -> Value:
    """(n - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1, as torch's page on ConvTranspose2d has it."""
    rank = int(layer_.type[-2])
    tensor = call.tensor(0, "input")
    given = layer_.arguments
    takes, gives = (number(given.get(name, NONE)) for name in ("in_channels", "out_channels"))
    shape = call.run.ranked(call.run.shape(tensor), rank + 2)
    if shape.rank not in (rank + 1, rank + 2) or gives is None:
        raise Lost(layer_.type)
    kernel = _pair(given.get("kernel_size"), None, rank)
    stride, padding, extra, dilation = (
        _pair(given.get(name), default, rank)
        for name, default in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
    )
    place = len(shape.entries) - rank - 1
    got = shape.entries[place]
    assert isinstance(got, Axis)
    clash = takes is not None and mismatch(call.run, takes, got, shape)
    sizes = []
    for index in range(rank):
        entry = shape.entries[place + 1 + index]
        assert isinstance(entry, Axis)
        size = (call.run.facts.resolve(entry.size) - ONE) * stride[index] - TWO * padding[index]
        sizes.append(call.axis(size + dilation[index] * (kernel[index] - ONE) + extra[index] + ONE, Origin.INPUT))
    result = Shape((*shape.entries[:place], call.axis(gives, Origin.LAYER), *sizes))
    detail = Applied(layer_.type, layer_.name, takes, got, clash)
    return call.emit([tensor], result, detail, op="layer", memory=in_order(call.run, result))


@layer("PixelShuffle", "PixelUnshuffle")
def shuffled(call: Call, layer_: Layer) -> Value:
    """[*, c*r*r, h, w] → [*, c, h*r, w*r], and back."""
    name = "upscale_factor" if layer_.type == "PixelShuffle" else "downscale_factor"
    factor = number(layer_.arguments.get(name, NONE))
    tensor = call.tensor(0, "input")
    shape, (channels, height, width) = _last(call, tensor, 3)
    if factor is None or not factor.terms:
        raise Lost(layer_.type)
    if layer_.type == "PixelShuffle":
        sizes = [_even(call, channels, factor * factor), height * factor, width * factor]
    else:
        sizes = [channels * factor * factor, _even(call, height, factor), _even(call, width, factor)]
    return _image(call, tensor, shape, sizes, "pixel_shuffle")


# -- patches -------------------------------------------------------------------------------------------------------------
@op("unfold")
def unfold(call: Call) -> Value:
    """`x.unfold(dim, size, step)`, or F.unfold(x, kernel_size, …)."""
    if len(call.args) < 4 and not {"dimension", "step"} & set(call.kwargs):
        names = ("input", *SIGNATURES["Unfold"])
        given = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
        return patches(call, Layer("Unfold", given, call.run.key(call.node), call.run.place(call.node)))
    tensor, dim = call.tensor(0), call.whole(1, "dimension")
    size, step = number(call.get(2, "size", NONE)), number(call.get(3, "step", NONE))
    if dim is None or size is None or step is None or not step.terms:
        raise Lost("unfold")
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None
    assert axis is not None
    count = strided(call.run, call.run.facts.resolve(axis.size), size, step, Dim.of(0))
    shape = shape.put(place, Axis((part_of(call.run, axis, count),)))
    return call.emit([tensor], Shape((*shape.entries, call.axis(size))), op="unfold")


@layer("Unfold")
def patches(call: Call, layer_: Layer) -> Value:
    """[b, c, h, w] → [b, c*kernel*kernel, patches]."""
    tensor = call.tensor(0, "input")
    shape, (_, *sizes) = _last(call, tensor, 3)
    kernel = _pair(layer_.arguments.get("kernel_size"))
    stride, padding, dilation = (
        _pair(layer_.arguments.get(name), default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    count = product([
        strided(call.run, size, kernel[index], stride[index], padding[index], dilation[index])
        for index, size in enumerate(sizes)
    ])  # fmt: skip
    channel = shape.at(-3)
    assert channel is not None
    inside = [call.run.fresh(size) for size in kernel if not size.is_one]
    axes = (Axis((*channel.factors, *inside)), call.axis(count, Origin.INPUT))
    result = Shape((*shape.entries[:-3], *axes))
    return call.emit([tensor], result, op="unfold", memory=in_order(call.run, result))


@op("fold")
def fold(call: Call) -> Value:
    names = ("input", *SIGNATURES["Fold"])
    given = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    return folded(call, Layer("Fold", given, call.run.key(call.node), call.run.place(call.node)))


@layer("Fold")
def folded(call: Call, layer_: Layer) -> Value:
    """[b, c*kernel*kernel, patches] → [b, c, *output_size]."""
    tensor = call.tensor(0, "input")
    shape, (channels, _) = _last(call, tensor, 2)
    fewer = _even(call, channels, product(_pair(layer_.arguments.get("kernel_size"))))
    sizes = [call.axis(size, Origin.INPUT) for size in _pair(layer_.arguments.get("output_size"))]
    result = Shape((*shape.entries[:-2], call.axis(fewer, Origin.LAYER), *sizes))
    return call.emit([tensor], result, op="fold", memory=in_order(call.run, result))


# -- edges ---------------------------------------------------------------------------------------------------------------
_PADS = {
    f"{kind}Pad{n}d": n for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular") for n in (1, 2, 3)
}
SIGNATURES.update(dict.fromkeys(_PADS, ("padding", "value")))


@layer(*_PADS)
def padded(call: Call, layer_: Layer) -> Value:
    """nn.ZeroPad2d((left, right, top, bottom)), or one width for every edge."""
    count = 2 * _PADS[layer_.type]
    widths: list[Value] = [Num(width) for width in _pair(layer_.arguments.get("padding"), count=count)]
    if len(widths) != count:
        raise Lost(layer_.type)
    return pad(Call(call.run, call.node, "pad", [call.tensor(0, "input"), Seq(widths)], {}))


# -- halves --------------------------------------------------------------------------------------------------------------
@op("glu")
def glu(call: Call) -> Value:
    """Half of an axis gates the other half."""
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim", -1)
    assert dim is not None
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None
    assert axis is not None
    half = Axis((part_of(call.run, axis, _even(call, call.run.facts.resolve(axis.size), TWO)),))
    return call.emit([tensor], shape.put(place, half), op="glu")


@layer("GLU")
def gated(call: Call, layer_: Layer) -> Value:
    return glu(Call(call.run, call.node, "glu", [call.args[0], layer_.arguments.get("dim", Num(Dim.of(-1)))], {}))


@op("pad")
def pad(call: Call) -> Value:
    """F.pad: pairs of widths, the last axis first."""
    tensor, widths = call.tensor(0, "input"), call.get(1, "pad")
    if not isinstance(widths, Seq) or not widths.plain or len(widths.items) % 2:
        raise Lost("pad")
    dims = [number(item) for item in widths.items]
    known = [dim for dim in dims if dim is not None]
    if len(known) != len(dims):
        raise Lost("pad")
    shape = call.shape(tensor, -len(known) // 2)
    for back in range(len(known) // 2):
        extra = known[2 * back] + known[2 * back + 1]
        axis = shape.at(-back - 1)
        assert axis is not None
        if extra.terms:
            size = call.run.facts.resolve(axis.size) + extra
            shape = shape.put(len(shape.entries) - back - 1, Axis((part_of(call.run, axis, size),)))
    return call.emit([tensor], shape, op="pad")
