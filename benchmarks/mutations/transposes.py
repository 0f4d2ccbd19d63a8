"""`x.transpose(1, 2)` → `x`, or of other axes, or where there was none; `q @ k.transpose(-2, -1)` → `q @ k`.

einops' patterns move axes, too: in `b n (h d) -> b h n d` two neighbours on the right are exchanged, or none is moved.
"""

import ast
import itertools
import re
from collections.abc import Iterator

from mutations.attention import Attention, Edit, Sites, called, calls, last_name, literal

_MOVES = {"transpose", "permute", "swapaxes", "swapdims"}
_LAST_TWO = ([-1, -2], [-2, -1], [2, 3], [3, 2])
_PART = re.compile(r"\([^)]*\)|\S+")


def dropped(attention: Attention) -> Sites:
    module = attention.module
    for call, tensor, axes in _moves(attention):
        if _values(axes) not in _LAST_TWO:
            yield call.lineno, (module.replace(call, tensor),)
    for pattern, left, right in _rearranged(attention):
        if len(left) == len(right) - 1 or len(left) == len(right):
            kept = " ".join(left).replace("(", "").replace(")", "")
            if sorted(kept.split()) == sorted(right) and kept.split() != right:
                yield pattern.lineno, (module.replace(pattern, repr(f"{' '.join(left)} -> {kept}")),)


def dropped_of_keys(attention: Attention) -> Sites:
    module = attention.module
    for call, tensor, axes in _moves(attention):
        if _values(axes) in _LAST_TWO:
            yield call.lineno, (module.replace(call, tensor),)
    for node in ast.walk(attention.node):
        if isinstance(node, ast.Attribute) and node.attr == "mT":
            yield node.lineno, (module.replace(node, node.value),)


def changed(attention: Attention) -> Sites:
    module = attention.module
    for call, _, axes in _moves(attention):
        match _values(axes):
            case [int(first), int(second)] if called(call) != "permute":
                low, high = sorted((first, second))
                others = (low - 1, high) if low not in (0, -4) else (low, high + 1)
                yield (
                    call.lineno,
                    tuple(module.replace(axis, str(new)) for axis, new in zip(axes, others, strict=True)),
                )
            case [*_]:
                for one, other in itertools.pairwise(axes):
                    yield call.lineno, (module.replace(one, other), module.replace(other, one))
    for pattern, left, right in _rearranged(attention):
        for index in range(len(right) - 1):
            swapped = [*right[:index], right[index + 1], right[index], *right[index + 2 :]]
            yield pattern.lineno, (module.replace(pattern, repr(f"{' '.join(left)} -> {' '.join(swapped)}")),)


def added(attention: Attention) -> Sites:
    """After a view with three or four sizes that nothing moves afterwards."""
    module = attention.module
    for call in calls(attention.node):
        moved = last_name(parent) if isinstance(parent := attention.parents.get(call), ast.Attribute) else ""
        if isinstance(call.func, ast.Attribute) and called(call) in ("view", "reshape") and moved not in _MOVES:
            sizes = call.args[0].elts if len(call.args) == 1 and isinstance(call.args[0], ast.Tuple) else call.args
            if len(sizes) in (3, 4) and not any(isinstance(size, ast.Starred) for size in sizes):
                yield call.lineno, (Edit(module.end(call), module.end(call), ".transpose(1, 2)"),)


def _moves(attention: Attention) -> Iterator[tuple[ast.Call, ast.expr, list[ast.expr]]]:
    """Each call that moves axes, the tensor, and the axes."""
    for call in calls(attention.node):
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in _MOVES or not call.args:
            continue
        tensor, axes = call.func.value, call.args
        if isinstance(tensor, ast.Name) and tensor.id == "torch":
            tensor, axes = axes[0], axes[1:]
        if len(axes) == 1 and isinstance(axes[0], ast.Tuple | ast.List):
            axes = axes[0].elts
        yield call, tensor, axes


def _values(axes: list[ast.expr]) -> list[object]:
    return [literal(axis) for axis in axes]


def _rearranged(attention: Attention) -> Iterator[tuple[ast.Constant, list[str], list[str]]]:
    """Each pattern of einops' rearrange, and the parts of its two sides."""
    for call in calls(attention.node):
        if called(call) in ("rearrange", "Rearrange"):
            for argument in call.args[:2]:
                match argument:
                    case ast.Constant(str(pattern)) if pattern.count("->") == 1:
                        left, right = (_PART.findall(side) for side in pattern.split("->"))
                        yield argument, left, right
