"""Methods of lists, dicts, layers and modules."""

from __future__ import annotations

from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.static.run import Run
from shapecheck.static.sequences import plain_items
from shapecheck.static.values import (
    NONE,
    Cond,
    Const,
    External,
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


def method_of(
    run: Run, owner: Any, name: str, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    """The result of a method that is known here; None for any other."""
    match owner:
        case Seq():
            return _of_sequence(run, owner, name, args, node)
        case Table():
            return _of_table(run, owner, name, args, node)
        case Instance():
            return _of_module(run, owner, name, args, kwargs, node)
        case Layer():
            return _of_layer(run, owner, name, args, kwargs, node)
        case Const(value=str(text)):
            return _of_string(text, name, args)
        case Real() if name == "is_integer":
            return _is_integer(owner)
        case External() if name == "get_interface" and len(args) > 1:
            return args[1]  # type: ignore[no-any-return]
        case Unknown() if name in ("get_interface", "get") and len(args) > 1 and isinstance(args[1], Function):
            return args[1]
    return None


_TEXT = frozenset({
    "lower", "upper", "strip", "lstrip", "rstrip", "startswith", "endswith", "replace", "removeprefix", "removesuffix", "split",
    "rsplit", "title", "capitalize", "isdigit", "isidentifier",
})  # fmt: skip


def _of_string(text: str, name: str, args: list[Any]) -> Value | None:
    """A method of a known string with known arguments."""
    given = [arg.value for arg in args if isinstance(arg, Const) and isinstance(arg.value, str)]
    if name not in _TEXT or len(given) != len(args):
        return None
    result = getattr(text, name)(*given)
    return Seq([Const(one) for one in result], is_list=True) if isinstance(result, list) else Const(result)


def _is_integer(value: Real) -> Value:
    """`(d / h).is_integer()`."""
    from shapecheck.shapes.dim import ONE

    above = below = ONE
    for dim, power in value.scale.powers:
        if power.denominator != 1:
            return Cond("opaque", (id(value),))
        above, below = (above * dim**power.numerator, below) if power > 0 else (above, below * dim**-power.numerator)
    return Cond("==", (Num(above % below), Num(ONE - ONE)))


def _of_sequence(run: Run, owner: Seq, name: str, args: list[Any], node: cst.CSTNode) -> Value | None:
    match name, args:
        case "append", [value]:
            owner.items.append(value)
            return NONE
        case "extend", [Seq() as more]:
            owner.items += plain_items(run, more, node)
            owner.unsure |= more.unsure
            return NONE
        case "insert", [Num(dim), value] if dim.value is not None and owner.plain:
            owner.items.insert(dim.value, value)
            return NONE
        case "pop", _ if owner.plain and owner.items:
            place = number(args[0]) if args else None
            index = -1 if place is None else place.value
            if index is not None and -len(owner.items) <= index < len(owner.items):
                return owner.items.pop(index)  # type: ignore[no-any-return]
        case "numel", []:
            from shapecheck.static.builtins import BUILTINS

            return BUILTINS["math.prod"](run, [owner], {}, node, None)
        case (("copy" | "tolist"), []):
            return Seq(list(owner.items), owner.is_list, owner.unsure)
        case (("index" | "count"), _):
            return None
    if name in ("pop", "extend", "insert", "remove", "clear", "sort", "reverse"):
        owner.unsure = True
    return None


def _of_table(run: Run, owner: Table, name: str, args: list[Any], node: cst.CSTNode) -> Value | None:
    match name, args:
        case (("get" | "pop" | "setdefault"), [Const(key), *default]):
            if key in owner.items:
                return owner.items.pop(key) if name == "pop" else owner.items[key]
            if owner.open:
                plain = default[0] if default else NONE
                if isinstance(plain, Const):
                    return Unknown(("item", owner.key or id(owner), key), str(key), Kind.INPUT, plain.value,
                                   plain.value is None, isinstance(plain.value, bool))  # fmt: skip
                return Unknown(("item", owner.key or id(owner), key), str(key), Kind.CONFIG)
            return default[0] if default else NONE
        case "items", []:
            pairs: list[Any] = [Seq([Const(key), value]) for key, value in owner.items.items()]
            if owner.open:
                pairs.append(Many(Seq([Unknown(run.key(node), "key"), Unknown(run.key(node), "value")]), None))
            return Seq(pairs)
        case "values", []:
            return Seq(list(owner.items.values()), unsure=owner.open)
        case "keys", []:
            return Seq([Const(key) for key in owner.items], unsure=owner.open)
        case "copy", []:
            return Table(dict(owner.items), owner.open, owner.key)
        case "update", [Table() as more]:
            owner.items.update(more.items)
            owner.open |= more.open
            return NONE
    if name in ("update", "clear"):
        owner.open = True
    return None


def _of_module(
    run: Run, owner: Instance, name: str, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    match name, args:
        case (("register_buffer" | "register_parameter"), [Const(str(key)), *rest]):
            value = rest[0] if rest else kwargs.get("tensor", kwargs.get("param", NONE))
            owner.attributes[key] = value
            return NONE
        case (("add_module" | "register_module"), [Const(str(key)), value]):
            owner.attributes[key] = value
            if isinstance(value, Layer) and not value.name:
                value.name = key
            return NONE
        case (("to" | "eval" | "train" | "half" | "float" | "cuda" | "cpu" | "requires_grad_"), _):
            return owner
        case "children" | "modules" | "parameters" | "named_parameters" | "named_modules" | "named_children", _:
            return Seq([Many(Unknown(run.key(node), "?"), None)])
        case "apply" | "_init_weights" | "post_init", _:
            return NONE
    return None


def _of_layer(
    run: Run, owner: Layer, name: str, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value | None:
    match name, args:
        case (("append" | "insert" | "extend" | "add_module" | "register_module"), _) if owner.children is not None:
            added = args[-1] if args else None
            if name == "extend" and isinstance(added, Seq):
                owner.children.items += added.items
            elif isinstance(added, Layer | Instance) and name in ("append", "add_module", "register_module"):
                owner.children.items.append(added)
            else:
                owner.children.unsure = True
            return NONE
        case (("items" | "values" | "keys" | "get" | "update"), _) if owner.table is not None:
            return _of_table(run, owner.table, name, args, node)
        case (("to" | "eval" | "train" | "half" | "float" | "requires_grad_" | "cuda" | "apply"), _):
            return owner
        case "forward", _:
            from shapecheck.static.ops import apply_layer

            return apply_layer(run, owner, args, kwargs, node)
    return None
