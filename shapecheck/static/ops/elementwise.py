"""Ops that work on each element: the shape stays, or two shapes are broadcast."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.details import Meeting, Scaled
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Axis, Entry, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.run import USUAL
from shapecheck.static.values import Const, Num, Real, Seq, Unknown, Value, real

if TYPE_CHECKING:
    from shapecheck.static.run import Run


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
    "copy", "bernoulli", "masked_scatter", "index_add", "scatter", "scatter_add", "index_copy", "index_fill",
    "conj", "trunc", "frac", "logit", "random",
)  # fmt: skip


@op(*_CASTS)
def cast(call: Call) -> Value:
    """The same elements in another dtype or on another device."""
    tensor = call.tensor(0, "input")
    return call.emit([tensor], tensor.shape, op="cast", memory=tensor.memory, origin=tensor.origin)


@op(*_UNARY)
def unary(call: Call) -> Value:
    tensor = call.tensor(0, "input", "x")
    origin = tensor.origin if call.name in ("triu", "tril", "fill", "zero", "normal", "uniform") else Origin.OTHER
    return call.emit([tensor], tensor.shape, memory=tensor.memory, origin=origin)


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
    return call.emit(operands, shape, _meeting(call, clash), memory=tensor.memory)


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
    return call.emit(known, shape)


def in_order(run: Run, shape: Shape | None) -> tuple[object, ...] | None:
    """The memory of a contiguous tensor: its factors in the order of its axes."""
    if shape is None or shape.row is not None:
        return None
    return tuple(factor.id for factor in shape.factors())


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
        scale = _scale(name, scalar, swapped=a is None)
        op_name = name if a is not None or name != "div" else "reciprocal"
        return call.emit([tensor], tensor.shape, Scaled(scale) if scale else None, op=op_name, memory=tensor.memory)
    shape, clash = run_broadcast(call, a, b)
    memory = a.memory if a.memory is not None and a.memory == b.memory else None
    origin = a.origin if a.origin is b.origin else Origin.OTHER
    return call.emit([a, b], shape, _meeting(call, clash), op=name, memory=memory, origin=origin)


def _operand(call: Call, value: Any) -> Tensor | None:
    """A tensor operand; None for a number, also one that a constructor was given."""
    if isinstance(value, Unknown) and value.tensor is None and value.kind in (Kind.CONSTRUCTOR, Kind.CONFIG):
        return None
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


def run_broadcast(call: Call, a: Tensor, b: Tensor) -> tuple[Shape, tuple[Axis, Axis] | None]:
    shape, clash = broadcast(call.run, call.run.shape(a), call.run.shape(b))
    if shape is None:
        raise Lost("rank")
    return shape, clash


def broadcast(run: Run, a: Shape, b: Shape) -> tuple[Shape | None, tuple[Axis, Axis] | None]:
    """The shape of two shapes broadcast, and two axes that never agree; None where it can't be told."""
    if a == b:
        return a, None
    if a.row is not None and a.row == b.row and len(a.entries) == len(b.entries):
        return _pairwise(run, a.entries, b.entries)
    if a.row is None and b.row is None:
        return _pairwise(run, a.entries, b.entries)
    for one, other in ((a, b), (b, a)):
        row = one.row
        if row is not None and other.row is None:
            if (
                any(isinstance(entry, Axis) and entry.is_one for entry in one.entries)
                and len(one.entries) <= len(other.entries) + 1
            ):
                one = run.ranked(one, len(other.entries))  # whoever puts in an axis of 1 lines the others up
                return _pairwise(run, other.entries, one.entries)
            if _lined_up(other) and len(one.entries) <= len(other.entries):
                one = run.ranked(one, len(other.entries))
                return _pairwise(run, one.entries, other.entries)
            behind = len(one.entries) - 1 - one.entries.index(row)
            if len(other.entries) <= behind:
                return _pairwise(run, one.entries, other.entries)
            if (
                row.given and len(other.entries) < USUAL and _is_learnt(other)
            ):  # features scaled: the input has them, too
                return _pairwise(run, run.back(one, -len(other.entries)).entries, other.entries)
            if not any(
                isinstance(entry, Axis) and entry.is_one for entry in other.entries[: len(other.entries) - behind]
            ):
                shape, clash = _pairwise(run, other.entries, one.entries[one.entries.index(row) + 1 :])
                return shape, clash
    run.unsettled = run.blind = True
    run.facts.assumed |= {shape.row.key for shape in (a, b) if shape.row is not None}
    if len(a.entries) != len(b.entries):
        return _unless_one(run, a if len(a.entries) > len(b.entries) else b), None
    return (_unless_one(run, a), None) if run.assume else (None, None)


