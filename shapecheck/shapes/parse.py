"""text → Dim and shape: reads back what was printed."""

from __future__ import annotations

import ast
from collections.abc import Callable

from shapecheck.shapes.dim import Dim, Function, Kind, Symbol
from shapecheck.shapes.substitute import rebuild


def parse_dim(text: str, symbol: Callable[[str], Symbol] = Symbol) -> Dim:
    """The Dim that prints as `text`. Raises ValueError for anything else than names, whole numbers, + - * ** // % and calls."""
    try:
        tree = ast.parse(text.strip().replace("?", "__unknown__"), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"no size: {text!r}") from error
    return _dim(tree.body, symbol)


def _dim(node: ast.expr, symbol: Callable[[str], Symbol]) -> Dim:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return Dim.of(value)
        case ast.Name(id="__unknown__"):
            return Dim.of(Symbol("?", Kind.UNKNOWN))
        case ast.Name(id=name):
            return Dim.of(symbol(name))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_dim(operand, symbol)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            return _dim(left, symbol) ** power
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _dim(left, symbol), _dim(right, symbol)
            match operator:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.FloorDiv():
                    return rebuild("//", (a, b))
                case ast.Mod():
                    return rebuild("%", (a, b))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return Dim.of(Function(name, tuple(_dim(argument, symbol) for argument in arguments)))
    raise ValueError(f"no size: {ast.unparse(node)!r}")


def parse_shape(text: str, symbol: Callable[[str], Symbol] = Symbol) -> tuple[Dim, ...]:
    """The sizes of `[b, num_heads, t, head_dim]`. Raises ValueError where the brackets or a size are not well formed."""
    inside = text.strip()
    if not (inside.startswith("[") and inside.endswith("]")):
        raise ValueError(f"no shape: {text!r}")
    try:
        tree = ast.parse(inside.replace("?", "__unknown__"), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"no shape: {text!r}") from error
    match tree.body:
        case ast.List(elts=elements):
            return tuple(_dim(element, symbol) for element in elements)
    raise ValueError(f"no shape: {text!r}")
