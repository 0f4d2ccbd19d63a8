"""Numbers: sizes, floats made of sizes, and the divisions that rules ask about."""

from __future__ import annotations

from fractions import Fraction

import libcst as cst

from shapecheck.shapes.built import Division, Remainder
from shapecheck.shapes.dim import ONE, Dim, Kind, Symbol
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import apply
from shapecheck.static.run import Run, unknown
from shapecheck.static.values import Cond, Const, Many, Num, Real, Seq, Table, Unknown, Value, real, scale_of

_TENSOR_OPS: dict[type, str] = {
    cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "div", cst.MatrixMultiply: "matmul",
    cst.Power: "pow", cst.FloorDivide: "floor_divide", cst.Modulo: "remainder", cst.BitAnd: "bitwise_and",
    cst.BitOr: "bitwise_or", cst.BitXor: "bitwise_xor", cst.LeftShift: "bitwise_and", cst.RightShift: "bitwise_and",
    cst.AddAssign: "add", cst.SubtractAssign: "sub", cst.MultiplyAssign: "mul", cst.DivideAssign: "div",
    cst.MatrixMultiplyAssign: "matmul", cst.PowerAssign: "pow", cst.FloorDivideAssign: "floor_divide",
    cst.ModuloAssign: "remainder", cst.BitAndAssign: "bitwise_and", cst.BitOrAssign: "bitwise_or",
    cst.BitXorAssign: "bitwise_xor",
}  # fmt: skip


_LOGIC = {"bitwise_and": "and", "bitwise_or": "or"}  # of flags: `return_weights | return_hiddens`


def operate(run: Run, operator: type, left: Value, right: Value, node: cst.CSTNode) -> Value:
    """`left operator right`."""
    op = _TENSOR_OPS.get(operator)
    if op is None:
        return unknown(run, node)
    if _is_tensor(left) or _is_tensor(right) or op == "matmul":
        return apply(run, op, node, [left, right], {})
    match left, right:
        case (Seq(), Seq()) if op == "add":
            return Seq([*left.items, *right.items], left.is_list, left.unsure or right.unsure)
        case (Seq(items=[one]), Num(dim)) | (Num(dim), Seq(items=[one])) if op == "mul":
            if dim.value is not None and dim.value < 64:
                return Seq([one] * dim.value, True)
            return Seq([Many(one, dim)], True)
        case (Seq(), Num(dim)) | (Num(dim), Seq()) if op == "mul" and dim.value is not None and dim.value < 64:
            sequence = left if isinstance(left, Seq) else right
            assert isinstance(sequence, Seq)
            return Seq(sequence.items * dim.value, sequence.is_list)
        case Const(str(a)), Const(str(b)) if op == "add":
            return Const(a + b)
        case (Table(), Table()) if op == "bitwise_or":
            return Table({**left.items, **right.items}, left.open or right.open)
        case (Cond() | Const(bool()) | Unknown(flag=True), Cond() | Const(bool()) | Unknown(flag=True)) if op in _LOGIC:
            return Cond(_LOGIC[op], (left, right))
    return _arithmetic(run, op, left, right, node)


def _is_tensor(value: Value) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, Unknown) and value.tensor is not None)