def _is_learnt(shape: Shape) -> bool:
    """Whether all axes are a parameter's own."""
    return all(factor.origin is Origin.PARAMETER for factor in shape.factors())


def _unless_one(run: Run, shape: Shape) -> Shape:
    """A shape taken for the result of a broadcast with one that isn't known: what is 1 may become anything."""
    if run.assume:
        run.facts.assumptions.append(f"{shape} is not the shorter of two")
    return Shape(tuple(
        run.axis(run.unknown_size()) if isinstance(entry, Axis) and entry.is_one else entry for entry in shape.entries
    ))  # fmt: skip


def _lined_up(shape: Shape) -> bool:
    """Whether an axis of 1 leads: `torch.zeros(1, dim, 1, 1)` has the rank of what it is added to."""
    first = shape.entries[0] if len(shape.entries) > 2 else None
    return isinstance(first, Axis) and first.is_one


def _pairwise(run: Run, a: tuple[Entry, ...], b: tuple[Entry, ...]) -> tuple[Shape, tuple[Axis, Axis] | None]:
    """Axes met from the right."""
    if len(a) < len(b):
        a, b = b, a
    entries: list[Entry] = list(a)
    clash = None
    for back in range(1, len(b) + 1):
        left, right = a[-back], b[-back]
        if isinstance(left, Row) or isinstance(right, Row):
            continue
        entries[-back], never = met(run, left, right)
        if never and clash is None:
            clash = (left, right)
    return Shape(tuple(entries)), clash


def met(run: Run, left: Axis, right: Axis) -> tuple[Axis, bool]:
    """Two axes broadcast: the one that isn't 1, and whether they never agree."""
    if left.is_one:
        return right, False
    if right.is_one or left == right:
        return left, False
    a, b = left.size, right.size
    if run.facts.same(a, b):
        return (left if _specific(left) >= _specific(right) else right), False
    if not a.known:
        return right, False
    if not b.known:
        return left, False
    if a.value is not None and b.value is not None:
        return left, True
    if run.facts.ratio(a, b) is not None:
        return left, True
    return left, False  # two axes of one input too: images and pairs of residues are square by convention


def _specific(axis: Axis) -> int:
    """How much is known of where an axis came from."""
    order = {
        Origin.INPUT: 3,
        Origin.LAYER: 3,
        Origin.LIST: 3,
        Origin.REPEAT: 3,
        Origin.PARAMETER: 1,
        Origin.CREATED: 0,
        Origin.OTHER: 1,
    }
    return max((order[factor.origin] for factor in axis.factors), default=0)


def _one_input(run: Run, a: Dim, b: Dim) -> bool:
    """Whether two sizes are different axes of one input: those are never taken to be the same."""
    one, other = run.facts.resolve(a).symbol, run.facts.resolve(b).symbol
    if one is None or other is None or one.kind is not Kind.INPUT or other.kind is not Kind.INPUT:
        return False
    first, second = _root(one.key), _root(other.key)
    if first is None or first != second:
        return False
    # two axes of a rank that isn't known, one counted from the front and one from the back, may be one axis
    return not any(isinstance(entry, Row) for entry in run.facts.row(Row(first)))


def _root(key: object) -> object:
    """The input whose axis a symbol's key names."""
    while isinstance(key, tuple) and len(key) == 3 and key[2] == "size":
        key = key[0]
        while isinstance(key, tuple) and len(key) == 2 and key[1] in (1, -1) and isinstance(key[0], tuple):
            key = key[0]
    return key if isinstance(key, tuple) and key[:1] == ("row",) else None


def is_sequence(axis: Axis) -> bool:
    """Whether an axis is an input's own, not its last: nobody builds a layer for the length of a batch or a sequence."""
    if len(axis.factors) != 1 or axis.factors[0].origin is not Origin.INPUT:
        return False
    key = axis.factors[0].id
    return not (isinstance(key, tuple) and len(key) == 3 and key[1] == -1)


def is_made_of_lengths(run: Run, axis: Axis) -> bool:
    """Whether an axis is a sum or a product of lengths of inputs: a cache in front, an image's rows laid end to end."""
    if not axis.factors or any(factor.origin is not Origin.INPUT for factor in axis.factors):
        return False
    symbols = list(run.facts.resolve(axis.size).symbols())
    lengths = [symbol for symbol in symbols if isinstance(symbol.key, tuple) and symbol.key[1:] != (-1, "size")]
    return bool(lengths) and all(symbol.kind is Kind.INPUT for symbol in symbols)
