"""Python's own functions of numbers: of sizes, and of floats made of them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.dim import Function as Formula
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Row
from shapecheck.shapes.trace import Tensor
from shapecheck.static.arithmetic import operate, truncated
from shapecheck.static.run import Run, unknown
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import plain_items
from shapecheck.static.values import NONE, Const, Many, Num, Real, Seq, Unknown, Value, number, real

if TYPE_CHECKING:
    from shapecheck.static.builtins import Builtin


def whole(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    match args:
        case [Num() as value] | [Unknown(tensor=None) as value]:
            return value
        case [Const(bool(truth))]:
            return Num(Dim.of(int(truth)))
        case [Real(scale)]:
            return truncated(run, scale, node)
    return unknown(run, node)


def floating(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    match args:
        case [Num() | Real() as value]:
            return Real(real(value))
        case [Unknown(tensor=None, kind=Kind.CONSTRUCTOR | Kind.CONFIG) as value]:
            return Real(real(Num(Dim.of(value.symbol))))
        case [Const(str(text))] if "inf" in text.lower():
            return Real(Scale(coefficient=float(text)))
    return unknown(run, node)


def power_of(exponent: Fraction) -> Builtin:
    def at_power(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
        value = args[0] if args else NONE
        if isinstance(value, Tensor) or (isinstance(value, Unknown) and value.tensor is not None):
            from shapecheck.static.ops import apply

            return apply(run, "sqrt", node, args, kwargs)
        if isinstance(value, Unknown):
            if value.kind in (Kind.CONSTRUCTOR, Kind.CONFIG):
                return Real(real(Num(Dim.of(value.symbol))) ** exponent)
            return unknown(run, node)
        return Real(real(value) ** exponent)

    return at_power


def power(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    return operate(run, cst.Power, args[0], args[1], node) if len(args) == 2 else unknown(run, node)


def named(name: str) -> Builtin:
    """A function of whole numbers that has no formula: `max`, `ceil`."""

    def apply_it(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
        items = plain_items(run, args[0], node) if len(args) == 1 and isinstance(args[0], Seq) else args
        dims = [number(arg) for arg in items if not isinstance(arg, Row | Many)]
        known = [dim for dim in dims if dim is not None and dim.known]
        if not known or len(known) != len(items) or len(known) > 6:
            return unknown(run, node, name)
        if all(dim == known[0] for dim in known) and name in ("max", "min"):
            return Num(known[0])
        values = [dim.value for dim in known]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values):
            compute = {"max": max, "min": min}.get(name)
            return Num(Dim.of(compute(numbers))) if compute else Num(Dim.of(abs(numbers[0])))
        return Num(Dim.of(Formula(name, tuple(known))))

    return apply_it


def ceil(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    match args:
        case [Num() as value]:
            return value
        case [Real(scale)] if scale.known and not scale.learnt and not scale.powers:
            return Num(Dim.of(-int(-scale.coefficient // 1)))
        case [Real(scale)] if scale.known and not scale.learnt:
            return Num(Dim.of(Symbol(f"ceil_{len(run.divisions)}", Kind.OPAQUE, ("ceil", str(scale)))))
    return unknown(run, node)


def floor(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    return whole(run, args, kwargs, node, scope)


def total(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if isinstance(args[0], Seq) and args[0].plain and args[0].items:
        found = args[0].items[0]
        for item in args[0].items[1:]:
            found = operate(run, cst.Add, found, item, node)
        return found  # type: ignore[no-any-return]
    return unknown(run, node)


def product(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if isinstance(args[0], Seq):
        items = plain_items(run, args[0], node)
        dims = [number(item) for item in items if not isinstance(item, Row | Many)]
        known = [dim for dim in dims if dim is not None]
        if len(known) == len(items):
            found = Dim.of(1)
            for dim in known:
                found = found * dim
            return Num(found)
    return unknown(run, node)


def divided(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if len(args) == 2:
        return Seq([operate(run, operator, args[0], args[1], node) for operator in (cst.FloorDivide, cst.Modulo)])
    return unknown(run, node)
