"""Branches: which way a path takes at an `if` or a `match`, and what follows from its going there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from shapecheck.static import conditions
from shapecheck.static.expressions import evaluate
from shapecheck.static.learning import learn
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.statements import execute, runs
from shapecheck.static.values import Cond, Instance, Unknown, Value


@runs(cst.If)
def _if(run: Run, node: cst.If, scope: Scope) -> None:
    since = len(run.asked)
    value = evaluate(run, node.test, scope)
    cond = conditions.truth(run, value, node.test)
    answer = conditions.known(run, cond)
    if _given(cond):
        for before in _replaced(node.body, scope):
            run.defaulted(before)
    if answer is None and _only_raises(node.body):
        learn(run, cond, False)  # a guard: the path goes on where it didn't raise
        answer = False
    elif (
        answer is None
        and node.orelse is not None
        and isinstance(node.orelse, cst.Else)
        and _only_raises(node.orelse.body)
    ):
        learn(run, cond, True)
        answer = True
    elif answer is None:
        answer = conditions.test(run, value, node.test)
    else:
        learn(run, cond, answer)
    if _is_more(node, answer):
        run.forked(since, (id(node), answer), (id(node), not answer))
    if answer:
        run.fallback += _not_given(cond)
        try:
            execute(run, node.body, scope)
        finally:
            run.fallback -= _not_given(cond)
    elif isinstance(node.orelse, cst.If):
        _if(run, node.orelse, scope)
    elif node.orelse is not None:
        run.fallback += _given(cond)
        try:
            execute(run, node.orelse.body, scope)
        finally:
            run.fallback -= _given(cond)


def _given(cond: Value) -> bool:
    """Whether a condition is that something was given: what stands under its `else` is a default."""
    match cond:
        case Cond("not", (Cond("none", _),)) | Unknown(optional=True):
            return True
    return False


def _replaced(body: cst.BaseSuite, scope: Scope) -> Iterator[Any]:
    """The values, so far, of what the assignments of a body replace."""
    for line in body.body:
        for small in line.body if isinstance(line, cst.SimpleStatementLine) else (line,):
            match small:
                case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]):
                    yield scope.local(name)
                case cst.Assign(targets=[cst.AssignTarget(target=cst.Attribute(cst.Name(value=name), cst.Name(attr)))]):
                    owner = scope.local(name)
                    if isinstance(owner, Instance):
                        yield owner.attributes.get(attr)


def _not_given(cond: Value) -> bool:
    """Whether a condition is that something wasn't given: what follows is a default."""
    match cond:
        case Cond("none", _):
            return True
        case Cond("not", (Unknown(optional=True),)):
            return True
    return False


def _is_more(node: cst.If, answer: bool) -> bool:
    """Whether code is passed by when a condition is answered so."""
    if answer:
        return node.orelse is not None or isinstance(_last(node.body), cst.Return | cst.Continue | cst.Break)
    return not _only_raises(node.body)


def _only_raises(body: cst.BaseSuite) -> bool:
    return isinstance(_last(body), cst.Raise)


def _last(body: cst.BaseSuite) -> cst.CSTNode | None:
    last = body.body[-1] if body.body else None
    return last.body[-1] if isinstance(last, cst.SimpleStatementLine) else last


@runs(cst.Match)
def _match(run: Run, node: cst.Match, scope: Scope) -> None:
    subject = evaluate(run, node.subject, scope)
    for case in node.cases:
        key = ("case", id(case))
        default = isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None
        if isinstance(case.pattern, cst.MatchValue):
            wanted = evaluate(run, case.pattern.value, scope)
            cond = conditions.compare(run, cst.Equal(), subject, wanted, case)
            if conditions.test(run, cond, case):
                execute(run, case.body, scope)
                return
        elif run.decide(key, default, "case"):
            execute(run, case.body, scope)
            return
