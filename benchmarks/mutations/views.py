"""`x.view(b, t, heads, d)` → `x.view(b, heads, t, d)`, or heads folded into the batch before they were moved there."""

import ast
import itertools
from collections.abc import Iterator

from mutations.attention import Attention, Sites, called, calls, literal

_RESHAPES = ("view", "reshape")


def swapped(attention: Attention) -> Sites:
    module = attention.module
    for call, sizes in _views(attention):
        for one, other in itertools.pairwise(sizes):
            if module.source(one) != module.source(other):
                yield call.lineno, (module.replace(one, other), module.replace(other, one))


def folded(attention: Attention) -> Sites:
    """`x.view(b, t, h, d).transpose(1, 2)` → `x.reshape(b * h, t, d).reshape(b, h, t, d)`."""
    module = attention.module
    for call, sizes in _views(attention):
        match attention.parents[call]:
            case ast.Attribute(attr="transpose") as moving if len(sizes) == 4:
                move = attention.parents[moving]
                if isinstance(move, ast.Call) and sorted(map(str, map(literal, move.args))) == ["1", "2"]:
                    batch, tokens, heads, width = map(module.source, sizes)
                    both = "-1" if "-1" in (batch, heads) else f"({batch}) * ({heads})"
                    if both == "-1" and "-1" in (tokens, width):
                        continue
                    assert isinstance(call.func, ast.Attribute)
                    tensor = module.source(call.func.value)
                    text = f"{tensor}.reshape({both}, {tokens}, {width}).reshape({batch}, {heads}, {tokens}, {width})"
                    yield call.lineno, (module.replace(move, text),)


def _views(attention: Attention) -> Iterator[tuple[ast.Call, list[ast.expr]]]:
    """Each view or reshape with three sizes or more, written out."""
    for call in calls(attention.node):
        if isinstance(call.func, ast.Attribute) and called(call) in _RESHAPES:
            one = call.args[0] if len(call.args) == 1 else None
            sizes = one.elts if isinstance(one, ast.Tuple | ast.List) else call.args
            if len(sizes) >= 3 and not any(isinstance(size, ast.Starred) for size in sizes):
                yield call, sizes
