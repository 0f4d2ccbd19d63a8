"""`q @ k.T * self.scale` → `q @ k.T`; `head_dim ** -0.5` → `dim ** -0.5`, or the length's in the width's place."""

import ast
from collections.abc import Iterator

from mutations.attention import Attention, Edit, Sites, called, last_name, literal
from mutations.head_width import head_widths
from mutations.inverse_scale import SCALE, is_root, is_scaled, scales


def dropped(attention: Attention) -> Sites:
    module = attention.module
    for node in ast.walk(attention.node):
        match node:
            case ast.BinOp(left, ast.Mult(), right):
                for tensor, factor in ((left, right), (right, left)):
                    if _is_scale(factor) and is_scaled(tensor):
                        yield node.lineno, (module.replace(node, tensor),)
            case ast.BinOp(tensor, ast.Div(), root) if (_is_scale(root) or is_root(root)) and is_scaled(tensor):
                yield node.lineno, (module.replace(node, tensor),)
            case ast.AugAssign(ast.Name() as tensor, ast.Mult() | ast.Div(), factor):
                if (_is_scale(factor) or is_root(factor)) and is_scaled(tensor):
                    yield node.lineno, (module.replace(node, "pass"),)


def changed(attention: Attention) -> Sites:
    for node in ast.walk(attention.node):
        match node:
            case ast.BinOp(base, ast.Pow(), exponent) if literal(exponent) == -0.5 and scales(attention, node):
                yield from ((node.lineno, (edit,)) for edit in _other_size(attention, base))
            case ast.BinOp(scaled, ast.Div(), root) if is_root(root):
                if is_scaled(scaled) or (literal(scaled) == 1 and scales(attention, node)):
                    base = (
                        root.args[0]
                        if isinstance(root, ast.Call)
                        else root.left
                        if isinstance(root, ast.BinOp)
                        else root
                    )
                    yield from ((node.lineno, (edit,)) for edit in _other_size(attention, base))


def _is_scale(node: ast.expr) -> bool:
    return bool(SCALE.search(last_name(node)))


def _other_size(attention: Attention, base: ast.expr) -> Iterator[Edit]:
    """The width of the model for that of a head, or the number of tokens for that of channels."""
    module = attention.module
    match base:
        case ast.Call(args=[axis]) if called(base) == "size" and literal(axis) == -1:
            yield module.replace(axis, "-2")
        case ast.Subscript(ast.Attribute(attr="shape"), axis) if literal(axis) == -1:
            yield module.replace(axis, "-2")
        case ast.Name() | ast.Attribute() if attention.is_module:
            for method in attention.methods.values():
                here = any(node is base for node in ast.walk(method))
                for width in head_widths(attention, attention.init) if here else ():
                    local = isinstance(width.node.left, ast.Name)
                    if last_name(base) == width.target and (method is attention.init or not local):
                        yield module.replace(base, width.node.left)
