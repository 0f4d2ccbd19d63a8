"""Expression → value. One function for each kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import ONE, Dim, Kind, Symbol
from shapecheck.shapes.shape import Row
from shapecheck.shapes.trace import Division, Remainder, Scale, Tensor
from shapecheck.static import conditions
from shapecheck.static.attributes import attribute
from shapecheck.static.calls import call
from shapecheck.static.ops import apply
from shapecheck.static.run import MOST_NODES, GiveUp, Run
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import item, iterations, plain_items, slice_of
from shapecheck.static.values import (
    FALSE,
    NONE,
    TRUE,
    Class,
    Cond,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Many,
    Method,
    Num,
    Partial,
    Real,
    Seq,
    Table,
    Unknown,
    Value,
    real,
    scale_of,
)  # fmt: skip


def evaluate(run: Run, node: cst.BaseExpression, scope: Scope) -> Value:
    """The value of an expression; Unknown where there is no telling."""
    run.nodes += 1
    if run.nodes > MOST_NODES:
        raise GiveUp
    handler = _HANDLERS.get(type(node))
    return handler(run, node, scope) if handler else unknown(run, node)


def unknown(run: Run, node: cst.CSTNode, name: str = "?", **more: Any) -> Unknown:
    return Unknown(run.key(node), name, **more)


# -- names and constants -------------------------------------------------------------------------------------------------
_ALIASES = {
    "torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "math": "math", "einops": "einops",
    "rearrange": "einops.rearrange", "repeat": "einops.repeat", "np": "numpy",
}  # fmt: skip


def _name(run: Run, node: cst.Name, scope: Scope) -> Value:
    name = node.value
    match name:
        case "None":
            return NONE
        case "True":
            return TRUE
        case "False":
            return FALSE
    value = scope.local(name)
    if value is None:
        value = top_level(run, name, scope)
    return run.settled(value)


def top_level(run: Run, name: str, scope: Scope) -> Value:
    """What a name of the file, of a file imported from, or of Python stands for."""
    from shapecheck.static.project import Assigned
    from shapecheck.static.statements import assigned

    found = scope.file.find(name, scope.row)
    if isinstance(found, Assigned):
        return assigned(run, found, name)
    if isinstance(found, Class | Function | External):
        return found
    return External(_ALIASES.get(name, f"builtins.{name}"))


def _integer(run: Run, node: cst.Integer, scope: Scope) -> Value:
    return Num(Dim.of(int(node.value.replace("_", ""), 0) if node.value.strip("0_") else 0), run.place(node))


def _float(run: Run, node: cst.Float, scope: Scope) -> Value:
    return Real(Scale(coefficient=float(node.value.replace("_", ""))))


def _string(run: Run, node: cst.SimpleString, scope: Scope) -> Value:
    literal = _literal(node.value)
    return literal if literal is not None else unknown(run, node)


@lru_cache(4096)
def _literal(text: str) -> Const | None:
    try:
        return Const(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return None


def _concatenated(run: Run, node: cst.ConcatenatedString, scope: Scope) -> Value:
    left, right = evaluate(run, node.left, scope), evaluate(run, node.right, scope)
    match left, right:
        case Const(str(a)), Const(str(b)):
            return Const(a + b)
    return unknown(run, node)


def _formatted(run: Run, node: cst.FormattedString, scope: Scope) -> Value:
    text = ""
    for part in node.parts:
        if isinstance(part, cst.FormattedStringText):
            text += part.value
            continue
        assert isinstance(part, cst.FormattedStringExpression)
        value = evaluate(run, part.expression, scope)
        if isinstance(value, Const) and isinstance(value.value, str):
            text += value.value
        elif isinstance(value, Num) and value.dim.value is not None:
            text += str(value.dim.value)
        else:
            return unknown(run, node)
    return Const(text)


def _ellipsis(run: Run, node: cst.Ellipsis, scope: Scope) -> Value:
    return Const(...)


# -- displays and comprehensions -----------------------------------------------------------------------------------------
def _sequence(run: Run, node: cst.Tuple | cst.List | cst.Set, scope: Scope) -> Value:
    items: list[Any] = []
    for element in node.elements:
        value = evaluate(run, element.value, scope)
        if isinstance(element, cst.StarredElement):
            items += plain_items(run, value, element) if isinstance(value, Seq) else _spread(run, value, element)
        else:
            items.append(value)
    return Seq(items, is_list=not isinstance(node, cst.Tuple))


def _spread(run: Run, value: Value, node: cst.CSTNode) -> list[Any]:
    return [Row(run.key(node), "…")] if isinstance(value, Unknown) else [Many(unknown(run, node), None)]


def _dict(run: Run, node: cst.Dict, scope: Scope) -> Value:
    table = Table({})
    for element in node.elements:
        value = evaluate(run, element.value, scope)
        if isinstance(element, cst.StarredDictElement):
            if isinstance(value, Table):
                table.items.update(value.items)
            table.open |= not isinstance(value, Table) or value.open
            continue
        assert isinstance(element, cst.DictElement)
        key = evaluate(run, element.key, scope)
        match key:
            case Const(value=constant) if not isinstance(constant, float):
                table.items[constant] = value
            case Num(dim) if dim.value is not None:
                table.items[dim.value] = value
            case _:
                table.open = True
    if run.configs_noted:
        run.configs.append(table)
    return table


def _comprehension(run: Run, node: cst.ListComp | cst.GeneratorExp | cst.SetComp, scope: Scope) -> Value:
    items: list[Any] = []
    _loop(run, node.for_in, scope.inner(), lambda inner: evaluate(run, node.elt, inner), items)
    return Seq(items, is_list=True)


def _dict_comprehension(run: Run, node: cst.DictComp, scope: Scope) -> Value:
    table, items = Table({}), list[Any]()

    def pair(inner: Scope) -> Value:
        return Seq([evaluate(run, node.key, inner), evaluate(run, node.value, inner)])

    _loop(run, node.for_in, scope.inner(), pair, items)
    for entry in items:
        key = entry.items[0] if isinstance(entry, Seq) else None
        if isinstance(key, Const):
            table.items[key.value] = entry.items[1]
        else:
            table.open = True
    return table


def _loop(run: Run, loop: cst.CompFor, scope: Scope, element: Callable[[Scope], Value], items: list[Any]) -> None:
    from shapecheck.static.statements import bind

    for value in iterations(run, evaluate(run, loop.iter, scope), loop):
        each = value.element if isinstance(value, Many) else value
        bind(run, loop.target, each, scope)
        kept = True
        for test in loop.ifs:
            answer = conditions.truth(run, evaluate(run, test.test, scope), test)
            kept = kept and conditions.known(run, answer) is not False
        if not kept:
            continue
        inner: list[Any] = []
        if loop.inner_for_in:
            _loop(run, loop.inner_for_in, scope, element, inner)
        else:
            inner.append(element(scope))
        items += [_many(one, value.count) for one in inner] if isinstance(value, Many) else inner


def _many(value: Any, count: Dim | None) -> Any:
    return value if isinstance(value, Many) else Many(value, count)


def _lambda(run: Run, node: cst.Lambda, scope: Scope) -> Value:
    return Function("<lambda>", node, run.frames[-1].slice, scope)


# -- conditions ----------------------------------------------------------------------------------------------------------
def _conditional(run: Run, node: cst.IfExp, scope: Scope) -> Value:
    cond = evaluate(run, node.test, scope)
    answer = conditions.test(run, cond, node.test)
    chosen = node.body if answer else node.orelse
    match cond:
        case Cond("none", _) if answer:
            return _default(run, chosen, scope)
        case Cond("not", (Cond("none", _),)) | Unknown(optional=True) if not answer:
            return _default(run, chosen, scope)
    return evaluate(run, chosen, scope)


def _default(run: Run, node: cst.BaseExpression, scope: Scope) -> Value:
    """The value of an expression that is only taken where something wasn't given."""
    run.fallback += 1
    try:
        return evaluate(run, node, scope)
    finally:
        run.fallback -= 1


