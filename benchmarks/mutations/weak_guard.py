"""`assert dim % num_heads == 0` → its contrary, or `dim % 2 == 0`: a guard that no longer keeps what it kept."""

import ast

from mutations.attention import Attention, Edit, Sites, last_name
from mutations.head_width import Guard, HeadWidth, guards, head_widths


def inverted(attention: Attention) -> Sites:
    module = attention.module
    for width, found in _guarded(attention):
        tests = [guard.node.test for guard in found if isinstance(guard.node, ast.Assert | ast.If)]
        yield width.node.lineno, tuple(module.replace(test, f"not ({module.source(test)})") for test in tests)


def weakened(attention: Attention) -> Sites:
    for width, found in _guarded(attention):
        if edits := tuple(edit for guard in found for edit in _weaker(attention, guard, width)):
            yield width.node.lineno, edits


def _guarded(attention: Attention) -> list[tuple[HeadWidth, list[Guard]]]:
    """Each division of `__init__` that is guarded, once for its pair of sizes, and all its guards."""
    if not attention.is_module:
        return []
    widths = {(width.width, width.heads): width for width in head_widths(attention, attention.init)}
    return [(width, found) for width in widths.values() if (found := list(guards(attention, width)))]


def _weaker(attention: Attention, guard: Guard, width: HeadWidth) -> list[Edit]:
    module = attention.module
    for node in ast.walk(guard.node):
        match node:
            case ast.BinOp(left, ast.Mod(), right) if (last_name(left), last_name(right)) == (width.width, width.heads):
                return [module.replace(right, "2")]
            case ast.Compare(left, [ast.Eq() | ast.NotEq()], [right]) if guard.by_product:
                sign = Edit(module.end(left), module.start(right), "")
                between = module.data[sign.start : sign.end].decode()
                weaker = between.replace("==", "<=").replace("!=", ">")
                return [Edit(sign.start, sign.end, weaker)]
    return []
