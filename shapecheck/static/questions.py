"""Questions: comparisons, `and`, `or`, and the choice of `a if asked else b`."""

from __future__ import annotations

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.trace import Tensor
from shapecheck.static import conditions
from shapecheck.static.expressions import default, evaluate, gives
from shapecheck.static.ops import apply
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.values import Cond, Const, Unknown, Value


@gives(cst.IfExp)
def _conditional(run: Run, node: cst.IfExp, scope: Scope) -> Value:
    since = len(run.asked)
    cond = evaluate(run, node.test, scope)
    answer = conditions.test(run, cond, node.test)
    chosen, other = (node.body, node.orelse) if answer else (node.orelse, node.body)
    if isinstance(other, cst.Call):
        run.forked(since, id(chosen), id(other))
    match cond:
        case Cond("none", _) if answer:
            return default(run, chosen, scope)
        case Cond("not", (Cond("none", _),)) | Unknown(optional=True) if not answer:
            return default(run, chosen, scope)
    return evaluate(run, chosen, scope)


@gives(cst.BooleanOperation)
def _boolean(run: Run, node: cst.BooleanOperation, scope: Scope) -> Value:
    left = evaluate(run, node.left, scope)
    is_and = isinstance(node.operator, cst.And)
    answer = conditions.known(run, conditions.truth(run, left, node.left))
    if answer is not None:
        return evaluate(run, node.right, scope) if answer is is_and else left
    if isinstance(left, Unknown) and (left.optional or left.flag) and not is_and:  # `dim_out or dim`
        if conditions.test(run, left, node.left):
            return run.settled(left)
        return default(run, node.right, scope)
    if (
        isinstance(left, Unknown)
        and not left.optional
        and not left.flag
        and left.kind is not Kind.OPAQUE
        and not is_and
    ):
        return left
    right = evaluate(run, node.right, scope)
    return Cond(
        "and" if is_and else "or", (conditions.truth(run, left, node.left), conditions.truth(run, right, node.right))
    )


@gives(cst.Comparison)
def _comparison(run: Run, node: cst.Comparison, scope: Scope) -> Value:
    left = evaluate(run, node.left, scope)
    results: list[Value] = []
    for target in node.comparisons:
        right = evaluate(run, target.comparator, scope)
        if not isinstance(target.operator, cst.Is | cst.IsNot | cst.In | cst.NotIn):
            if _was_a_tensor(run, left) or _was_a_tensor(run, right):
                return apply(run, "compare", node, [left, right], {"sign": Const(_SIGNS.get(type(target.operator)))})
        results.append(conditions.compare(run, target.operator, left, right, node))
        left = right
    return results[0] if len(results) == 1 else Cond("and", tuple(results))


_SIGNS = {
    cst.Equal: "==", cst.NotEqual: "!=", cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
}  # fmt: skip


def _was_a_tensor(run: Run, value: Value) -> bool:
    """Whether a value is a tensor, or has been used as one before."""
    return isinstance(value, Tensor) or (isinstance(value, Unknown) and value.key in run.inputs)