def _boolean(run: Run, node: cst.BooleanOperation, scope: Scope) -> Value:
    left = evaluate(run, node.left, scope)
    is_and = isinstance(node.operator, cst.And)
    answer = conditions.known(run, conditions.truth(run, left, node.left))
    if answer is not None:
        return evaluate(run, node.right, scope) if answer is is_and else left
    if isinstance(left, Unknown) and (left.optional or left.flag) and not is_and:  # `dim_out or dim`
        if conditions.test(run, left, node.left):
            return run.settled(left)
        return _default(run, node.right, scope)
    if (
        isinstance(left, Unknown)
        and not left.optional
        and not left.flag
        and left.kind is not Kind.OPAQUE
        and not is_and
    ):
        return left
    before = dict(run.decisions)
    right = evaluate(run, node.right, scope)
    del before
    return Cond(
        "and" if is_and else "or", (conditions.truth(run, left, node.left), conditions.truth(run, right, node.right))
    )


def _comparison(run: Run, node: cst.Comparison, scope: Scope) -> Value:
    left = evaluate(run, node.left, scope)
    results: list[Value] = []
    for target in node.comparisons:
        right = evaluate(run, target.comparator, scope)
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            if not isinstance(target.operator, cst.Is | cst.IsNot | cst.In | cst.NotIn):
                return apply(run, "compare", node, [left, right], {})
        results.append(conditions.compare(run, target.operator, left, right, node))
        left = right
    return results[0] if len(results) == 1 else Cond("and", tuple(results))


