"""Python's own functions, as far as sizes and layers pass through them: the table, and those of sequences and dicts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Row
from shapecheck.shapes.trace import Tensor
from shapecheck.static import numeric, reflection
from shapecheck.static.learning import learn
from shapecheck.static.run import Run, unknown
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import iterations, plain_items
from shapecheck.static.values import (
    FALSE,
    NONE,
    TRUE,
    Cond,
    Const,
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

Builtin = Callable[[Run, list[Any], dict[str, Value], cst.CSTNode, Scope | None], Value]


def _len(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    value = args[0].children if isinstance(args[0], Layer) and args[0].children else args[0]
    if isinstance(value, Tensor):
        axis = run.front(run.shape(value), 0).at(0)
        return Num(axis.size) if axis is not None else unknown(run, node)
    if isinstance(value, Seq) and not value.unsure:
        items = plain_items(run, value, node)
        if not any(isinstance(item, Row | Many) for item in items):
            return Num(Dim.of(len(items)))
        if len(items) == 1 and isinstance(items[0], Many) and items[0].count is not None:
            return Num(items[0].count)
    if isinstance(value, Table) and not value.open:
        return Num(Dim.of(len(value.items)))
    return unknown(run, node, "len")


def _range(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    dims = [number(arg) for arg in args]
    if len(dims) == 1 and dims[0] is not None and dims[0].value is None:
        return Seq([Many(Unknown(run.key(node), "i", Kind.CONFIG), dims[0])])
    values = [dim.value for dim in dims if dim is not None]
    known = [value for value in values if value is not None]
    if dims and len(known) == len(dims) and (len(known) < 3 or known[2]):
        numbers = range(*known)
        if len(numbers) <= 64:
            return Seq([Num(Dim.of(value)) for value in numbers])
    return Seq([Many(Unknown(run.key(node), "i", Kind.CONFIG), None)])


def _sequence(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    is_list = isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "list"
    if not args:
        return Seq([], is_list=True)
    if isinstance(args[0], Seq):
        return Seq(plain_items(run, args[0], node), is_list, args[0].unsure)
    return Seq(list(iterations(run, args[0], node)), is_list)


def _enumerate(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    items: list[Any] = []
    for index, item in enumerate(iterations(run, args[0], node)):
        if isinstance(item, Many):
            items.append(Many(Seq([Unknown(run.key(node), "i", Kind.CONFIG), item.element]), item.count))
        else:
            items.append(Seq([Num(Dim.of(index)), item]))
    return Seq(items, is_list=True)


def _zip(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    columns = [list(iterations(run, arg, node)) for arg in args]
    many = [item for column in columns for item in column if isinstance(item, Many)]
    if many:
        elements = [
            column[0].element if len(column) == 1 and isinstance(column[0], Many) else unknown(run, node)
            for column in columns
        ]
        return Seq([Many(Seq(elements), many[0].count)], is_list=True)
    return Seq([Seq(list(items)) for items in zip(*columns, strict=False)], is_list=True)


def _map(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    from shapecheck.static.calls import call

    items: list[Any] = []
    for item in iterations(run, args[1], node):
        if isinstance(item, Many):
            items.append(Many(call(run, args[0], [item.element], {}, node, scope), item.count))
        else:
            items.append(call(run, args[0], [item], {}, node, scope))
    return Seq(items, is_list=True)


def _reversed(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    return Seq(list(iterations(run, args[0], node))[::-1], is_list=True)


def _dict(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    table = Table({})
    for arg in args:
        if isinstance(arg, Table):
            table.items.update(arg.items)
            table.open |= arg.open
            continue
        pairs = arg.items if isinstance(arg, Seq) and arg.plain else [arg]
        for pair in pairs:
            match pair:
                case Seq(items=[Const(key), value]) if pair.plain:
                    table.items[key] = value
                case _:
                    table.open = True
    table.items.update({key: value for key, value in kwargs.items() if key != "**"})
    return table


def _same(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    return args[0] if args else NONE


def _all(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if args and isinstance(args[0], Seq) and args[0].plain:
        return Cond("and", tuple(args[0].items)) if args[0].items else TRUE
    return Cond("opaque", (run.key(node),))


def _any(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if args and isinstance(args[0], Seq) and args[0].plain:
        return Cond("or", tuple(args[0].items)) if args[0].items else FALSE
    return Cond("opaque", (run.key(node),))


def _check(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if args:
        learn(run, args[0], True)
    return NONE


def _bool(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    from shapecheck.static import conditions

    return conditions.truth(run, args[0], node) if args else FALSE


def _times(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    """itertools.repeat(value, times)."""
    count = number(args[1]) if len(args) > 1 else None
    if count is not None and count.value is not None and count.value < 64:
        return Seq([args[0]] * count.value)
    return Seq([Many(args[0], count)])


def _slice(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    bounds = [NONE, *args, NONE] if len(args) == 1 else [*args, NONE]
    return Seq(bounds[:3], fields=("slice",))


def _environment(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    """A variable of the environment is what it is where nobody set it."""
    return args[1] if len(args) == 2 else unknown(run, node)


def _found_package(
    run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None
) -> Value:
    """importlib.util.find_spec(name): no package is taken to be there that isn't imported without asking."""
    name = args[0].value if args and isinstance(args[0], Const) else None
    key = ("installed", name) if isinstance(name, str) else run.key(node)
    return Unknown(key, name if isinstance(name, str) else "?", default=None, optional=True)


def _finfo(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    """torch.finfo: what is said of float32 goes for every dtype, as far as large and small."""
    numbers = {"min": -3.4e38, "max": 3.4e38, "eps": 1.2e-7, "tiny": 1.2e-38, "smallest_normal": 1.2e-38}
    return Table({name: Real(Scale(coefficient=value)) for name, value in numbers.items()}, open=True)


def _nothing(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    return NONE


BUILTINS: dict[str, Builtin] = {
    "len": _len, "range": _range, "list": _sequence, "tuple": _sequence, "enumerate": _enumerate, "zip": _zip, "map": _map,
    "reversed": _reversed, "int": numeric.whole, "float": numeric.floating, "pow": numeric.power, "math.pow": numeric.power, "max": numeric.named("max"),
    "min": numeric.named("min"), "abs": numeric.named("abs"), "sum": numeric.total, "divmod": numeric.divided, "isinstance": reflection.is_instance,
    "getattr": reflection.get_attribute, "hasattr": reflection.has_attribute, "super": reflection.super_of, "setattr": reflection.set_attribute, "dict": _dict, "all": _all, "any": _any,
    "bool": _bool, "print": _nothing, "round": numeric.whole, "sorted": _sequence, "torch.Size": _sequence, "iter": _same, "slice": _slice,
    "math.sqrt": numeric.power_of(Fraction(1, 2)), "numpy.sqrt": numeric.power_of(Fraction(1, 2)), "math.ceil": numeric.ceil,
    "numpy.ceil": numeric.ceil, "math.floor": numeric.floor, "math.prod": numeric.product, "numpy.prod": numeric.product, "torch._check": _check,
    "os.getenv": _environment, "os.environ.get": _environment,
    "torch.finfo": _finfo, "numpy.finfo": _finfo,
    "importlib.util.find_spec": _found_package, "collections.OrderedDict": _dict, "callable": reflection.is_callable, "itertools.repeat": _times, "typing.cast": lambda run, args, kwargs, node, scope: args[1], "math.isqrt": numeric.named("isqrt"),
}  # fmt: skip
