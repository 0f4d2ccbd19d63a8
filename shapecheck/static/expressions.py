"""Expression → value. One function for each kind of node."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Row
from shapecheck.shapes.trace import Tensor
from shapecheck.static import conditions
from shapecheck.static.arithmetic import operate
from shapecheck.static.attributes import attribute
from shapecheck.static.calls import call
from shapecheck.static.ops import apply
from shapecheck.static.run import MOST_NODES, GiveUp, Run, unknown
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
    Many,
    Method,
    Num,
    Real,
    Seq,
    Table,
    Unknown,
    Value,
)  # fmt: skip


def evaluate(run: Run, node: cst.BaseExpression, scope: Scope) -> Value:
    """The value of an expression; Unknown where there is no telling."""
    run.nodes += 1
    if run.nodes > MOST_NODES:
        raise GiveUp
    handler = _HANDLERS.get(type(node))
    return handler(run, node, scope) if handler else unknown(run, node)


# -- names and constants -------------------------------------------------------------------------------------------------
_ALIASES = {
    "torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "math": "math", "einops": "einops",
    "rearrange": "einops.rearrange", "repeat": "einops.repeat", "np": "numpy",
}  # fmt: skip


_CONSTANTS: dict[str, Value] = {"None": NONE, "True": TRUE, "False": FALSE}


def _name(run: Run, node: cst.Name, scope: Scope) -> Value:
    name = node.value
    if name in _CONSTANTS:
        return _CONSTANTS[name]
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
    from shapecheck.static.binding import bind

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
    since = len(run.asked)
    cond = evaluate(run, node.test, scope)
    answer = conditions.test(run, cond, node.test)
    chosen, other = (node.body, node.orelse) if answer else (node.orelse, node.body)
    if isinstance(other, cst.Call):
        run.forked(since, id(chosen), id(other))
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
        value = evaluate(run, node, scope)
    finally:
        run.fallback -= 1
    run.defaulted(value)
    return value


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
    right = evaluate(run, node.right, scope)
    return Cond(
        "and" if is_and else "or", (conditions.truth(run, left, node.left), conditions.truth(run, right, node.right))
    )


def _comparison(run: Run, node: cst.Comparison, scope: Scope) -> Value:
    left = evaluate(run, node.left, scope)
    results: list[Value] = []
    for target in node.comparisons:
        right = evaluate(run, target.comparator, scope)
        if not isinstance(target.operator, cst.Is | cst.IsNot | cst.In | cst.NotIn):
            if _was_a_tensor(run, left) or _was_a_tensor(run, right):
                return apply(run, "compare", node, [left, right], {"sign": Const(_SIGNS.get(type(target.operator)))})
        results.append(conditions.compare(run, target.operator, left, right, node))
        left = right
    return results[0] if len(results) == 1 else Cond("and", tuple(results))


_SIGNS = {
    cst.Equal: "==", cst.NotEqual: "!=", cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
}  # fmt: skip


def _was_a_tensor(run: Run, value: Value) -> bool:
    """Whether a value is a tensor, or has been used as one before."""
    return isinstance(value, Tensor) or (isinstance(value, Unknown) and value.key in run.inputs)


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


# -- arithmetic --------------------------------------------------------------------------------------------------------
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
    result = run.settled(call(run, function, args, kwargs, node, scope))
    if isinstance(function, Method) and isinstance(function.owner, Tensor) and _IN_PLACE.fullmatch(function.name):
        run.alter(function.owner)
    changed = _changed_in_place(node) if isinstance(result, Tensor) else None
    if changed in scope.names and isinstance(scope.names[changed], Tensor):
        scope.names[changed] = result
    return result


_IN_PLACE = re.compile(r"(?!requires_grad|detach).*[a-z0-9]_")


def _changed_in_place(node: cst.Call) -> str | None:
    """The name of the tensor that a call changes where it is: `scores.mul_(scale)`, `x.add_(1).clamp_(0)`."""
    target: cst.BaseExpression = node
    while isinstance(target, cst.Call) and isinstance(target.func, cst.Attribute):
        name = target.func.attr.value
        if not name.endswith("_") or name.endswith("__"):
            return None
        target = target.func.value
    return target.value if isinstance(target, cst.Name) else None


def _walrus(run: Run, node: cst.NamedExpr, scope: Scope) -> Value:
    from shapecheck.static.binding import bind

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
