"""Statements: blocks are run, assignments and definitions done, functions left.

One function for each kind of statement; branches and loops are files of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from shapecheck.shapes.trace import Tensor
from shapecheck.static import conditions
from shapecheck.static.annotations import note_local
from shapecheck.static.arithmetic import operate
from shapecheck.static.binding import bind
from shapecheck.static.calls import Returned
from shapecheck.static.discards import note_discarded
from shapecheck.static.expressions import evaluate
from shapecheck.static.learning import learn
from shapecheck.static.project import Assigned
from shapecheck.static.remarks import Line, may_claim, values_of, words_entered, words_of
from shapecheck.static.run import Dead, Frame, Run, unknown
from shapecheck.static.scope import Scope
from shapecheck.static.values import NONE, Class, Function, Seq, Unknown, Value

Handler = Callable[[Run, Any, Scope], None]
_STATEMENTS: dict[type, Handler] = {}


def runs(*kinds: type[cst.CSTNode]) -> Callable[[Handler], Handler]:
    """Enter what runs a statement of these kinds."""

    def register(handler: Handler) -> Handler:
        _STATEMENTS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def execute(run: Run, body: cst.BaseSuite, scope: Scope) -> None:
    """Run a block."""
    for statement in body.body:
        step(run, statement, scope)


def step(run: Run, statement: cst.CSTNode, scope: Scope) -> None:
    """Run one statement."""
    if not isinstance(statement, cst.SimpleStatementLine):
        _STATEMENTS.get(type(statement), _nothing)(run, statement, scope)
    elif may_claim(run.frames[-1].slice):
        _remembered(run, statement, scope)
    else:
        _line(run, statement, scope)


def _line(run: Run, statement: cst.SimpleStatementLine, scope: Scope) -> None:
    for small in statement.body:
        _STATEMENTS.get(type(small), _nothing)(run, small, scope)


def _remembered(run: Run, statement: cst.SimpleStatementLine, scope: Scope) -> None:
    """Run a line and note what it made, where comments may speak of it."""
    frame, steps, bound, result = run.frames[-1], len(run.steps), len(run.bound), None
    words = words_of(statement)
    if run.entered and isinstance(statement.body[-1], cst.Return):
        words |= words_entered(run, frame.call)
    before = values_of(words, scope)
    try:
        _line(run, statement, scope)
    except Returned as returned:
        result = returned.value
        raise
    finally:
        ran = ((steps, len(run.steps)), (bound, len(run.bound)))
        after = values_of(words, scope)
        run.lines.append(Line(statement, frame.call, frame.slice, frame.symbol, *ran, before, after, result))


def _nothing(run: Run, node: cst.CSTNode, scope: Scope) -> None:
    pass


# -- assignments ---------------------------------------------------------------------------------------------------------
@runs(cst.Assign)
def _assign(run: Run, node: cst.Assign, scope: Scope) -> None:
    value = evaluate(run, node.value, scope)
    for target in node.targets:
        bind(run, target.target, value, scope)


@runs(cst.AnnAssign)
def _annotated(run: Run, node: cst.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        value = evaluate(run, node.value, scope)
        bind(run, node.target, value, scope)
        note_local(run, node, value, scope)


@runs(cst.AugAssign)
def _augmented(run: Run, node: cst.AugAssign, scope: Scope) -> None:
    left = evaluate(run, node.target, scope)
    right = evaluate(run, node.value, scope)
    if isinstance(left, Seq) and left.is_list and isinstance(right, Seq):
        left.items += right.items
        left.unsure |= right.unsure
        return
    bind(run, node.target, operate(run, type(node.operator), left, right, node), scope)


@runs(cst.Del)
def _delete(run: Run, node: cst.Del, scope: Scope) -> None:
    if isinstance(node.target, cst.Name):
        scope.names.pop(node.target.value, None)


# -- leaving -------------------------------------------------------------------------------------------------------------
@runs(cst.Return)
def _return(run: Run, node: cst.Return, scope: Scope) -> None:
    raise Returned(NONE if node.value is None else evaluate(run, node.value, scope))


@runs(cst.Raise)
def _raise(run: Run, node: cst.Raise, scope: Scope) -> None:
    raise Dead


@runs(cst.Assert)
def _assert(run: Run, node: cst.Assert, scope: Scope) -> None:
    learn(run, conditions.truth(run, evaluate(run, node.test, scope), node.test), True)


@runs(cst.Expr)
def _expression(run: Run, node: cst.Expr, scope: Scope) -> None:
    since = len(run.steps)
    note_discarded(run, node.value, evaluate(run, node.value, scope), scope, since)


# -- bodies, definitions, imports --------------------------------------------------------------------------------------
@runs(cst.Try, cst.TryStar)
def _try(run: Run, node: cst.Try, scope: Scope) -> None:
    run.trying += 1
    try:
        execute(run, node.body, scope)
    finally:
        run.trying -= 1
    if node.orelse is not None:
        execute(run, node.orelse.body, scope)
    if node.finalbody is not None:
        execute(run, node.finalbody.body, scope)


@runs(cst.With)
def _with(run: Run, node: cst.With, scope: Scope) -> None:
    for part in node.items:
        value = evaluate(run, part.item, scope)
        if part.asname is not None:
            bind(run, part.asname.name, unknown(run, part) if isinstance(value, Tensor) else value, scope)
    execute(run, node.body, scope)


@runs(cst.FunctionDef)
def _define(run: Run, node: cst.FunctionDef, scope: Scope) -> None:
    scope.names[node.name.value] = Function(node.name.value, node, run.frames[-1].slice, scope)


@runs(cst.ClassDef)
def _define_class(run: Run, node: cst.ClassDef, scope: Scope) -> None:
    scope.names[node.name.value] = Class(node.name.value, node, run.frames[-1].slice, scope, scope.file)


@runs(cst.Import, cst.ImportFrom)
def _import(run: Run, node: cst.Import | cst.ImportFrom, scope: Scope) -> None:
    for alias in node.names if not isinstance(node.names, cst.ImportStar) else ():
        bound = alias.asname.name if alias.asname else alias.name
        name = bound.value if isinstance(bound, cst.Name) else None
        if name is not None:
            value = scope.file.imported(node, name)
            if value is not None and not isinstance(value, Assigned):
                scope.names[name] = value


def assigned(run: Run, found: Assigned, name: str) -> Value:
    """The value of a name that a top-level statement assigns, evaluated once a path."""
    key = (found.file, name, found.slice.block.row)
    if key not in run.once:
        run.once[key] = Unknown(("top level", str(found.file.path), name), name)
        scope = Scope(found.file, found.slice.block.row)
        run.frames.append(Frame(name, found.slice, "<module>"))
        try:
            for statement in found.slice.statements:
                if isinstance(statement, cst.SimpleStatementLine):
                    step(run, statement, scope)
        finally:
            run.frames.pop()
        run.once[key] = scope.names.get(name, run.once[key])
    value: Value = run.once[key]
    return value


from shapecheck.static import branches, loops  # noqa: E402, F401 (they enter what they run)
