"""Arguments that nobody gives: what the parameters of a root or of an open object are taken for."""

from __future__ import annotations

import re

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.static.classes import is_module
from shapecheck.static.run import Run
from shapecheck.static.scope import Scope
from shapecheck.static.values import (
    MISSING,
    Class,
    Const,
    External,
    Function,
    Layer,
    Num,
    Partial,
    Real,
    Seq,
    Table,
    Unknown,
    Value,
)  # fmt: skip


def root_arguments(run: Run, params: cst.Parameters, kind: Kind, owner: str, scope: Scope) -> dict[str, Value]:
    """Unknown arguments for a function that nobody calls: what they are shows by their use."""
    from shapecheck.static.expressions import evaluate
    from shapecheck.static.objects import open_object

    found: dict[str, Value] = {}
    listed = [*params.posonly_params, *params.params, *params.kwonly_params]
    for param in listed:
        name = param.name.value
        annotation = param.annotation.annotation if param.annotation is not None else None
        text = run.frames[-1].slice.code(annotation) if annotation is not None else ""
        default: object = MISSING
        if param.default is not None:
            value = evaluate(run, param.default, scope)
            default = default_of(value)
            if (
                isinstance(value, Class | Function | Layer | Partial | External | Seq | Table)
                and kind is Kind.CONSTRUCTOR
            ):
                found[name] = value
                continue
        optional = default is None or "None" in text or "Optional" in text
        flag = isinstance(default, bool) or text.strip() == "bool"
        named = text.strip().strip("'\"") or (_config_class(scope) if name == "config" else "")
        if kind is Kind.CONSTRUCTOR and not (optional and "|" in named):
            classes = [of for one in named.split("|") if (of := _annotated(run, one.strip(), scope)) is not None]
            if classes and not any(is_module(run, of) for of in classes):  # what any of them checks is checked
                objects = [open_object(run, of, (owner, name)) for of in classes]
                found[name] = objects[0]
                continue
        annotated = text.strip().strip("'\"") if default is MISSING and "." not in owner else ""
        if annotated and (module := _module_given(run, annotated, f"{owner}.{name}", scope)):
            found[name] = module
            continue
        sizes = _whole_numbers(text, name, owner) if kind is Kind.INPUT and default is MISSING else None
        found[name] = sizes or Unknown(("param", owner, name), name, kind, default, optional, flag)
        if isinstance(default, int) and not flag:
            run.defaults["param", owner, name] = default
    if params.star_kwarg is not None and kind is Kind.INPUT:
        found["**"] = Table({}, open=True, key=("kwargs", owner))
    return found


def _module_given(run: Run, named: str, owner: str, scope: Scope) -> Value | None:
    """The argument that is annotated with a class of modules: an object of it."""
    from shapecheck.static.objects import module_given

    of = _annotated(run, named, scope)
    return module_given(run, of, owner) if of is not None and is_module(run, of) else None


_INTEGERS = re.compile(r"int|[Tt]uple\[(int(?:\s*,\s*int)*)\]")


def _whole_numbers(annotation: str, name: str, owner: str) -> Value | None:
    """What an argument of forward is that its annotation says to be a whole number, or a tuple of so many."""
    found = _INTEGERS.fullmatch(annotation.strip().strip("'\""))
    if found is None:
        return None
    key = ("param", owner, name)
    if found[1] is None:
        return Num(Dim.of(Symbol(name, Kind.INPUT, key)))
    count = found[1].count("int")
    return Seq([Num(Dim.of(Symbol(f"{name}_{index}", Kind.INPUT, (key, index)))) for index in range(count)])


def _config_class(scope: Scope) -> str:
    """What a `config` without an annotation is, where the file knows only one class of configs."""
    found = [name for name in scope.file.outline.names if name.endswith("Config") and name.lower() not in _BASE_CONFIGS]
    return found[0] if len(found) == 1 else ""


_BASE_CONFIGS = {"config", "pretrainedconfig"}


def _annotated(run: Run, name: str, scope: Scope) -> Class | None:
    from shapecheck.static.expressions import top_level

    value = scope.local(name) if name.isidentifier() else None
    if value is None and name.isidentifier():
        value = top_level(run, name, scope)
    return value if isinstance(value, Class) else None


def default_of(value: Value) -> object:
    """A default as Python has it; MISSING where it isn't a constant."""
    match value:
        case Const(constant):
            return constant
        case Num(dim):
            return dim.value
        case Real(scale):
            return scale.coefficient
    return MISSING
