"""`head_dim = dim // num_heads` → `head_dim = dim`, where the projections keep the width of the model.

Not where the class checks `head_dim * num_heads == dim` itself: it refuses to be built, and no bug is left to find.
"""

import ast

from mutations.attention import Attention, Sites, called, last_name
from mutations.head_width import HeadWidth, guards, head_widths


def sites(attention: Attention) -> Sites:
    if not attention.is_module:
        return
    for method in (attention.init, attention.methods["forward"]):
        for width in head_widths(attention, method):
            if width.target is None and method is attention.init:
                continue
            if any(guard.by_product for guard in guards(attention, width)):
                continue
            if _stands_beside_heads(attention, width) and not _sizes_a_layer(attention, width.target):
                yield width.node.lineno, (attention.module.replace(width.node, width.node.left),)


def _stands_beside_heads(attention: Attention, width: HeadWidth) -> bool:
    """Is there a shape with both: the width of a head and their number?"""
    for node in ast.walk(attention.node):
        match node:
            case ast.Call(args=sizes) if called(node) in ("view", "reshape"):
                pass
            case ast.Tuple(sizes):
                pass
            case _:
                continue
        wide = any(size is width.node or (width.target and last_name(size) == width.target) for size in sizes)
        if wide and any(last_name(size) == width.heads for size in sizes):
            return True
    return False


def _sizes_a_layer(attention: Attention, target: str | None) -> bool:
    """Does a layer or another width follow it (`heads * head_dim`)? Then wider heads may well be consistent."""
    if target is None:
        return False
    for node in ast.walk(attention.init):
        match node:
            case ast.Call() if any(kind in called(node) for kind in ("Linear", "Conv", "Parameter")):
                if any(last_name(inner) == target for inner in ast.walk(node) if isinstance(inner, ast.expr)):
                    return True
            case ast.Assign(value=ast.BinOp(left, ast.Mult(), right)) if target in (last_name(left), last_name(right)):
                return True
    return False
