"""Applications: arguments are evaluated, a function is called on them, and what it changes in place is noted."""

from __future__ import annotations

import re
from typing import Any

import libcst as cst

from shapecheck.shapes.trace import Tensor
from shapecheck.static.calls import call
from shapecheck.static.expressions import default, evaluate, gives
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import plain_items
from shapecheck.static.values import External, Many, Method, Seq, Table, Value


@gives(cst.Call)
def _call(run: Run, node: cst.Call, scope: Scope) -> Value:
    function = evaluate(run, node.func, scope)
    args: list[Any] = []
    kwargs: dict[str, Value] = {}
    for argument in node.args:
        is_default = len(args) == 2 and isinstance(function, External) and function.path == "builtins.getattr"
        value = (default if is_default else evaluate)(run, argument.value, scope)
        if argument.keyword is not None:
            kwargs[argument.keyword.value] = value
        elif argument.star == "*":
            args += plain_items(run, value, argument) if isinstance(value, Seq) else [Many(value, None)]
        elif argument.star == "**":
            if isinstance(value, Table):
                kwargs.update({key: one for key, one in value.items.items() if isinstance(key, str)})
            if not isinstance(value, Table) or value.open:
                kwargs.setdefault("**", value)
        else:
            args.append(value)
    result = run.settled(call(run, function, args, kwargs, node, scope))
    if isinstance(function, Method) and isinstance(function.owner, Tensor) and _IN_PLACE.fullmatch(function.name):
        run.alter(function.owner)
    changed = _changed_in_place(node) if isinstance(result, Tensor) else None
    if changed in scope.names and isinstance(scope.names[changed], Tensor):
        scope.names[changed] = result
    return result


_IN_PLACE = re.compile(r"(?!requires_grad|detach).*[a-z0-9]_")


def _changed_in_place(node: cst.Call) -> str | None:
    """The name of the tensor that a call changes where it is: `scores.mul_(scale)`, `x.add_(1).clamp_(0)`."""
    target: cst.BaseExpression = node
    while isinstance(target, cst.Call) and isinstance(target.func, cst.Attribute):
        name = target.func.attr.value
        if not name.endswith("_") or name.endswith("__"):
            return None
        target = target.func.value
    return target.value if isinstance(target, cst.Name) else None
