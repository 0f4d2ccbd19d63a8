"""`context.transpose(1, 2).reshape(b, t, dim)` → `context.reshape(b, t, dim)`, after the attention.

Not where one query pools (an axis of 1 may stand anywhere), nor after a function that may have moved the heads itself.
"""

import ast
import re

from mutations.attention import Attention, Sites, called, calls, literal

_RESHAPES = {"view", "reshape", "flatten"}
_MOVES = {"transpose", "permute", "swapaxes", "swapdims", "movedim"}
_COPIES = {"contiguous", "clone"}
_NEAR = 3  # statements between the transpose and the reshape


def sites(attention: Attention) -> Sites:
    module = attention.module
    if not attention.is_module:
        return
    for name, method in attention.methods.items():
        end = attention.attends.get(name, 0)
        if attention.pools or _is_handed_on(attention, method, end):
            continue
        if not attention.has_heads or not (end or re.search(r"merge|combine", name)):
            continue
        for call in calls(method):
            match call.func:
                case ast.Attribute(value, reshape) if reshape in _RESHAPES and module.end(call) > end:
                    move = _move(value) or _move_in_statement_before(attention, call, value)
                    if move is not None and module.end(move) > end:
                        assert isinstance(move.func, ast.Attribute)
                        yield move.lineno, (module.replace(move, move.func.value),)


def _is_handed_on(attention: Attention, method: ast.FunctionDef, end: int) -> bool:
    """Does a function that is chosen elsewhere attend last? It may have put the heads back by itself."""
    return any(
        re.search(r"attention_(interface|fn|func)|_attn_f", called(call)) and attention.module.end(call) == end
        for call in calls(method)
    )


def _move(value: ast.expr) -> ast.Call | None:
    """The transpose or permute that makes this value, perhaps copied since; not that of the last two axes."""
    match value:
        case ast.Call(func=ast.Attribute(inner, copy)) if copy in _COPIES:
            return _move(inner)
        case ast.Call(func=ast.Attribute(inner, move), args=arguments) if move in _MOVES:
            if isinstance(inner, ast.Name) and inner.id == "torch":
                return None
            axes = [literal(argument) for argument in arguments]
            return None if axes in ([-1, -2], [-2, -1], [2, 3], [3, 2]) else value
    return None


def _move_in_statement_before(attention: Attention, reshape: ast.Call, value: ast.expr) -> ast.Call | None:
    """`y = y.transpose(1, 2)` shortly before `y = y.view(…)`."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and called(value) in _COPIES:
        value = value.func.value
    if not isinstance(value, ast.Name):
        return None
    statement = next(node for node in attention.ancestors(reshape) if isinstance(node, ast.stmt))
    blocks = [field for _, field in ast.iter_fields(attention.parents[statement]) if isinstance(field, list)]
    block = next(block for block in blocks if statement in block)
    here = block.index(statement)
    for before in reversed(block[max(0, here - _NEAR) : here]):
        match before:
            case ast.Assign([ast.Name(name)], assigned) if name == value.id:
                return _move(assigned)
    return None
