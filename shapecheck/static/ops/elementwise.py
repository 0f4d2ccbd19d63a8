"""Ops that work on each element: the shape stays, or it is that of two broadcast."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.details import Meeting, Scaled
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.making import Compared
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Axis, Origin, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, making, op
from shapecheck.static.ops.broadcast import broadcast, run_broadcast
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import Const, Num, Real, Seq, Unknown, Value, real

if TYPE_CHECKING:
    from shapecheck.shapes.details import Detail


# -- one tensor ----------------------------------------------------------------------------------------------------------
_CASTS = (
    "to", "float", "half", "bfloat16", "double", "long", "int", "bool", "type", "type_as", "detach", "clone", "cuda", "cpu",
    "requires_grad_", "as_subclass", "short", "byte",
)  # fmt: skip
_UNARY = (
    "relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "elu", "selu", "celu", "leaky_relu", "hardswish", "hardsigmoid",
    "hardtanh", "softplus", "mish", "logsigmoid", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "square",
    "reciprocal", "abs", "neg", "sin", "cos", "tan", "floor", "ceil", "round", "sign",
    "nan_to_num", "isnan", "isinf", "isfinite", "bitwise_not", "logical_not", "erf",
    "triu", "tril", "cumsum", "cumprod", "flip", "roll", "fill", "zero", "normal", "uniform", "alpha_dropout",
    "threshold", "softsign", "tanhshrink", "hardshrink", "softshrink", "polygamma", "digamma", "lgamma", "angle",
    "bernoulli", "masked_scatter", "index_add", "scatter", "scatter_add", "index_copy", "index_fill",
    "conj", "trunc", "frac", "logit", "random",
)  # fmt: skip


@op(*_CASTS)
def cast(call: Call) -> Value:
    """The same elements in another dtype or on another device."""
    tensor = call.tensor(0, "input")
    detail = making.converted(call)
    return call.emit([tensor], tensor.shape, detail, op="cast", memory=tensor.memory, origin=tensor.origin)


@op(*_UNARY)
def unary(call: Call) -> Value:
    tensor = call.tensor(0, "input", "x")
    origin = tensor.origin if call.name in ("triu", "tril", "fill", "zero", "normal", "uniform") else Origin.OTHER
    detail = making.of_unary(call)
    return call.emit([tensor], tensor.shape, detail, memory=tensor.memory, origin=origin)


@op("copy")
def copy(call: Call) -> Value:
    """`x.copy_(other)`: the place of x, the elements of the other."""
    tensor = call.tensor(0)
    return call.emit([tensor, *call.tensors()[1:2]], tensor.shape, memory=tensor.memory, origin=tensor.origin)


@op("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout")
def dropout(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    return call.emit([tensor], tensor.shape, op="dropout", memory=tensor.memory)


@op("normalize")
def normalize(call: Call) -> Value:
    """F.normalize: to unit length along an axis."""
    tensor = call.tensor(0, "input")
    return call.emit([tensor], tensor.shape, op="normalize", memory=tensor.memory)


@op("layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm")
def norm(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    return call.emit([tensor], tensor.shape, op="norm", memory=tensor.memory)


@op("contiguous")
def contiguous(call: Call) -> Value:
    tensor = call.tensor(0)
    return call.emit(
        [tensor], tensor.shape, op="contiguous", memory=in_order(call.run, call.run.shape(tensor)), origin=tensor.origin
    )


@op("clamp", "clip", "clamp_min", "clamp_max", "addcmul", "addcdiv", "lerp")
def broadcasting(call: Call) -> Value:
    """Several tensors, broadcast. What clamp is given is a number, unless it is plainly a tensor."""
    given = call.args[1:] if call.name.startswith("cl") else [_operand(call, value) for value in call.args[1:]]
    operands = [
        call.tensor(0, "input"),
        *(value for value in (*given, *call.kwargs.values()) if isinstance(value, Tensor)),
    ]
    shape: Shape | None = call.run.shape(operands[0])
    for other in operands[1:]:
        shape = None if shape is None else broadcast(call.run, shape, call.run.shape(other))[0]
    if shape is None:
        raise Lost("rank")
    return call.emit(operands, shape, memory=operands[0].memory if len(operands) == 1 else None)


@op("masked_fill")
def masked_fill(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    mask = call.run.tensor(call.get(1, "mask"), call.node) if call.get(1, "mask") is not None else None
    operands = [tensor] if mask is None else [tensor, mask]
    shape, clash = run_broadcast(call, tensor, mask) if mask is not None else (tensor.shape, None)
    return call.emit(operands, shape, _meeting(call, clash) or making.put(call), memory=tensor.memory)


@op("where")
def where(call: Call) -> Value:
    if len(call.args) + len(call.kwargs) < 3:
        raise Lost("where")
    operands = [call.run.tensor(value, call.node) for value in (*call.args, *call.kwargs.values())]
    known = [tensor for tensor in operands if tensor is not None]
    if not known:
        raise Lost("where")
    shape: Shape | None = call.run.shape(known[0])
    for other in known[1:]:
        if shape is not None:
            shape, _ = broadcast(call.run, shape, call.run.shape(other))
    if shape is None:
        raise Lost("where")
    return call.emit(known, shape, making.choice(call))


# -- two tensors ---------------------------------------------------------------------------------------------------------
_BINARY = (
    "add", "sub", "mul", "div", "multiply", "divide", "true_divide", "subtract", "floor_divide", "remainder", "pow", "compare",
    "bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "eq", "ne",
    "lt", "le", "gt", "ge", "atan2", "fmod", "less", "greater", "not_equal", "rsub", "xlogy",
)  # fmt: skip
_SPELLED = {"multiply": "mul", "divide": "div", "true_divide": "div", "subtract": "sub"}


@op(*_BINARY)
def binary(call: Call) -> Value:
    name = _SPELLED.get(call.name, call.name)
    left, right = call.get(0, "input"), call.get(1, "other", Num(Dim.of(2)))
    a, b = _operand(call, left), _operand(call, right)
    if a is None and b is None:
        raise Lost(name)
    if a is None or b is None:
        tensor, scalar = (a, right) if a is not None else (b, left)
        assert tensor is not None
        op_name = name if a is not None or name != "div" else "reciprocal"
        detail = _of_number(call, name, scalar, swapped=a is None)
        return call.emit([tensor], tensor.shape, detail, op=op_name, memory=tensor.memory)
    shape, clash = run_broadcast(call, a, b)
    memory = a.memory if a.memory is not None and a.memory == b.memory else None
    origin = a.origin if a.origin is b.origin else Origin.OTHER
    how = _order(call)
    detail = _meeting(call, clash) or (None if how is None else Compared(how))
    return call.emit([a, b], shape, detail, op=name, memory=memory, origin=origin)


def _of_number(call: Call, name: str, scalar: Any, *, swapped: bool) -> Detail | None:
    """What is done with a number: a scale, a comparison, an offset."""
    how = _order(call)
    if how is not None:
        return making.compared(how, scalar, swapped=swapped)
    scale = _scale(name, scalar, swapped=swapped)
    return making.offset(name, scalar, swapped=swapped) if scale is None else _scaled(scale, scalar)


def _scaled(scale: Scale, scalar: Any) -> Scaled:
    return Scaled(scale, scalar.key if isinstance(scalar, Unknown) else None)


def _order(call: Call) -> str | None:
    """The sign that a comparison is written with; None for any other op."""
    match call.name, call.kwargs.get("sign"):
        case "compare", Const(str(sign)):
            return sign
    return making.ORDERS.get(call.name)


def _operand(call: Call, value: Any) -> Tensor | None:
    """A tensor operand; None for a number, also one that a constructor was given."""
    if isinstance(value, Unknown) and value.tensor is None and value.kind in (Kind.CONSTRUCTOR, Kind.CONFIG):
        return None
    if isinstance(value, Unknown) and isinstance(value.default, int | float) and value.key not in call.run.inputs:
        return None  # an argument of forward that is a number by default
    if isinstance(value, Num | Real | Const | Seq) or value is None:
        return None
    return call.run.tensor(value, call.node)


def _scale(name: str, scalar: Any, *, swapped: bool) -> Scale | None:
    if name == "mul":
        return real(scalar)
    if name == "div":
        return Scale(known=False) if swapped else real(scalar) ** Fraction(-1)
    return None


def _meeting(call: Call, clash: tuple[Axis, Axis] | None) -> Meeting | None:
    if clash is None:
        return None
    left, right = clash
    return Meeting(left, right, call.run.facts.ratio(left.size, right.size))
