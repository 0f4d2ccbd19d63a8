"""Annotations of arrays, read from the syntax tree: what they ask, of which tensors, and what they tell the engine.

`Float[Tensor, "b t d"]` on a parameter of a forward is its shape. Neither jaxtyping nor torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import libcst as cst

from shapecheck.shapes.annotated import OWN, Annotated, formula
from shapecheck.shapes.annotation import AxisSpec, BadAnnotation, Of, Wanted, axes
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Axis, Shape
from shapecheck.static.remarks import tensors_of
from shapecheck.static.scope import Scope
from shapecheck.static.syntax import NodePlace, Slice
from shapecheck.static.values import Const, External, Function, Instance, Seq, Unknown, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run

SHORTEST = 3  # letters of a name that is taken to be an attribute of self: `h` may be a height
_PLAIN_ARRAYS = ("jaxtyping.", "torchtyping.")


@dataclass(frozen=True, slots=True)
class Noted:
    """A value that has an annotation, in one call of a function."""

    wanted: Wanted
    node: cst.CSTNode
    slice: Slice
    symbol: str
    call: int
    name: str
    value: Any


# -- reading -------------------------------------------------------------------------------------------------------------
def may_annotate(slice_: Slice, scope: Scope) -> bool:
    """Whether a slice may hold an annotation of an array: told by its text, before anything is looked up."""
    return scope.file.mentions_jaxtyping or slice_.has_annotations


def wanted(
    run: Run, node: cst.BaseExpression, scope: Scope, depth: int = 0
) -> Wanted | tuple[Wanted | None, ...] | None:
    """What an annotation asks of a value, part by part for a tuple; None where that isn't understood."""
    match node:
        case cst.Subscript(value=head, slice=[cst.SubscriptElement(slice=cst.Index(value=inner))]) if _path(
            run, head, scope
        ).endswith(".Optional"):
            return _optional(wanted(run, inner, scope, depth))
        case cst.Subscript(value=head, slice=[*elements]):
            parts = [one.slice.value for one in elements if isinstance(one.slice, cst.Index)]
            return _subscript(run, _path(run, head, scope), parts, scope, depth)
        case cst.BinaryOperation(left=left, operator=cst.BitOr(), right=right):
            return _one_of([wanted(run, one, scope, depth) for one in (left, right)])
        case cst.Name() | cst.Attribute() if depth < 3:
            return _alias(run, node, scope, depth)
    return None


def _subscript(
    run: Run, path: str, parts: list[cst.BaseExpression], scope: Scope, depth: int
) -> Wanted | tuple[Wanted | None, ...] | None:
    if path.startswith(_PLAIN_ARRAYS) and len(parts) == 2 and isinstance(parts[1], cst.SimpleString):
        text = parts[1].evaluated_value
        try:
            return Wanted(" ".join(text.split()), axes(text)) if isinstance(text, str) else None
        except BadAnnotation:
            return None
    last = path.rpartition(".")[2]
    if last == "Union":
        return _one_of([wanted(run, one, scope, depth) for one in parts])
    if last == "Annotated" and parts:
        return wanted(run, parts[0], scope, depth)
    if last in ("tuple", "Tuple") and not any(isinstance(one, cst.Ellipsis) for one in parts):
        found = [wanted(run, one, scope, depth) for one in parts]
        return tuple(one if isinstance(one, Wanted) else None for one in found)
    return None


def _optional(found: Wanted | tuple[Wanted | None, ...] | None) -> Wanted | None:
    return replace(found, optional=True) if isinstance(found, Wanted) else None


def _one_of(options: list[Wanted | tuple[Wanted | None, ...] | None]) -> Wanted | None:
    """An array or something that is none; of two arrays nothing is asked."""
    arrays = [one for one in options if one is not None]
    return _optional(arrays[0]) if len(arrays) == 1 else None


def _path(run: Run, node: cst.BaseExpression, scope: Scope) -> str:
    """The full name of what an annotation is made with, `builtins.tuple`; empty where it is the project's own."""
    from shapecheck.static.expressions import top_level

    match node:
        case cst.Name(value=name):
            value = scope.local(name) or top_level(run, name, scope)
            return value.path if isinstance(value, External) else ""
        case cst.Attribute(value=inner, attr=cst.Name(value=name)):
            path = _path(run, inner, scope)
            return f"{path}.{name}" if path else ""
    return ""


def _alias(
    run: Run, node: cst.Name | cst.Attribute, scope: Scope, depth: int
) -> Wanted | tuple[Wanted | None, ...] | None:
    """`Tokens = Int[Tensor, "b t"]` at the top level of a file."""
    from shapecheck.static.project import Assigned

    found = scope.file.find(node.value, scope.row) if isinstance(node, cst.Name) else None
    if not isinstance(found, Assigned):
        return None
    for line in found.slice.statements:
        for small in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.Assign) and isinstance(small.value, cst.Subscript):
                return wanted(run, small.value, Scope(found.file, found.slice.block.row), depth + 1)
    return None


