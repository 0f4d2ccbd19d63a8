"""Statements: assignments, branches, loops, guards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.making import Put
from shapecheck.shapes.trace import Bound, Size, StatedScale, Tensor
from shapecheck.static import conditions
from shapecheck.static.annotations import note_local
from shapecheck.static.arithmetic import operate
from shapecheck.static.attributes import LAYER
from shapecheck.static.calls import Returned
from shapecheck.static.discards import note_discarded
from shapecheck.static.expressions import evaluate
from shapecheck.static.learning import learn
from shapecheck.static.ops.layers import changed
from shapecheck.static.ops.making import plain
from shapecheck.static.project import Assigned
from shapecheck.static.remarks import Line, may_claim, values_of, words_entered, words_of
from shapecheck.static.run import Dead, Frame, Named, Run, unknown
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import UNROLLED, iterations, unpack
from shapecheck.static.values import (
    NONE,
    Class,
    Cond,
    Const,
    Function,
    Instance,
    Layer,
    Many,
    Num,
    Real,
    Seq,
    Table,
    Unknown,
    Value,
    number,
)  # fmt: skip
from shapecheck.static.weights import WINDOW


class Left(Exception):
    """A loop was left by break or continue."""


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
def bind(run: Run, target: cst.BaseExpression, value: Value, scope: Scope) -> None:
    """Assign a value to a target."""
    match target:
        case cst.Name(value=name):
            if isinstance(value, Unknown) and isinstance(value.key, tuple) and value.key[:1] == ("part",):
                value = replace(value, name=name)
            scope.names[name] = value
            if isinstance(value, Tensor):
                run.bound.append(Bound(name, value, run.place(target), run.frames[-1].symbol))
            elif isinstance(value, Num):
                run.name_size(run.facts.resolve(value.dim), name)
            elif isinstance(value, Unknown) and value.tensor is not None:
                known = run.tensor(value, target)
                assert known is not None
                run.bound.append(Bound(name, known, run.place(target), run.frames[-1].symbol))
            elif isinstance(value, Unknown) and value.kind is Kind.INPUT:
                run.bound.append(Named(name, value, run.place(target), run.frames[-1].symbol))
        case cst.Attribute(attr=cst.Name(value=name)):
            _set_attribute(run, evaluate(run, target.value, scope), name, value)
            if isinstance(value, Real) and value.scale.powers and run.frames[-1].method == "__init__":
                run.scales.append(StatedScale(name, value.scale, run.place(target)))
            size = number(value) if isinstance(value, Num | Unknown) else None
            if size is not None and run.frames[-1].method == "__init__":
                run.sizes.append(Size(name, size, run.place(target)))
        case cst.Tuple(elements=elements) | cst.List(elements=elements):
            _bind_elements(run, elements, value, scope, target)
        case cst.Subscript():
            _set_item(run, target, value, scope)
        case cst.StarredElement(value=inner):
            bind(run, inner, value, scope)


def _bind_elements(
    run: Run, elements: Sequence[cst.BaseElement], value: Value, scope: Scope, node: cst.CSTNode
) -> None:
    star = next((index for index, element in enumerate(elements) if isinstance(element, cst.StarredElement)), None)
    before = len(elements) if star is None else star
    after = None if star is None else len(elements) - star - 1
    for element, part in zip(elements, unpack(run, value, before, after, node), strict=False):
        bind(run, element.value, run.settled(part), scope)


def _set_attribute(run: Run, owner: Value, name: str, value: Value) -> None:
    if isinstance(owner, Instance):
        owner.attributes[name] = value
        if isinstance(value, Layer) and not value.name:
            value.name = name
        own = owner.attributes.get(LAYER)
        if isinstance(own, Layer) and (name in own.arguments or name in WINDOW):
            own.arguments[name] = value
    elif isinstance(owner, Layer):
        owner.arguments[name] = value


def _set_item(run: Run, target: cst.Subscript, value: Value, scope: Scope) -> None:
    owner = evaluate(run, target.value, scope)
    element = target.slice[0].slice
    index = evaluate(run, element.value, scope) if isinstance(element, cst.Index) and len(target.slice) == 1 else None
    if isinstance(owner, Tensor):
        _put(run, target, owner, index, value, scope)
    if isinstance(owner, Layer) and owner.children is not None:
        owner = owner.children
    if isinstance(owner, Layer) and owner.table is not None:
        owner = owner.table
    if isinstance(owner, Table):
        if isinstance(index, Const):
            owner.items[index.value] = value
        elif isinstance(index, Num) and index.dim.value is not None:
            owner.items[index.dim.value] = value
        else:
            owner.open = True
    elif isinstance(owner, Seq):
        place = index.dim.value if isinstance(index, Num) else None
        if place is not None and owner.plain and -len(owner.items) <= place < len(owner.items):
            owner.items[place] = value
        else:
            owner.unsure = True


def _put(run: Run, target: cst.Subscript, owner: Tensor, index: Value | None, value: Value, scope: Scope) -> None:
    """`scores[mask] = -inf`: the name then stands for what came of it."""
    run.alter(owner)
    if not isinstance(index, Tensor) or not isinstance(target.value, cst.Name):
        return
    if isinstance(scope.names.get(target.value.value), Tensor):
        operands = [owner, index, *([value] if isinstance(value, Tensor) else [])]
        detail = Put(value if isinstance(value, Tensor) else plain(value))
        scope.names[target.value.value] = run.emit(
            "put", target, operands, owner.shape, detail, origin=owner.origin, memory=owner.memory
        )


def _assign(run: Run, node: cst.Assign, scope: Scope) -> None:
    value = evaluate(run, node.value, scope)
    for target in node.targets:
        bind(run, target.target, value, scope)


def _annotated(run: Run, node: cst.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        value = evaluate(run, node.value, scope)
        bind(run, node.target, value, scope)
        note_local(run, node, value, scope)


def _augmented(run: Run, node: cst.AugAssign, scope: Scope) -> None:
    left = evaluate(run, node.target, scope)
    right = evaluate(run, node.value, scope)
    if isinstance(left, Seq) and left.is_list and isinstance(right, Seq):
        left.items += right.items
        left.unsure |= right.unsure
        return
    bind(run, node.target, operate(run, type(node.operator), left, right, node), scope)


def _delete(run: Run, node: cst.Del, scope: Scope) -> None:
    if isinstance(node.target, cst.Name):
        scope.names.pop(node.target.value, None)


# -- leaving -------------------------------------------------------------------------------------------------------------
def _return(run: Run, node: cst.Return, scope: Scope) -> None:
    raise Returned(NONE if node.value is None else evaluate(run, node.value, scope))


def _raise(run: Run, node: cst.Raise, scope: Scope) -> None:
    raise Dead


def _leave(run: Run, node: cst.CSTNode, scope: Scope) -> None:
    raise Left


def _assert(run: Run, node: cst.Assert, scope: Scope) -> None:
    learn(run, conditions.truth(run, evaluate(run, node.test, scope), node.test), True)


def _expression(run: Run, node: cst.Expr, scope: Scope) -> None:
    since = len(run.steps)
    note_discarded(run, node.value, evaluate(run, node.value, scope), scope, since)


# -- branches and loops --------------------------------------------------------------------------------------------------
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


def _with(run: Run, node: cst.With, scope: Scope) -> None:
    for part in node.items:
        value = evaluate(run, part.item, scope)
        if part.asname is not None:
            bind(run, part.asname.name, unknown(run, part) if isinstance(value, Tensor) else value, scope)
    execute(run, node.body, scope)


def _define(run: Run, node: cst.FunctionDef, scope: Scope) -> None:
    scope.names[node.name.value] = Function(node.name.value, node, run.frames[-1].slice, scope)


def _define_class(run: Run, node: cst.ClassDef, scope: Scope) -> None:
    scope.names[node.name.value] = Class(node.name.value, node, run.frames[-1].slice, scope, scope.file)


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


_STATEMENTS: dict[type, Any] = {
    cst.Assign: _assign, cst.AnnAssign: _annotated, cst.AugAssign: _augmented, cst.Return: _return, cst.Raise: _raise,
    cst.Assert: _assert, cst.Expr: _expression, cst.Break: _leave, cst.Continue: _leave, cst.Del: _delete,
    cst.Import: _import, cst.ImportFrom: _import,
    cst.If: _if, cst.For: _for, cst.While: _while, cst.Try: _try, cst.TryStar: _try, cst.With: _with,
    cst.FunctionDef: _define, cst.ClassDef: _define_class, cst.Match: _match,
}  # fmt: skip
