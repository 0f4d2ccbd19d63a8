"""Displays: lists, tuples and dicts as they are written, and comprehensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Row
from shapecheck.static import conditions
from shapecheck.static.expressions import evaluate, gives
from shapecheck.static.run import Run, unknown
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import iterations, plain_items
from shapecheck.static.values import Const, Many, Num, Seq, Table, Unknown, Value


@gives(cst.Tuple, cst.List, cst.Set)
def _sequence(run: Run, node: cst.Tuple | cst.List | cst.Set, scope: Scope) -> Value:
    items: list[Any] = []
    for element in node.elements:
        value = evaluate(run, element.value, scope)
        if isinstance(element, cst.StarredElement):
            items += plain_items(run, value, element) if isinstance(value, Seq) else _spread(run, value, element)
        else:
            items.append(value)
    return Seq(items, is_list=not isinstance(node, cst.Tuple))


def _spread(run: Run, value: Value, node: cst.CSTNode) -> list[Any]:
    return [Row(run.key(node), "…")] if isinstance(value, Unknown) else [Many(unknown(run, node), None)]


@gives(cst.Dict)
def _dict(run: Run, node: cst.Dict, scope: Scope) -> Value:
    table = Table({})
    for element in node.elements:
        value = evaluate(run, element.value, scope)
        if isinstance(element, cst.StarredDictElement):
            if isinstance(value, Table):
                table.items.update(value.items)
            table.open |= not isinstance(value, Table) or value.open
            continue
        assert isinstance(element, cst.DictElement)
        key = evaluate(run, element.key, scope)
        match key:
            case Const(value=constant) if not isinstance(constant, float):
                table.items[constant] = value
            case Num(dim) if dim.value is not None:
                table.items[dim.value] = value
            case _:
                table.open = True
    if run.configs_noted:
        run.configs.append(table)
    return table


@gives(cst.ListComp, cst.GeneratorExp, cst.SetComp)
def _comprehension(run: Run, node: cst.ListComp | cst.GeneratorExp | cst.SetComp, scope: Scope) -> Value:
    items: list[Any] = []
    _loop(run, node.for_in, scope.inner(), lambda inner: evaluate(run, node.elt, inner), items)
    return Seq(items, is_list=True)


@gives(cst.DictComp)
def _dict_comprehension(run: Run, node: cst.DictComp, scope: Scope) -> Value:
    table, items = Table({}), list[Any]()

    def pair(inner: Scope) -> Value:
        return Seq([evaluate(run, node.key, inner), evaluate(run, node.value, inner)])

    _loop(run, node.for_in, scope.inner(), pair, items)
    for entry in items:
        key = entry.items[0] if isinstance(entry, Seq) else None
        if isinstance(key, Const):
            table.items[key.value] = entry.items[1]
        else:
            table.open = True
    return table


def _loop(run: Run, loop: cst.CompFor, scope: Scope, element: Callable[[Scope], Value], items: list[Any]) -> None:
    from shapecheck.static.binding import bind

    for value in iterations(run, evaluate(run, loop.iter, scope), loop):
        each = value.element if isinstance(value, Many) else value
        bind(run, loop.target, each, scope)
        kept = True
        for test in loop.ifs:
            answer = conditions.truth(run, evaluate(run, test.test, scope), test)
            kept = kept and conditions.known(run, answer) is not False
        if not kept:
            continue
        inner: list[Any] = []
        if loop.inner_for_in:
            _loop(run, loop.inner_for_in, scope, element, inner)
        else:
            inner.append(element(scope))
        items += [_many(one, value.count) for one in inner] if isinstance(value, Many) else inner


def _many(value: Any, count: Dim | None) -> Any:
    return value if isinstance(value, Many) else Many(value, count)
