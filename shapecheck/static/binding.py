"""Binding: a value becomes that of a name, an attribute or an item, or is taken apart for several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import libcst as cst

from shapecheck.shapes.built import Size, StatedScale
from shapecheck.shapes.dim import Kind
from shapecheck.shapes.making import Put
from shapecheck.shapes.trace import Bound, Tensor
from shapecheck.static.attributes import LAYER
from shapecheck.static.expressions import evaluate
from shapecheck.static.ops.making import plain
from shapecheck.static.run import Named, Run
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import unpack
from shapecheck.static.values import Const, Instance, Layer, Num, Real, Seq, Table, Unknown, Value, number
from shapecheck.static.weights import WINDOW


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