def _arithmetic(run: Run, op: str, left: Value, right: Value, node: cst.CSTNode) -> Value:
    a, b = _plain_number(left), _plain_number(right)
    if a is not None and b is not None:
        if len(a.terms) + len(b.terms) > 40:
            return unknown(run, node)
        match op:
            case "add":
                return Num(a + b)
            case "sub":
                return Num(a - b)
            case "mul":
                return Num(a * b)
            case "floor_divide" | "remainder" if b.terms:
                _left_over(run, a, b, right, node)
                if op == "remainder":
                    run.facts.looked_at.add((a, b))
                    return Num(a % b)
                divided(run, a, b, node)
                return Num(a // b)
            case "pow" if b.value is not None and 0 <= b.value <= 6:
                return Num(a**b.value)
            case "pow" if b.value is not None:
                return Real(scale_of(a) ** Fraction(b.value))
            case "div" if b.terms:
                return Real(scale_of(a) * scale_of(b) ** Fraction(-1))
        return unknown(run, node)
    left, right = left if a is None else Num(a), right if b is None else Num(b)
    if (
        isinstance(left, Unknown)
        and isinstance(right, Unknown)
        and (left.kind is Kind.INPUT or right.kind is Kind.INPUT)
    ):  # two arguments of forward are tensors before they are numbers
        return apply(run, op, node, [left, right], {})
    if isinstance(left, Real | Num) or isinstance(right, Real | Num):
        other = right if isinstance(left, Real | Num) else left
        if isinstance(other, Unknown) and other.kind is Kind.INPUT:
            return apply(run, op, node, [left, right], {})
        match op:
            case "mul":
                return Real(_real(left, a) * _real(right, b))
            case "div":
                return Real(_real(left, a) * _real(right, b) ** Fraction(-1))
            case "pow" if isinstance(right, Real) and right.scale.known and not right.scale.powers:
                return Real(
                    (scale_of(a) if a is not None else real(left))
                    ** Fraction(right.scale.coefficient).limit_denominator(64)
                )
            case "floor_divide":
                return truncated(run, real(left) * real(right) ** Fraction(-1), node)
        return Real(Scale(known=False, learnt=real(left).learnt or real(right).learnt))
    if isinstance(left, Const) and isinstance(left.value, str):
        return unknown(run, node)
    if any(isinstance(value, Unknown) and value.kind is Kind.INPUT for value in (left, right)):
        return apply(run, op, node, [left, right], {})
    return unknown(run, node)


def _real(value: Value, size: Dim | None) -> Scale:
    """A value as a factor: a size where it is one and isn't an argument that may be any float."""
    return scale_of(size) if size is not None and isinstance(value, Num) else real(value)


def _plain_number(value: Value) -> Dim | None:
    """A number in arithmetic: sizes are, arguments of forward and values of unknown calls may be tensors."""
    match value:
        case Num(dim):
            return dim
        case Const(bool(truth)):
            return Dim.of(int(truth))
        case Unknown(tensor=None, kind=Kind.CONSTRUCTOR | Kind.CONFIG) if not value.flag:
            if isinstance(value.default, float):
                return None
            return Dim.of(value.symbol)
        case Unknown(tensor=None, kind=Kind.INPUT, flag=False, default=int()):
            return Dim.of(value.symbol)
    return None


def divided(run: Run, dividend: Dim, divisor: Dim, node: cst.CSTNode) -> None:
    """Record a division of sizes where it may leave a remainder."""
    if dividend.value is not None and dividend != divisor:  # default numbers are no proof for those that are given
        return
    if dividend.exact_quotient(divisor) is not None:
        run.even.add(run.place(node))
    else:
        run.facts.quotients[(dividend, divisor)] = dividend // divisor
        in_sight = all(map(_in_sight, dividend.symbols() | divisor.symbols()))
        fallback = run.fallback > 0
        run.divisions.append(Division(dividend, divisor, run.place(node), not run.in_forward, in_sight, fallback))


def _left_over(run: Run, a: Dim, b: Dim, right: Value, node: cst.CSTNode) -> None:
    """Note a guard's remainder, and the known numbers that leave one while an object is built."""
    place = run.place(node)
    if a.value is None or b.value is None:
        run.guarded.append((place, a, b))
    elif a.value % b.value and run.building:
        at = right.place if isinstance(right, Num) and right.place is not None else place
        run.remainders.append(
            (Remainder(a.value, b.value, _text(getattr(node, "right", node)), at, place), run.building[-1])
        )


def _text(node: cst.CSTNode) -> str:
    """The last word of a name: `config.n_heads` → n_heads."""
    match node:
        case cst.Name(value=name) | cst.Attribute(attr=cst.Name(value=name)):
            return name
    return ""


def _in_sight(symbol: Symbol) -> bool:
    """Whether a size is a parameter, or a field of an object whose class was read with what it checks.

    A field of a field isn't: `config.vision_config` may be of a class that checks. An item of a list is as the list.
    """
    key = symbol.key
    while (
        isinstance(key, tuple) and key and key[0] == "item" and isinstance(key[1], tuple) and key[1][0] == "attribute"
    ):
        key = key[1]
    if isinstance(key, tuple) and key and key[0] in ("attribute", "item"):
        owner = key[1]
        return isinstance(owner, tuple) and owner[0] not in ("param", "kwargs", "class", "attribute", "item")
    return True


def truncated(run: Run, scale: Scale, node: cst.CSTNode) -> Value:
    """`int(a / b)`: the whole part of a float. One that has no formula is a size all the same: equal to itself."""
    if not scale.known or scale.learnt:
        return Num(Dim.of(Symbol("?", Kind.OPAQUE, ("whole", run.key(node)))))
    if not scale.powers:
        return Num(Dim.of(int(scale.coefficient)))
    above = below = ONE
    for dim, power in scale.powers:
        if power.denominator != 1:
            return unknown(run, node)
        above, below = (above * dim**power.numerator, below) if power > 0 else (above, below * dim**-power.numerator)
    coefficient = Fraction(scale.coefficient).limit_denominator(1024)
    above, below = above * Dim.of(coefficient.numerator), below * Dim.of(coefficient.denominator)
    if not below.terms:
        return unknown(run, node)
    divided(run, above, below, node)
    return Num(above // below)
