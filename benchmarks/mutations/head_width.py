"""The division that makes the width of one head, `dim // num_heads`, and what guards it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from mutations.attention import HEADS, WIDTH_OF_HEAD, Attention, called, calls, last_name


@dataclass(frozen=True)
class HeadWidth:
    """`target = width // heads`; no target where the quotient is used on the spot."""

    node: ast.BinOp
    width: str
    heads: str
    target: str | None


@dataclass(frozen=True)
class Guard:
    """A statement of `__init__` that raises when something remains, by `width % heads` or by `target * heads`."""

    node: ast.stmt
    by_product: bool


def head_widths(attention: Attention, method: ast.FunctionDef) -> Iterator[HeadWidth]:
    """The divisions of a method that make the width of one head, whatever the caller says."""
    for node in ast.walk(method):
        match node:
            case ast.BinOp(left, ast.FloorDiv(), right) if _is_width(left) and _is_heads(right):
                target = _target(attention.parents[node])
                if not _is_default_or_check(attention, node) and not _is_only_a_default(attention, target):
                    yield HeadWidth(node, last_name(left), last_name(right), target)


def guards(attention: Attention, width: HeadWidth) -> Iterator[Guard]:
    for node in ast.walk(attention.init):
        match node:
            case ast.Assert(test):
                yield from _guard(node, test, width)
            case ast.If(test, [*_, ast.Raise()], []):
                if not any(isinstance(inner, ast.And) for inner in ast.walk(test)):  # no further condition
                    yield from _guard(node, test, width)


def _guard(node: ast.stmt, test: ast.expr, width: HeadWidth) -> Iterator[Guard]:
    for inner in ast.walk(test):
        match inner:
            case ast.BinOp(left, ast.Mod(), right) if (last_name(left), last_name(right)) == (width.width, width.heads):
                return (yield Guard(node, by_product=False))
            case ast.BinOp(left, ast.Mult(), right) if {last_name(left), last_name(right)} == {
                width.target,
                width.heads,
            }:
                return (yield Guard(node, by_product=True))
    return None


def _is_width(node: ast.expr) -> bool:
    name = last_name(node)
    return bool(name) and not HEADS.search(name)


def _is_heads(node: ast.expr) -> bool:
    name = last_name(node)
    return bool(HEADS.search(name)) and not WIDTH_OF_HEAD.search(name)


def _is_default_or_check(attention: Attention, node: ast.AST) -> bool:
    """Is it one of two values (`head_dim or dim // heads`), a part of a guard, or of a message?"""
    for parent in attention.ancestors(node):
        if isinstance(parent, ast.BoolOp | ast.IfExp | ast.Compare | ast.Assert | ast.Raise | ast.JoinedStr | ast.If):
            return True
        if isinstance(parent, ast.Call) and called(parent) in ("getattr", "default"):
            return True
    return False


def _is_only_a_default(attention: Attention, target: str | None) -> bool:
    """Is the name that it goes by what `getattr(config, "head_dim", …)` falls back on?"""
    defaults = (call.args[2] for call in calls(attention.node) if called(call) == "getattr" and len(call.args) == 3)
    return target is not None and target in map(last_name, defaults)


def _target(parent: ast.AST) -> str | None:
    match parent:
        case ast.Assign(targets):
            return last_name(targets[-1])
    return None
