"""A decision as the source writes it, and known values → whether it holds: `heads == 1`, `qk_norm`, `bias is None`."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}  # fmt: skip
_PLAIN = (int, float, str, bool, type(None))


class _NotKnown(Exception):
    pass


def decided(text: str, values: Mapping[str, Any]) -> bool | None:
    """Whether a condition holds, as far as the values say; None where they don't."""
    try:
        return bool(_value(ast.parse(text, mode="eval").body, values))
    except (_NotKnown, SyntaxError, TypeError, ZeroDivisionError, ValueError):
        return None


def contradicts(decisions: tuple[tuple[str, bool], ...], values: Mapping[str, Any]) -> bool:
    """Whether some decision went another way than the values say."""
    return any(decided(text, values) not in (None, way) for text, way in decisions)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in values and isinstance(values[name], _PLAIN):
            return values[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, values)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SUMS:
            return _SUMS[type(sign)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARED:
            return _COMPARED[type(sign)](_value(left, values), _value(right, values))
    raise _NotKnown
