"""A Run in the middle of a path → a copy from which another path can go on.

Only what code changes in place is copied: lists, dicts, objects, layers, local names, and the records of the run.
"""

from __future__ import annotations

from copy import copy
from dataclasses import fields, replace
from typing import Any

from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.values import Cond, Function, Instance, Layer, Many, Method, Partial, Seq, Super, Table

Memo = dict[int, Any]


def copied(run: Run, scope: Scope) -> tuple[Run, Scope]:
    """The run and the names of the body that it is in, sharing nothing that changes with the original."""
    memo: Memo = {}
    twin = copy(run)
    for one in fields(Run):
        value = getattr(run, one.name)
        if isinstance(value, list | dict | set):
            setattr(twin, one.name, _container(value, memo) if one.name in _HOLD_VALUES else value.copy())
    twin.facts = run.facts.copy()
    return twin, _scope(scope, memo)


_HOLD_VALUES = frozenset({"once", "layers", "constructions", "building", "remainders", "configs"})


def _container(value: Any, memo: Memo) -> Any:
    if isinstance(value, dict):
        return {key: _value(one, memo) for key, one in value.items()}
    return [_value(one, memo) for one in value]


def _value(value: Any, memo: Memo) -> Any:
    copier = _COPIERS.get(type(value))
    if copier is None:
        return value  # it never changes
    found = memo.get(id(value))
    return found if found is not None else copier(value, memo)


def _seq(value: Seq, memo: Memo) -> Seq:
    twin = memo[id(value)] = Seq([], value.is_list, value.unsure, value.fields)
    twin.items = [_value(item, memo) for item in value.items]
    return twin


def _table(value: Table, memo: Memo) -> Table:
    twin = memo[id(value)] = Table({}, value.open, value.key)
    twin.items = _container(value.items, memo)
    return twin


def _instance(value: Instance, memo: Memo) -> Instance:
    twin = memo[id(value)] = Instance(value.of, value.key, {}, value.open, value.kind)
    twin.attributes = _container(value.attributes, memo)
    return twin


def _layer(value: Layer, memo: Memo) -> Layer:
    twin = memo[id(value)] = Layer(value.type, {}, value.key, value.place, value.name, built_in=value.built_in)
    twin.arguments = _container(value.arguments, memo)
    twin.children, twin.table = _value(value.children, memo), _value(value.table, memo)
    return twin


def _scope(value: Scope, memo: Memo) -> Scope:
    if value.parent is None and not value.names:
        return value  # of a file
    found: Scope | None = memo.get(id(value))
    if found is None:
        found = memo[id(value)] = Scope(value.file, value.row)
        found.names = _container(value.names, memo)
        found.parent = _scope(value.parent, memo) if value.parent is not None else None
    return found


def _function(value: Function, memo: Memo) -> Function:
    scope, bound = _scope(value.scope, memo), _value(value.bound, memo)
    return value if scope is value.scope and bound is value.bound else replace(value, scope=scope, bound=bound)


def _tuple(value: tuple[Any, ...], memo: Memo) -> tuple[Any, ...]:
    return tuple(_value(item, memo) for item in value)


_COPIERS: dict[type, Any] = {
    Seq: _seq, Table: _table, Instance: _instance, Layer: _layer, Scope: _scope, Function: _function, tuple: _tuple,
    list: _container, dict: _container,
    Method: lambda value, memo: replace(value, owner=_value(value.owner, memo)),
    Super: lambda value, memo: replace(value, bound=_value(value.bound, memo)),
    Many: lambda value, memo: replace(value, element=_value(value.element, memo)),
    Cond: lambda value, memo: replace(value, operands=_tuple(value.operands, memo)),
    Partial: lambda value, memo: replace(value, function=_value(value.function, memo), args=_tuple(value.args, memo),
                                         kwargs=_tuple(value.kwargs, memo)),
}  # fmt: skip
