"""Expression → value. One function for each kind of node.

Lists and dicts, conditions and calls are files of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.trace import Tensor
from shapecheck.static import conditions
from shapecheck.static.arithmetic import operate
from shapecheck.static.attributes import attribute
from shapecheck.static.ops import apply
from shapecheck.static.run import MOST_NODES, GiveUp, Run, unknown
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import item, slice_of
from shapecheck.static.values import (
    FALSE,
    NONE,
    TRUE,
    Class,
    Cond,
    Const,
    External,
    Function,
    Num,
    Real,
    Seq,
    Unknown,
    Value,
)  # fmt: skip

Handler = Callable[[Run, Any, Scope], Value]
_EXPRESSIONS: dict[type, Handler] = {}


def gives(*kinds: type[cst.CSTNode]) -> Callable[[Handler], Handler]:
    """Enter what gives the value of an expression of these kinds."""

    def register(handler: Handler) -> Handler:
        _EXPRESSIONS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def evaluate(run: Run, node: cst.BaseExpression, scope: Scope) -> Value:
    """The value of an expression; Unknown where there is no telling."""
    run.nodes += 1
    if run.nodes > MOST_NODES:
        raise GiveUp
    handler = _EXPRESSIONS.get(type(node))
    return handler(run, node, scope) if handler else unknown(run, node)


def default(run: Run, node: cst.BaseExpression, scope: Scope) -> Value:
    """The value of an expression that is only taken where something wasn't given."""
    run.fallback += 1
    try:
        value = evaluate(run, node, scope)
    finally:
        run.fallback -= 1
    run.defaulted(value)
    return value


# -- names and constants -------------------------------------------------------------------------------------------------
_ALIASES = {
    "torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "math": "math", "einops": "einops",
    "rearrange": "einops.rearrange", "repeat": "einops.repeat", "np": "numpy",
}  # fmt: skip


_CONSTANTS: dict[str, Value] = {"None": NONE, "True": TRUE, "False": FALSE}


@gives(cst.Name)
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


@gives(cst.Integer)
def _integer(run: Run, node: cst.Integer, scope: Scope) -> Value:
    return Num(Dim.of(int(node.value.replace("_", ""), 0) if node.value.strip("0_") else 0), run.place(node))


@gives(cst.Float)
def _float(run: Run, node: cst.Float, scope: Scope) -> Value:
    return Real(Scale(coefficient=float(node.value.replace("_", ""))))


@gives(cst.SimpleString)
def _string(run: Run, node: cst.SimpleString, scope: Scope) -> Value:
    literal = _literal(node.value)
    return literal if literal is not None else unknown(run, node)


@lru_cache(4096)
def _literal(text: str) -> Const | None:
    try:
        return Const(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return None


@gives(cst.ConcatenatedString)
def _concatenated(run: Run, node: cst.ConcatenatedString, scope: Scope) -> Value:
    left, right = evaluate(run, node.left, scope), evaluate(run, node.right, scope)
    match left, right:
        case Const(str(a)), Const(str(b)):
            return Const(a + b)
    return unknown(run, node)


@gives(cst.FormattedString)
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


@gives(cst.Ellipsis)
def _ellipsis(run: Run, node: cst.Ellipsis, scope: Scope) -> Value:
    return Const(...)


# -- arithmetic --------------------------------------------------------------------------------------------------------
@gives(cst.UnaryOperation)
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


@gives(cst.BinaryOperation)
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
@gives(cst.Attribute)
def _attribute(run: Run, node: cst.Attribute, scope: Scope) -> Value:
    return run.settled(attribute(run, evaluate(run, node.value, scope), node.attr.value, node))


@gives(cst.Subscript)
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


@gives(cst.NamedExpr)
def _walrus(run: Run, node: cst.NamedExpr, scope: Scope) -> Value:
    from shapecheck.static.binding import bind

    value = evaluate(run, node.value, scope)
    bind(run, node.target, value, scope)
    return value


@gives(cst.Lambda)
def _lambda(run: Run, node: cst.Lambda, scope: Scope) -> Value:
    return Function("<lambda>", node, run.frames[-1].slice, scope)


from shapecheck.static import applications, displays, questions  # noqa: E402, F401 (they enter what they give)
