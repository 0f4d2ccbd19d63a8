"""Ops that work on each element: the shape stays, or two shapes are broadcast."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.details import Meeting, Scaled
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.making import Compared
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Axis, Entry, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, making, op
from shapecheck.static.ranks import USUAL
from shapecheck.static.values import Const, Num, Real, Seq, Unknown, Value, real

if TYPE_CHECKING:
    from shapecheck.shapes.details import Detail
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


def run_broadcast(call: Call, a: Tensor, b: Tensor) -> tuple[Shape, tuple[Axis, Axis] | None]:
    shape, clash = broadcast(call.run, call.run.shape(a), call.run.shape(b))
    if shape is None:
        raise Lost("rank")
    return _told_apart(call.run, shape), clash


def _told_apart(run: Run, shape: Shape) -> Shape:
    """`i[None, :] > i[:, None]` is [t, t]: one axis may not be there twice, or rows and columns can't be told apart."""
    ids = [entry.ids for entry in shape.entries if isinstance(entry, Axis) and entry.factors]
    if len(set(ids)) == len(ids):
        return shape
    seen: set[frozenset[object]] = set()
    for place, entry in enumerate(shape.entries):
        if isinstance(entry, Axis) and entry.factors:
            if entry.ids in seen:
                shape = shape.put(place, Axis(tuple(replace(one, id=run.fresh(one.size).id) for one in entry.factors)))
            seen.add(entry.ids)
    return shape


def broadcast(run: Run, a: Shape, b: Shape) -> tuple[Shape | None, tuple[Axis, Axis] | None]:
    """The shape of two shapes broadcast, and two axes that never agree; None where it can't be told."""
    if a == b:
        return a, None
    if a.row is not None and a.row == b.row and len(a.entries) == len(b.entries):
        return _pairwise(run, a.entries, b.entries)
    if a.row is None and b.row is None:
        short, long = (a, b) if len(a.entries) < len(b.entries) else (b, a)
        run.conflict |= len(short.entries) < len(long.entries) and _lined_up(long) and run.only_assumed(short)
        return _pairwise(run, a.entries, b.entries)
    for one, other in ((a, b), (b, a)):
        row = one.row
        if row is not None and other.row is None:
            behind = len(one.entries) - 1 - one.entries.index(row)
            if len(other.entries) <= behind:  # `x[..., None] * v` says nothing of x
                return _pairwise(run, one.entries, other.entries)
            if (
                any(isinstance(entry, Axis) and entry.is_one for entry in one.entries)
                and len(one.entries) <= len(other.entries) + 1
            ):
                one = run.ranked(one, len(other.entries))  # whoever puts in an axis of 1 lines the others up
                return _pairwise(run, other.entries, one.entries)
            if _lined_up(other) and len(one.entries) <= len(other.entries):
                one = run.ranked(one, len(other.entries))
                return _pairwise(run, one.entries, other.entries)
            if _asks_for_one_axis(one, other):
                one = run.ranked(one, len(one.entries) - 1)
                run.facts.assumed.add(row.key)
                return _pairwise(run, one.entries, other.entries)
            if row.given and _stretched(other) and len(one.entries) <= len(other.entries) and run.assume:
                rank = len(other.entries) + _is_learnt(other)  # what is learnt has no axis for the batch
                one = run.supposed(one, rank, "met by an axis that was put in for it")
                return _pairwise(run, one.entries, other.entries)
            if (
                row.given and len(other.entries) < USUAL and _is_learnt(other)
            ):  # features scaled: the input has them, too
                return _pairwise(run, run.back(one, -len(other.entries)).entries, other.entries)
            length = _length(run, one, other)
            if length is not None:
                one = run.ranked(one, len(one.entries) - 1 + length)
                return _pairwise(run, one.entries, other.entries)
            if len(one.entries) > len(other.entries):  # as many axes or more, wherever the row puts them
                return _unless_one(run, one), None
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


def _length(run: Run, one: Shape, other: Shape) -> int | None:
    """How many axes a row has if an input's axis before it meets itself: `x + places(arange(x.shape[1]))`."""
    row = one.row
    assert row is not None
    found = set()
    for place, axis in enumerate(one.entries[: one.entries.index(row)]):
        assert isinstance(axis, Axis)
        symbol = run.facts.resolve(axis.size).symbol
        for index, met_ in enumerate(other.entries):
            if isinstance(met_, Axis) and symbol is not None and symbol.kind is Kind.INPUT:
                if run.facts.same(axis.size, met_.size):
                    found.add(len(other.entries) - 1 - index - (len(one.entries) - 2 - place))
    return found.pop() if len(found) == 1 and min(found) >= 0 else None


def _asks_for_one_axis(shape: Shape, other: Shape) -> bool:
    """`arange(n) < lengths.unsqueeze(1)`: the axis of 1 is for the only one that the other has."""
    if len(other.entries) != 1 or len(shape.entries) < 3 or not isinstance(shape.entries[-1], Row):
        return False
    before = shape.entries[-2]
    return isinstance(before, Axis) and before.is_one


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


def _stretched(shape: Shape) -> bool:
    """Whether an axis of 1 stands between others: `gate[:, None]` is to go over the tokens of what it meets."""
    return any(isinstance(entry, Axis) and entry.is_one for entry in shape.entries[1:-1])


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
