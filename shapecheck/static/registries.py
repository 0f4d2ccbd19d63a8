"""Dicts in the body of a class: each is one for all who ask, and where it is empty, decorators fill it."""

from __future__ import annotations

from contextlib import suppress

import libcst as cst

from shapecheck.static.run import Dead, Frame, Run
from shapecheck.static.values import Class, Function, Table, Value


def shared_table(run: Run, of: Class, name: str, node: cst.Dict) -> Value:
    """The dict that a class holds under a name."""
    from shapecheck.static.expressions import evaluate

    key = ("class table", id(of.node), name)
    if key not in run.once:
        run.once[key] = table = evaluate(run, node, of.scope)
        if isinstance(table, Table) and not table.items:
            table.items.update(_registered(run, of).get(name, {}))
    value: Value = run.once[key]
    return value


def _registered(run: Run, of: Class) -> dict[str, dict[object, Value]]:
    """What the functions of the file that methods of a class decorate leave in its dicts: worked out once a file."""
    known: dict[str, dict[object, Value]] | None = of.file.remembered.get(("registered", id(of.node)))
    if known is not None:
        return known
    known = of.file.remembered["registered", id(of.node)] = {}
    sign = f"@{of.name}."
    blocks = [block for block in of.file.outline.blocks if block.kind == "def" and block.text.startswith(sign)]
    if not blocks:
        return known
    aside = Run({})  # whoever asks first pays no more than the others
    for block in blocks:
        function = of.file.defined(block.name or "", block)
        if isinstance(function, Function) and isinstance(function.node, cst.FunctionDef):
            aside.frames.append(Frame(function.name, function.slice, "<module>"))
            with suppress(Dead):
                _decorate(aside, function, function.node.decorators[-1])
            aside.frames.pop()
    for key, table in aside.once.items():
        if isinstance(key, tuple) and key[:2] == ("class table", id(of.node)) and isinstance(table, Table):
            known[key[2]] = {name: one for name, one in table.items.items() if isinstance(one, Function)}
    return known


def _decorate(run: Run, function: Function, decorator: cst.Decorator) -> None:
    from shapecheck.static.calls import call
    from shapecheck.static.expressions import evaluate

    call(run, evaluate(run, decorator.decorator, function.scope), [function], {}, decorator)
