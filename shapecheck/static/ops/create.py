"""Tensors out of nothing: zeros, randn, arange, Parameter."""

from __future__ import annotations

from shapecheck.shapes.dim import ONE, Dim
from shapecheck.shapes.making import Counted, Filled
from shapecheck.shapes.shape import Axis, Origin, Row, Shape
from shapecheck.static.ops import TENSOR_METHODS, Call, Lost, making, op
from shapecheck.static.ops.broadcast import run_broadcast
from shapecheck.static.ops.memory import in_order
from shapecheck.static.ops.reshape import sizes_given
from shapecheck.static.values import FALSE, NONE, Const, Num, Seq, Unknown, Value, number

_FILLED = ("zeros", "ones", "empty", "randn", "rand", "full", "randint", "FloatTensor", "Tensor", "LongTensor", "new_zeros",
           "new_ones", "new_empty", "new_full")  # fmt: skip


@op(*_FILLED)
def filled(call: Call) -> Value:
    args = list(call.args)
    if call.name.startswith("new_"):
        args = args[1:]
    value = call.kwargs.get("fill_value", args[1] if len(args) > 1 else None)
    if call.name in ("full", "new_full"):
        args = args[:1]
    if call.name == "randint":
        args = [arg for arg in args if isinstance(arg, Seq)]
    given = call.kwargs.get("size")
    sizes = sizes_given(call, args if given is None else [given])
    if sizes is None:
        raise Lost(call.name)
    shape = Shape(tuple(size if isinstance(size, Row) else call.axis(size, Origin.CREATED) for size in sizes))
    detail = making.filled(call, value)
    return call.emit([], shape, detail, op="create", origin=Origin.CREATED, memory=in_order(call.run, shape))