def _unary(run: Run, node: cst.UnaryOperation, scope: Scope) -> Value:
    value = evaluate(run, node.expression, scope)
    if isinstance(node.operator, cst.Not):
        answer = conditions.known(run, conditions.truth(run, value, node.expression))
        if answer is not None:
            return FALSE if answer else TRUE
        return Cond("not", (conditions.truth(run, value, node.expression),))
    if isinstance(value, Tensor):
        return apply(run, "neg" if isinstance(node.operator, cst.Minus) else "bitwise_not", node, [value], {})
    if isinstance(node.operator, cst.Minus):
        match value:
            case Num(dim):
                return Num(-dim)
            case Real(scale):
                return Real(replace(scale, coefficient=-scale.coefficient))
            case Unknown(tensor=None) if value.kind is not Kind.OPAQUE and not value.flag and not value.optional:
                return Num(-Dim.of(value.symbol))
    return unknown(run, node)


# -- arithmetic ----------------------------------------------------------------------------------------------------------
_TENSOR_OPS: dict[type, str] = {
    cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "div", cst.MatrixMultiply: "matmul",
    cst.Power: "pow", cst.FloorDivide: "floor_divide", cst.Modulo: "remainder", cst.BitAnd: "bitwise_and",
    cst.BitOr: "bitwise_or", cst.BitXor: "bitwise_xor", cst.LeftShift: "bitwise_and", cst.RightShift: "bitwise_and",
    cst.AddAssign: "add", cst.SubtractAssign: "sub", cst.MultiplyAssign: "mul", cst.DivideAssign: "div",
    cst.MatrixMultiplyAssign: "matmul", cst.PowerAssign: "pow", cst.FloorDivideAssign: "floor_divide",
    cst.ModuloAssign: "remainder", cst.BitAndAssign: "bitwise_and", cst.BitOrAssign: "bitwise_or",
    cst.BitXorAssign: "bitwise_xor",
}  # fmt: skip


def _binary(run: Run, node: cst.BinaryOperation, scope: Scope) -> Value:
    chain = []  # a long sum nests to the left: no recursion there
    while isinstance(node, cst.BinaryOperation):
        chain.append(node)
        left_node = node.left
        if not isinstance(left_node, cst.BinaryOperation):
            break
        node = left_node
    value = evaluate(run, chain[-1].left, scope)
    for one in reversed(chain):
        value = operate(run, type(one.operator), value, evaluate(run, one.right, scope), one)
    return value


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
    return None


def divided(run: Run, dividend: Dim, divisor: Dim, node: cst.CSTNode) -> None:
    """Record a division of sizes where it may leave a remainder."""
    if dividend.exact_quotient(divisor) is None and dividend.value is None:
        frame = run.frames[-1]
        run.facts.quotients[(dividend, divisor)] = dividend // divisor
        in_sight = all(map(_in_sight, dividend.symbols() | divisor.symbols()))
        fallback = run.fallback > 0
        run.divisions.append(
            Division(dividend, divisor, run.place(node), frame.symbol, frame.method, in_sight, fallback)
        )


def _left_over(run: Run, a: Dim, b: Dim, right: Value, node: cst.CSTNode) -> None:
    """Note a guard's remainder, and the known numbers that leave one while an object is built."""
    place = run.place(node)
    if a.value is None or b.value is None:
        run.guarded.append(place)
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
    """Whether a size is a parameter, or a field of an object whose class was read with what it checks."""
    key = symbol.key
    while isinstance(key, tuple) and key and key[0] in ("attribute", "item"):
        owner = key[1]
        if not isinstance(owner, tuple) or owner[0] in ("param", "kwargs", "class"):
            return False
        key = owner
    return True


def truncated(run: Run, scale: Scale, node: cst.CSTNode) -> Value:
    """`int(a / b)`: the whole part of a float."""
    if not scale.known or scale.learnt:
        return unknown(run, node)
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


