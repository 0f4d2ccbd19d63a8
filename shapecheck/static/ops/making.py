"""What ops say of the values that they make: numbers, dtypes and triangles as arguments give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.making import BOOL, FLOAT, INT, SAME, Choice, Compared, Converted, Filled, Offset, Put, Triangle
from shapecheck.shapes.trace import Tensor
from shapecheck.static.values import Const, External, Many, Num, Real, Seq, Unknown, number

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place
    from shapecheck.static.ops import Call

_DTYPES = {
    "bool": BOOL, **dict.fromkeys(("float", "float16", "float32", "float64", "half", "double", "bfloat16"), FLOAT),
    **dict.fromkeys(("int", "int8", "int16", "int32", "int64", "long", "short", "uint8"), INT),
}  # fmt: skip
_SAME = frozenset({"detach", "clone", "cuda", "cpu", "requires_grad_", "as_subclass"})
_FILLS = {"zeros": 0.0, "ones": 1.0}
ORDERS = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "less": "<", "greater": ">", "not_equal": "!=",
}  # fmt: skip
ZERO = Dim.of(0)
_SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def plain(value: Any) -> float | None:
    """A known number as a float; True is 1."""
    match value:
        case Real(scale) if scale.known and not scale.learnt and not scale.powers:
            return scale.coefficient
        case Num(dim) if dim.value is not None:
            return float(dim.value)
        case Const(bool(truth)):
            return float(truth)
    return None


def dtype_named(value: Any) -> str | None:
    """`torch.bool` → bool; None for one that isn't known."""
    match value:
        case External(path):
            return _DTYPES.get(path.rsplit(".", 1)[-1])
        case Const(str(name)):
            return _DTYPES.get(name)
        case Unknown(key=("about", "dtype", str(kind), *_)):
            return kind
    return None


def filled(call: Call, value: Any) -> Filled:
    """zeros, ones, full and their like."""
    name = call.name.removeprefix("new_").removesuffix("_like")
    if name != "full":
        dtype = None if name != call.name else INT if name in ("randint", "LongTensor") else FLOAT
        number_ = _FILLS.get(name)
    else:
        dtype = {Const: BOOL, Num: INT, Real: FLOAT}.get(type(value)) if name == call.name else None
        number_ = plain(value)
    given = call.kwargs.get("dtype")
    return Filled(number_, dtype if given is None else dtype_named(given))


def converted(call: Call) -> Converted:
    """A cast: `bool()`, `to(device)`, `type(torch.bool)`."""
    if call.name in _SAME:
        return Converted(SAME)
    if call.name in _DTYPES:
        return Converted(_DTYPES[call.name])
    given = [value for value in (*call.args[1:], *call.kwargs.values()) if not isinstance(value, Many)]
    named = [dtype for value in given if (dtype := dtype_named(value)) is not None]
    if named:
        return Converted(named[0])
    return Converted(SAME if given and all(map(_is_device, given)) else None)


def _is_device(value: Any) -> bool:
    match value:
        case Const():
            return True
        case Unknown(key=("about", "device", *_)):
            return True
    return False


def written(call: Call, index: int, name: str) -> Place | None:
    """Where an argument of an op stands in the source; `index` counts the tensor that a method belongs to."""
    arguments = call.node.args if isinstance(call.node, cst.Call) else ()
    plain_ones = [argument.value for argument in arguments if argument.keyword is None and not argument.star]
    for argument in arguments:
        if argument.keyword is not None and argument.keyword.value == name:
            return call.run.place(argument.value)
        if argument.star:
            return None
    own = index - (len(call.args) - len(plain_ones))
    return call.run.place(plain_ones[own]) if 0 <= own < len(plain_ones) else None


def triangle(call: Call) -> Triangle:
    diagonal = call.get(1, "diagonal", Num(ZERO))
    known = number(diagonal) if isinstance(diagonal, Num | Unknown) else None
    return Triangle(call.name == "triu", known, written(call, 1, "diagonal"))


def put(call: Call) -> Put:
    """masked_fill."""
    value = call.get(2, "value")
    filled_with = value if isinstance(value, Tensor) else plain(value)
    return Put(filled_with, written(call, 1, "mask"), written(call, 2, "value"))


def of_unary(call: Call) -> Triangle | Filled | None:
    match call.name:
        case "triu" | "tril":
            return triangle(call)
        case "fill" | "zero":
            return Filled(plain(call.get(1, "value")) if call.name == "fill" else 0.0, None)
    return None


def offset(name: str, scalar: Any, *, swapped: bool) -> Offset | None:
    """`x + 1`, `x - 1`, `1 - x`."""
    value, size = plain(scalar), _size(scalar)
    if name == "rsub":
        name, swapped = "sub", not swapped
    if name == "add":
        return Offset(value, size)
    if name != "sub":
        return None
    if swapped:
        return Offset(value, size, negated=True)
    return Offset(None if value is None else -value, None if size is None else -size)


def compared(how: str, scalar: Any, *, swapped: bool) -> Compared:
    """A tensor compared with a number, which may stand first."""
    return Compared(_SWAPPED.get(how, how) if swapped else how, plain(scalar), _size(scalar))


def _size(value: Any) -> Dim | None:
    if isinstance(value, Const | Real) or value is None or isinstance(value, Seq | Many):
        return None
    return number(value)


def choice(call: Call) -> Choice:
    """`torch.where(condition, a, b)`, `a.where(condition, b)`."""
    names = ("condition", "input", "other")
    given = [call.get(index, name) for index, name in enumerate(names)]
    if isinstance(call.node, cst.Call) and len(call.node.args) == 2:
        given[0], given[1] = given[1], given[0]
    tensors = [call.run.tensor(value, call.node) if value is not None else None for value in given]
    condition, chosen, other = (
        tensor if tensor is not None else plain(value) for tensor, value in zip(tensors, given, strict=True)
    )
    return Choice(condition if isinstance(condition, Tensor) else None, chosen, other)
