"""Results that nobody takes: `scores.masked_fill(mask, -inf)` as a statement by itself."""

from __future__ import annotations

import libcst as cst

from shapecheck.shapes.trace import Discarded, Tensor
from shapecheck.static.expressions import evaluate
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.values import External, Unknown, Value

# Ops that give a new tensor or a new view and do nothing else.
PURE = frozenset({
    "masked_fill", "masked_scatter", "index_fill", "index_copy", "index_add", "scatter", "scatter_add", "transpose", "permute",
    "swapaxes", "swapdims", "movedim", "moveaxis", "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten",
    "squeeze", "unsqueeze", "expand", "expand_as", "repeat", "repeat_interleave", "contiguous", "softmax", "log_softmax",
    "clamp", "clip", "tril", "triu", "flip", "roll", "nan_to_num",
})  # fmt: skip
_WRITES = frozenset({"out", "inplace"})


def note_discarded(run: Run, node: cst.BaseExpression, value: Value, scope: Scope, since: int) -> None:
    """Note an op whose result a statement leaves; `since` is how many steps there were before it.

    In a `try` it may be tried for whether it raises, and what changes a tensor on the way isn't for its result.
    """
    tensor = value.tensor if isinstance(value, Unknown) else value
    if not isinstance(tensor, Tensor) or tensor.step < since or run.trying or run.frames[-1].method == "<module>":
        return
    step = run.steps[tensor.step]
    if step.place != run.place(node) or not step.operands:
        return
    if step.op == "unknown" or run.steps[step.operands[0].step].op in ("parameter", "unknown"):
        return  # another library's op of that name, or asked of what may be no tensor at all
    source = _source(run, node, scope)
    if source is not None:
        local = isinstance(source, cst.Name) and source.value in scope.names
        run.discarded.append(Discarded(step, _name(node), run.place(source).code, local))


def _source(run: Run, node: cst.BaseExpression, scope: Scope) -> cst.BaseExpression | None:
    """What a chain of such ops is applied to: a name, an attribute or an item; None for anything else."""
    if not isinstance(node, cst.Call) or any(arg.keyword and arg.keyword.value in _WRITES for arg in node.args):
        return None
    while isinstance(node, cst.Call):
        if not isinstance(node.func, cst.Attribute) or _name(node) not in PURE:
            return None
        owner = node.func.value
        asked_of_torch = isinstance(owner, cst.Name | cst.Attribute) and isinstance(
            evaluate(run, owner, scope), External
        )
        node = node.args[0].value if asked_of_torch and node.args else owner
    return node if isinstance(node, cst.Name | cst.Attribute | cst.Subscript) else None


def _name(node: cst.BaseExpression) -> str:
    return node.func.attr.value if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else ""