# -- access --------------------------------------------------------------------------------------------------------------
def _attribute(run: Run, node: cst.Attribute, scope: Scope) -> Value:
    return run.settled(attribute(run, evaluate(run, node.value, scope), node.attr.value, node))


def _subscript(run: Run, node: cst.Subscript, scope: Scope) -> Value:
    owner = evaluate(run, node.value, scope)
    if isinstance(owner, Unknown) and (owner.kind is Kind.INPUT or owner.tensor is not None):
        if not (len(node.slice) == 1 and _is_key(node.slice[0])):
            owner = run.tensor(owner, node) or owner
    if isinstance(owner, Tensor):
        return apply(run, "index", node, [owner, *_indices(run, node, scope)], {})
    if len(node.slice) != 1:
        return unknown(run, node)
    element = node.slice[0].slice
    if isinstance(element, cst.Slice):
        return slice_of(
            run, owner, [_bound(run, part, scope) for part in (element.lower, element.upper, element.step)], node
        )
    assert isinstance(element, cst.Index)
    return run.settled(item(run, owner, evaluate(run, element.value, scope), node))


def _is_key(element: cst.SubscriptElement) -> bool:
    return isinstance(element.slice, cst.Index) and isinstance(element.slice.value, cst.SimpleString)


def _bound(run: Run, node: cst.BaseExpression | None, scope: Scope) -> Value:
    return NONE if node is None else evaluate(run, node, scope)


def _indices(run: Run, node: cst.Subscript, scope: Scope) -> list[Value]:
    """The indices of a tensor; a slice is Seq([lower, upper, step]) with a name of its own."""
    found: list[Value] = []
    for element in node.slice:
        if isinstance(element.slice, cst.Slice):
            part = element.slice
            bounds = [_bound(run, one, scope) for one in (part.lower, part.upper, part.step)]
            found.append(Seq(bounds, fields=("slice",)))
        else:
            assert isinstance(element.slice, cst.Index)
            value = evaluate(run, element.slice.value, scope)
            if isinstance(value, Seq) and not value.is_list and value.plain and len(node.slice) == 1:
                found += value.items
            else:
                found.append(value)
    return found


def _call(run: Run, node: cst.Call, scope: Scope) -> Value:
    function = evaluate(run, node.func, scope)
    args: list[Any] = []
    kwargs: dict[str, Value] = {}
    for argument in node.args:
        is_default = len(args) == 2 and isinstance(function, External) and function.path == "builtins.getattr"
        value = (_default if is_default else evaluate)(run, argument.value, scope)
        if argument.keyword is not None:
            kwargs[argument.keyword.value] = value
        elif argument.star == "*":
            args += plain_items(run, value, argument) if isinstance(value, Seq) else [Many(value, None)]
        elif argument.star == "**":
            if isinstance(value, Table):
                kwargs.update({key: one for key, one in value.items.items() if isinstance(key, str)})
            if not isinstance(value, Table) or value.open:
                kwargs.setdefault("**", value)
        else:
            args.append(value)
    return run.settled(call(run, function, args, kwargs, node, scope))


def _walrus(run: Run, node: cst.NamedExpr, scope: Scope) -> Value:
    from shapecheck.static.statements import bind

    value = evaluate(run, node.value, scope)
    bind(run, node.target, value, scope)
    return value


_HANDLERS: dict[type, Callable[..., Value]] = {
    cst.Name: _name, cst.Integer: _integer, cst.Float: _float, cst.SimpleString: _string,
    cst.ConcatenatedString: _concatenated, cst.FormattedString: _formatted, cst.Ellipsis: _ellipsis,
    cst.Tuple: _sequence, cst.List: _sequence, cst.Set: _sequence, cst.Dict: _dict, cst.ListComp: _comprehension,
    cst.GeneratorExp: _comprehension, cst.SetComp: _comprehension, cst.DictComp: _dict_comprehension,
    cst.Lambda: _lambda, cst.IfExp: _conditional, cst.BooleanOperation: _boolean, cst.Comparison: _comparison,
    cst.UnaryOperation: _unary, cst.BinaryOperation: _binary, cst.Attribute: _attribute, cst.Subscript: _subscript,
    cst.Call: _call, cst.NamedExpr: _walrus,
}  # fmt: skip

__all__ = ["Class", "Instance", "Layer", "Method", "Partial", "divided", "evaluate", "operate", "truncated", "unknown"]