# -- while a path is run -------------------------------------------------------------------------------------------------
def note_arguments(run: Run, function: Function, scope: Scope, call: int, symbol: str) -> None:
    """Note the annotated arguments of a call; those of a forward that nobody calls take the shapes that are written."""
    if not isinstance(function.node, cst.FunctionDef) or not may_annotate(function.slice, function.scope):
        return
    params = function.node.params
    for param in (*params.posonly_params, *params.params, *params.kwonly_params):
        if param.annotation is None:
            continue
        asked = wanted(run, param.annotation.annotation, function.scope)
        value = scope.names.get(param.name.value)
        if isinstance(asked, Wanted) and value is not None:
            node = param.annotation.annotation
            run.annotated.append(Noted(asked, node, function.slice, symbol, call, param.name.value, value))
            if run.heed and isinstance(value, Unknown) and value.tensor is None:
                _heed(run, asked, value, names_of(run, call, scope))


def note_local(run: Run, node: cst.AnnAssign, value: Value, scope: Scope) -> None:
    """Note an annotated assignment."""
    frame = run.frames[-1]
    if may_annotate(frame.slice, scope) and isinstance(node.target, cst.Name):
        asked = wanted(run, node.annotation.annotation, scope)
        if isinstance(asked, Wanted):
            names_of(run, frame.call, scope)
            where = (node.annotation.annotation, frame.slice, frame.symbol, frame.call)
            run.annotated.append(Noted(asked, *where, node.target.value, value))


def note_result(run: Run, function: Function, value: Value, scope: Scope) -> None:
    """Note what a function with an annotated result returns."""
    node, frame = function.node, run.frames[-1]
    if (
        not isinstance(node, cst.FunctionDef)
        or node.returns is None
        or not may_annotate(function.slice, function.scope)
    ):
        return
    asked = wanted(run, node.returns.annotation, function.scope)
    names_of(run, frame.call, scope)
    where = (node.returns.annotation, frame.slice, frame.symbol, frame.call)
    if isinstance(asked, Wanted):
        run.annotated.append(Noted(asked, *where, "return", value))
    elif isinstance(asked, tuple) and isinstance(value, Seq) and value.plain and len(value.items) == len(asked):
        for index, (part, item) in enumerate(zip(asked, value.items, strict=True)):
            if part is not None:
                run.annotated.append(Noted(part, *where, f"return[{index}]", item))


def names_of(run: Run, call: int, scope: Scope) -> dict[str, Dim]:
    """The axis names of one call: sizes that `__init__` put on self, and what annotations have named so far."""
    if call not in run.axis_names:
        owner = scope.local("self")
        attributes: Mapping[str, Value] = owner.attributes if isinstance(owner, Instance) else {}
        sizes = {name: number(value) for name, value in attributes.items() if not isinstance(value, Const)}
        own = {name: dim for name, dim in sizes.items() if dim is not None and not _is_flag(attributes[name])}
        run.axis_names[call] = {name: dim for name, dim in own.items() if len(name) >= SHORTEST}
        run.axis_names[call].update({f"{OWN}{name}": dim for name, dim in own.items()})
    return run.axis_names[call]


def _is_flag(value: Value) -> bool:
    return isinstance(value, Unknown) and (value.flag or value.optional)


def _heed(run: Run, asked: Wanted, value: Unknown, names: dict[str, Dim]) -> None:
    """Take an argument to have the shape that is written."""
    place = asked.many
    shape = run.facts.shape(Shape((value.row,)))
    if place is None:
        shape = run.ranked(shape, len(asked.axes))
    elif shape.row is not None:
        if place:
            shape = run.front(shape, place - 1)
        if place < len(asked.axes) - 1:
            shape = run.back(shape, place + 1 - len(asked.axes))
    for index, spec in enumerate(asked.axes):
        where = index if place is None or index < place else index - len(asked.axes)
        axis = shape.at(where)
        if spec.many or spec.broadcasts or axis is None or len(shape.entries) < asked.least:
            continue
        _name(run, axis, _size(spec, names), spec.name if spec.of is Of.NAME else "", names)


def _name(run: Run, axis: Axis, size: Dim | None, name: str, names: dict[str, Dim]) -> None:
    symbol = axis.size.symbol
    if symbol is None:
        return
    if size is not None:
        run.facts.bind(symbol, size)
    elif name:
        run.name_size(axis.size, name)
        names.setdefault(name, run.facts.resolve(axis.size))


def _size(spec: AxisSpec, names: Mapping[str, Dim]) -> Dim | None:
    """The size that an axis asks for; None where that isn't known."""
    match spec.of:
        case Of.NUMBER:
            return Dim.of(spec.number)
        case Of.NAME:
            return names.get(spec.name)
        case Of.SUM:
            return formula(spec.name, names)
    return None


# -- once it has been run ------------------------------------------------------------------------------------------------
def annotated(run: Run) -> tuple[Annotated, ...]:
    """Everything that has an annotation, with its tensors."""
    found = []
    for one in run.annotated:
        tensors = tensors_of(run, one.value) if not isinstance(one.value, Seq) else []
        place = NodePlace(one.slice, one.node, one.symbol)
        for tensor in tensors[:1]:
            found.append(Annotated(place, one.wanted, one.call, one.name, tensor, run.axis_names.get(one.call, {})))
    return tuple(found)
