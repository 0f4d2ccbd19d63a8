"""Python's functions that ask about objects: isinstance, getattr, hasattr, super."""

from __future__ import annotations

from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.trace import Tensor
from shapecheck.static.classes import external_bases, find_in_class, lineage
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.values import (
    FALSE,
    MISSING,
    NONE,
    TRUE,
    Class,
    Cond,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Method,
    Num,
    Partial,
    Real,
    Seq,
    Super,
    Table,
    Unknown,
    Value,
)  # fmt: skip


def is_instance(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    value, wanted = args
    names = [wanted] if not isinstance(wanted, Seq) else wanted.items
    paths = {one.last if isinstance(one, External) else one.name if isinstance(one, Class) else "?" for one in names}
    found: set[str] | None = None
    match value:
        case Tensor():
            found = {"Tensor"}
        case Num():
            found = {"int", "Integral", "Number"}
        case Real():
            found = {"float", "Number"}
        case Seq(is_list=is_list):
            found = {"list", "Sequence", "Iterable"} if is_list else {"tuple", "Sequence", "Iterable"}
        case Table():
            found = {"dict", "Mapping"}
        case Const(str()):
            found = {"str"}
        case Const(None):
            found = set()
        case Const(bool()):
            found = {"bool", "int"}
        case Instance(of=of):
            found = {one.name for one in lineage(run, of)} | {
                base.rsplit(".", 1)[-1] for base in external_bases(run, of)
            }
        case Layer(type=kind):
            found = {kind, "Module"}
        case Unknown(tensor=Tensor()):
            found = None
        case Unknown(kind=Kind.CONFIG | Kind.CONSTRUCTOR, default=str()) if paths == {"str"}:
            return TRUE
        case Unknown(kind=Kind.CONFIG, name=name) if paths == {"str"} and value.default in (None, MISSING):
            key = ("isinstance", value.key, "str")  # a config holds the names of functions rather than functions
            return Unknown(key, f"isinstance({name}, str)", Kind.CONFIG, default=True, flag=True)
        case Unknown(kind=Kind.INPUT) if paths & {"Tensor", "str", "dict", "int", "float", "tuple", "list"}:
            if paths == {"Tensor"}:
                return TRUE
            return Cond("opaque", (("isinstance", value.key, tuple(sorted(paths))),))
    if found is None or "?" in paths:
        return Cond("opaque", (("isinstance", run.key(node)),))
    return TRUE if found & paths else FALSE


def get_attribute(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    from shapecheck.static.attributes import attribute

    owner, name = args[0], args[1].value if len(args) > 1 and isinstance(args[1], Const) else None
    if not isinstance(name, str):
        return Unknown(run.key(node), "?")
    if len(args) > 2 and isinstance(owner, Instance) and not owner.open and name not in owner.attributes:
        if find_in_class(run, owner.of, name) is None and not name.startswith("__"):
            return args[2]  # type: ignore[no-any-return]
    found = attribute(run, owner, name, node)
    if len(args) > 2 and isinstance(found, Unknown) and isinstance(args[2], Const):
        default = args[2].value
        flag = isinstance(default, bool)
        return Unknown(found.key, found.name, found.kind, default, default is None, flag)
    return found


def has_attribute(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    owner, name = args[0], args[1].value if len(args) > 1 and isinstance(args[1], Const) else None
    if isinstance(owner, Instance) and isinstance(name, str):
        if name in owner.attributes:
            return TRUE
        return FALSE  # of a class that was read with all its fields
    if isinstance(owner, External):
        return TRUE
    return Cond("opaque", (run.key(node),))


def super_of(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    of = args[0] if args and isinstance(args[0], Class) else scope.local("__class__") if scope is not None else None
    bound = args[1] if len(args) > 1 else scope.local("__self__") if scope is not None else None
    return Super(of, bound) if isinstance(of, Class) else Unknown(run.key(node), "?")


def set_attribute(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    if (
        len(args) == 3
        and isinstance(args[0], Instance)
        and isinstance(args[1], Const)
        and isinstance(args[1].value, str)
    ):
        args[0].attributes[args[1].value] = args[2]
    return NONE


def is_callable(run: Run, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None) -> Value:
    match args:
        case [Function() | Class() | External() | Partial() | Method() | Layer()]:
            return TRUE
        case [Num() | Real() | Const() | Seq() | Table() | Tensor()]:
            return FALSE
        case [Unknown(default=default)] if isinstance(default, int | float | str):
            return FALSE
    return Cond("opaque", (("callable",),))
