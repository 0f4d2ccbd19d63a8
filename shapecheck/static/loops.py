"""Loops: their bodies are run for each item, or once where nobody knows how often."""

from __future__ import annotations

from typing import Any

import libcst as cst

from shapecheck.shapes.trace import Tensor
from shapecheck.static import conditions
from shapecheck.static.binding import bind
from shapecheck.static.expressions import evaluate
from shapecheck.static.ops.layers import changed
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import UNROLLED, iterations
from shapecheck.static.statements import execute, runs
from shapecheck.static.values import NONE, Instance, Layer, Many, Num, Seq, Unknown


class Left(Exception):
    """A loop was left by break or continue."""


@runs(cst.For)
def _for(run: Run, node: cst.For, scope: Scope) -> None:
    for value in list(iterations(run, evaluate(run, node.iter, scope), node)):
        many = value if isinstance(value, Many) else None
        grown = _lists(scope) if many else {}
        before = dict(scope.names) if many else {}
        bind(run, node.target, many.element if many else value, scope)
        try:
            execute(run, node.body, scope)
        except Left:
            if many is None and _breaks(node.body):
                break
        _lose_changed(run, before, scope, node)
        for sequence, length in grown.items():
            added = sequence.items[length:]
            if added:
                count = many.count if many and len(added) == 1 else None
                sequence.items[length:] = [one if isinstance(one, Many) else Many(one, count) for one in added]
    if node.orelse is not None:
        execute(run, node.orelse.body, scope)


def _breaks(body: cst.BaseSuite) -> bool:
    return any(
        isinstance(small, cst.Break)
        for statement in body.body
        for small in (statement.body if isinstance(statement, cst.SimpleStatementLine) else ())
    )


def _lists(scope: Scope) -> dict[Seq, int]:
    """The lists that a loop's body may append to, with their lengths now."""
    found: dict[Seq, int] = {}
    where: Scope | None = scope
    while where is not None:
        for value in where.names.values():
            for one in (value, *(value.attributes.values() if isinstance(value, Instance) else ())):
                sequence = one.children if isinstance(one, Layer) else one
                if isinstance(sequence, Seq) and (sequence.is_list or isinstance(one, Layer)):
                    found[sequence] = len(sequence.items)
        where = where.parent
    return found


@runs(cst.While)
def _while(run: Run, node: cst.While, scope: Scope) -> None:
    """As often as the condition is known to hold; where it isn't known, once, and what changes shape is lost."""
    for _ in range(UNROLLED):
        answer = conditions.known(run, conditions.truth(run, evaluate(run, node.test, scope), node.test))
        if answer is False:
            return
        before = dict(scope.names)
        try:
            execute(run, node.body, scope)
        except Left:
            return
        if answer is None or not _counts(before, scope):
            _lose_changed(run, before, scope, node)
            return


def _counts(before: dict[str, Any], scope: Scope) -> bool:
    """Whether a loop's body changed a number or a tensor: else its condition will never end it."""
    return any(isinstance(value, Num | Tensor) and value is not before.get(name) for name, value in scope.names.items())


def _lose_changed(run: Run, before: dict[str, Any], scope: Scope, node: cst.CSTNode) -> None:
    """Take what came out of a loop's body in another shape for unknown."""
    for name, value in before.items():
        after = scope.names.get(name, NONE)
        known = run.tensor(value, node) if isinstance(value, Unknown) and isinstance(after, Tensor) else value
        if isinstance(known, Tensor) and isinstance(after, Tensor) and changed(run, known, after):
            scope.names[name] = run.lost(node, [after], "loop")


@runs(cst.Break, cst.Continue)
def _leave(run: Run, node: cst.CSTNode, scope: Scope) -> None:
    raise Left