@op("zeros_like", "ones_like", "empty_like", "randn_like", "rand_like", "full_like")
def like(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    detail = making.filled(call, call.get(1, "fill_value"))
    return call.emit([tensor], tensor.shape, detail, op="create", origin=Origin.CREATED)


@op("arange")
def arange(call: Call) -> Value:
    plain = [value for value in call.args if number(value) is not None]
    dims = [number(value) for value in plain]
    if "end" in call.kwargs:
        dims = [number(call.kwargs.get("start", Num(Dim.of(0)))), number(call.kwargs["end"])]
        if "step" in call.kwargs:
            dims.append(number(call.kwargs["step"]))
    known = [dim for dim in dims if dim is not None]
    if not known or len(known) != max(len(dims), len(call.args)):
        raise Lost("arange")
    start, end = (Dim.of(0), known[0]) if len(known) == 1 else (known[0], known[1])
    length = end - start
    if len(known) == 3 and not known[2].is_one:
        step = known[2]
        if step.value is not None and step.value < 0:
            length, step = -length, -step
        if not step.terms:
            raise Lost("arange")
        exact = call.run.facts.divide(length, step)
        length = exact if exact is not None else (length + step - ONE) // step
    shape = Shape((call.axis(length, Origin.CREATED),))
    detail = Counted(start) if len(known) < 3 or known[2].is_one else None
    return call.emit([], shape, detail, op="create", origin=Origin.CREATED, memory=in_order(call.run, shape))


@op("linspace", "logspace")
def linspace(call: Call) -> Value:
    steps = number(call.get(2, "steps", NONE))
    if steps is None:
        raise Lost("linspace")
    return call.emit([], Shape((call.axis(steps, Origin.CREATED),)), op="create", origin=Origin.CREATED)


@op("eye")
def eye(call: Call) -> Value:
    rows = number(call.get(0, "n", NONE))
    columns = number(call.get(1, "m", call.get(0, "n", NONE)))
    if rows is None or columns is None:
        raise Lost("eye")
    shape = Shape((call.axis(rows, Origin.CREATED), call.axis(columns, Origin.CREATED)))
    return call.emit([], shape, op="create", origin=Origin.CREATED)


@op("tensor", "as_tensor", "scalar_tensor", "from_numpy")
def literal(call: Call) -> Value:
    value = call.get(0, "data")
    known = call.run.tensor(value, call.node) if value is not None else None
    if known is not None:
        return call.emit([known], known.shape, op="cast", origin=known.origin)
    sizes: list[Dim] = []
    while isinstance(value, Seq) and value.plain:
        sizes.append(Dim.of(len(value.items)))
        value = value.items[0] if value.items else NONE
    if isinstance(value, Seq | Unknown):
        raise Lost("tensor")
    shape = Shape(tuple(call.axis(size, Origin.CREATED) for size in sizes))
    detail = None if sizes else Filled(making.plain(value), None)
    return call.emit([], shape, detail, op="create", origin=Origin.CREATED)


@op("nn.Parameter", "nn.parameter.Parameter", "Parameter", "nn.Buffer")
def parameter(call: Call) -> Value:
    """A tensor that is learnt."""
    tensor = call.tensor(0, "data")
    shape = call.run.shape(tensor)
    entries = tuple(
        Axis(tuple(call.run.fresh(factor.size, None, Origin.PARAMETER) for factor in entry.factors))
        if isinstance(entry, Axis) else entry
        for entry in shape.entries
    )  # fmt: skip
    result = Shape(entries)
    held = call.name.endswith("Buffer") or call.kwargs.get("requires_grad") == FALSE  # then it stays as it was made
    return call.emit(
        [tensor] if held else [], result, op="parameter", origin=Origin.PARAMETER, memory=in_order(call.run, result)
    )


@op("meshgrid")
def meshgrid(call: Call) -> Value:
    values = call.args[0].items if len(call.args) == 1 and isinstance(call.args[0], Seq) else call.args
    tensors = [call.run.tensor(value, call.node) for value in values]
    axes: list[Axis] = []
    for tensor in tensors:
        found = call.run.shape(tensor).axes if tensor is not None else None
        if found is None or len(found) > 1:
            raise Lost("meshgrid")
        axes += found or (Axis(),)
    indexing = call.kwargs.get("indexing")
    if isinstance(indexing, Const) and indexing.value == "xy" and len(axes) > 1:
        axes[0], axes[1] = axes[1], axes[0]
    known = [tensor for tensor in tensors if tensor is not None]
    step = call.run.step("create", call.node, known, [Shape(tuple(axes))] * len(tensors), origin=Origin.CREATED)
    return Seq(list(step.results))


@op("outer", "ger")
def outer(call: Call) -> Value:
    a, b = call.tensor(0, "input"), call.tensor(1, "vec2")
    left, right = call.run.shape(a), call.run.shape(b)
    first, second = left.at(-1), right.at(-1)
    if first is None or second is None:
        raise Lost("outer")
    return call.emit([a, b], Shape((first, second)), op="outer")


@op("view_as_real")
def view_as_real(call: Call) -> Value:
    """[*] of complex numbers → [*, 2]."""
    tensor = call.tensor(0, "input")
    shape = Shape((*call.run.shape(tensor).entries, call.axis(Dim.of(2))))
    return call.emit([tensor], shape, op="index", memory=in_order(call.run, shape))


@op("view_as_complex")
def view_as_complex(call: Call) -> Value:
    """[*, 2] → [*] of complex numbers."""
    tensor = call.tensor(0, "input")
    shape = Shape(call.shape(tensor, -1).entries[:-1])
    return call.emit([tensor], shape, op="index", memory=in_order(call.run, shape))


@op("polar", "complex")
def polar(call: Call) -> Value:
    """Complex numbers of two tensors."""
    a, b = call.tensor(0, "abs", "real"), call.tensor(1, "angle", "imag")
    shape, _ = run_broadcast(call, a, b)
    return call.emit([a, b], shape)


@op("one_hot")
def one_hot(call: Call) -> Value:
    tensor, classes = call.tensor(0), number(call.get(1, "num_classes", NONE))
    if classes is None:
        raise Lost("one_hot")
    return call.emit([tensor], Shape((*call.run.shape(tensor).entries, call.axis(classes))), op="one_hot")


for _name in ("arange", "zeros", "ones", "empty", "randn", "rand", "full", "linspace", "eye", "tensor", "meshgrid", "Tensor",
              "nn.Parameter", "nn.parameter.Parameter", "Parameter", "nn.Buffer", "FloatTensor", "LongTensor"):  # fmt: skip
    TENSOR_METHODS.discard(_name)  # functions only
