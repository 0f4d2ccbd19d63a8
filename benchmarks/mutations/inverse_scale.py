"""`head_dim ** -0.5` → `head_dim ** 0.5`, `scores / math.sqrt(head_dim)` → `scores * math.sqrt(head_dim)`."""

import ast
import re

from mutations.attention import Attention, Edit, Sites, called, is_scores, last_name, literal

SCALE = re.compile(r"scal|norm_fact|softmax_temp", re.IGNORECASE)
_QUERY = re.compile(r"q|query|queries|query_layer|query_states|q_\w+")


def sites(attention: Attention) -> Sites:
    module = attention.module
    for node in ast.walk(attention.node):
        match node:
            case ast.BinOp(base, ast.Pow(), exponent) if last_name(base) and literal(exponent) == -0.5:
                if scales(attention, node):
                    yield node.lineno, (module.replace(exponent, "0.5"),)
            case ast.BinOp(scaled, ast.Div(), root) if is_root(root):
                one = literal(scaled) == 1 and scales(attention, node)
                slash = Edit(module.end(scaled), module.start(root), " * ")
                if (one or is_scaled(scaled)) and module.data[slash.start : slash.end].strip() == b"/":
                    yield node.lineno, (slash,)


def is_root(node: ast.expr) -> bool:
    match node:
        case ast.Call(args=[argument]):
            return called(node) == "sqrt" and bool(last_name(argument))
        case ast.BinOp(ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call(), ast.Pow(), ast.Constant(0.5)):
            return True
    return False


def is_scaled(node: ast.expr) -> bool:
    return is_scores(node) or bool(_QUERY.fullmatch(last_name(node)))


def scales(attention: Attention, node: ast.AST) -> bool:
    """Does the value go by the name of a scale, or is it a factor of the queries or the scores?"""
    match attention.parents[node]:
        case ast.Assign(targets):
            return any(SCALE.search(last_name(target)) for target in targets)
        case ast.BinOp(left, ast.Mult(), right):
            return is_scaled(right if left is node else left)
    return False
