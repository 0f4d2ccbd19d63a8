"""Objects of the project's classes: modules, dataclasses and configs, built by running their `__init__`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import libcst as cst

from shapecheck.shapes.built import Size
from shapecheck.shapes.dim import Kind
from shapecheck.static.arguments import default_of, root_arguments
from shapecheck.static.attributes import LAYER
from shapecheck.static.classes import class_body, decorators, external_bases, find_in_class, is_module, lineage
from shapecheck.static.run import DEEPEST_CALL, Dead, Run
from shapecheck.static.syntax import Slice
from shapecheck.static.values import (
    MISSING,
    NONE,
    Class,
    Const,
    Function,
    Instance,
    Layer,
    Many,
    Num,
    Seq,
    Table,
    Unknown,
    Value,
    number,
)

TABLE = "__table__"  # what a class derived from dict was built from
_DICTS = {"builtins.dict", "collections.OrderedDict", "collections.UserDict"}


def build(run: Run, of: Class, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    """`Of(*args, **kwargs)`."""
    from shapecheck.static.calls import call, inline

    if len(run.frames) >= DEEPEST_CALL or sum(frame.symbol == of.name for frame in run.frames) > 2:
        return Unknown(run.key(node), of.name)
    if any("Enum" in base or base.startswith("torch.autograd") for base in external_bases(run, of)):
        known = args[0] if len(args) == 1 and isinstance(args[0], Const) else None
        return known or Unknown(run.key(node), of.name)  # a member is its value, as where it is read from the class
    instance = Instance(of, run.key(node))
    run.constructions.append((instance, tuple(args), dict(kwargs), run.place(node)))
    init = find_in_class(run, of, "__init__")
    _note_sizes(run, of, init, args, kwargs, node)
    if isinstance(init, Function) and not _is_generated(run, of, init):
        run.building.append(instance)
        try:
            inline(
                run, Function("__init__", init.node, init.slice, init.scope, init.owner, instance), args, kwargs, node
            )
        finally:
            run.building.pop()
        return instance
    fields = dataclass_fields(run, of)
    if fields:
        _fill(run, instance, fields, args, kwargs)
        if is_tuple(run, of):
            return _as_tuple(instance, skips_none=not _is_named_tuple(run, of))
        post = find_in_class(run, of, "__post_init__")
        if isinstance(post, Function):
            call(run, Function("__post_init__", post.node, post.slice, post.scope, post.owner, instance), [], {}, node)
        return instance
    if derive(run, instance, args, kwargs, node):
        return instance
    if args and isinstance(args[0], Table) and external_bases(run, of) & _DICTS:
        instance.attributes[TABLE] = args[0]
    if is_module(run, of) or not (args or kwargs):
        return instance
    instance.open = True
    return instance


def derive(run: Run, instance: Instance, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode) -> bool:
    """Make an object of a class derived from a layer of torch.nn one of that layer; whether it is derived from one."""
    from shapecheck.static.calls import build_layer
    from shapecheck.static.ops import layer_named

    bases = sorted(external_bases(run, instance.of))
    layer = next((base.rsplit(".", 1)[-1] for base in bases if layer_named(base)), None)
    if layer is None or layer in ("Module", "Parameter"):
        return False
    instance.attributes[LAYER] = build_layer(run, layer, args, kwargs, node)
    return True


def derived_layer(instance: Instance) -> Layer | None:
    """The layer that an object is; one derived from Sequential runs what was given to it and what became its attributes."""
    layer = instance.attributes.get(LAYER)
    if not isinstance(layer, Layer) or layer.type != "Sequential" or layer.children is None:
        return layer if isinstance(layer, Layer) else None
    own = [value for name, value in instance.attributes.items() if name != LAYER]
    children = [*layer.children.items, *(value for value in own if isinstance(value, Layer | Instance))]
    unsure = layer.children.unsure or any(isinstance(value, Unknown) and not _is_read(value) for value in own)
    return replace(layer, children=Seq(children, is_list=True, unsure=unsure))


def _is_read(value: Unknown) -> bool:
    """Whether an attribute is one that nobody set: it was only asked for."""
    return isinstance(value.key, tuple) and value.key[:1] == ("attribute",)


def _note_sizes(
    run: Run, of: Class, init: Value | None, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode
) -> None:
    """Note the numbers that one module's `__init__` builds another one with."""
    if run.frames[-1].method != "__init__" or not isinstance(node, cst.Call) or not isinstance(init, Function):
        return
    params = init.node.params.params[1:]
    given = [(param.name.value, value) for param, value in zip(params, args, strict=False)] + list(kwargs.items())
    for (name, value), argument in zip(given, node.args, strict=False):
        size = number(value) if isinstance(value, Num | Unknown) else None
        if size is not None:
            run.sizes.append(Size(name, size, run.place(argument), of.name))


def _is_generated(run: Run, of: Class, init: Function) -> bool:
    """Whether a dataclass gets an `__init__` of its own, whatever the classes above it define."""
    order = lineage(run, of)
    above = order.index(init.owner) if init.owner in order else len(order)
    return any(_is_dataclass(one) for one in order[:above])


def is_tuple(run: Run, of: Class) -> bool:
    """Whether instances can be indexed and unpacked: named tuples and output objects."""
    outputs = ("ModelOutput", "BaseOutput")
    return (
        _is_named_tuple(run, of)
        or any(base.endswith(outputs) for base in external_bases(run, of))
        or any(one.name in outputs for one in lineage(run, of)[1:])
    )


def _is_named_tuple(run: Run, of: Class) -> bool:
    return any(base.endswith("NamedTuple") for base in external_bases(run, of))


def _as_tuple(instance: Instance, *, skips_none: bool) -> Seq:
    """The fields in order. An output object counts those that are not None, so the others go to the end."""
    fields = list(instance.attributes.items())
    if skips_none:
        fields.sort(key=lambda field: field[1] == NONE)
    return Seq([value for _, value in fields], fields=tuple(name for name, _ in fields))


def dataclass_fields(run: Run, of: Class) -> dict[str, cst.AnnAssign]:
    """The annotated names of a dataclass and its bases, in order; none for a class that isn't one."""
    order = lineage(run, of)
    decorated = any(_is_dataclass(one) for one in order)
    if not decorated and not any(base.endswith("NamedTuple") for base in external_bases(run, of)):
        return {}
    return annotated_fields(order)


def annotated_fields(order: list[Class]) -> dict[str, cst.AnnAssign]:
    fields: dict[str, cst.AnnAssign] = {}
    for one in reversed(order):
        body = one.node.body.body if isinstance(one.node.body, cst.IndentedBlock) else ()
        for statement in body:
            for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
                if isinstance(small, cst.AnnAssign) and isinstance(small.target, cst.Name):
                    if not _is_classvar(small):
                        fields[small.target.value] = small
    return fields


def _is_classvar(node: cst.AnnAssign) -> bool:
    annotation = node.annotation.annotation
    return (
        isinstance(annotation, cst.Subscript)
        and isinstance(annotation.value, cst.Name)
        and annotation.value.value == "ClassVar"
    )


def _is_dataclass(of: Class) -> bool:
    holder = Function(of.name, cst.FunctionDef(cst.Name(of.name), cst.Parameters(), cst.IndentedBlock(()),
                                               decorators=of.node.decorators), of.slice, of.scope)  # fmt: skip
    return bool(decorators(holder) & {"dataclass", "define", "frozen", "attrs", "auto_docstring", "strict"})


def _fill(
    run: Run, instance: Instance, fields: dict[str, cst.AnnAssign], args: list[Any], kwargs: dict[str, Value]
) -> None:
    left = [value for value in args if not isinstance(value, Many)]
    for name, field in fields.items():
        if left:
            instance.attributes[name] = left.pop(0)
        elif name in kwargs:
            instance.attributes[name] = kwargs[name]
        else:
            instance.attributes[name] = _default(run, instance.of, field)


def _default(run: Run, of: Class, field: cst.AnnAssign) -> Value:
    from shapecheck.static.expressions import evaluate

    if field.value is None:
        return Unknown((id(field), "field"), "?")
    if isinstance(field.value, cst.Call):  # dataclasses.field(default=…, default_factory=…)
        for argument in field.value.args:
            if argument.keyword is not None and argument.keyword.value == "default":
                return evaluate(run, argument.value, of.scope)
        return Unknown((id(field), "field"), "?")
    return evaluate(run, field.value, of.scope)


def open_object(run: Run, of: Class, key: object) -> Instance:
    """An object that somebody else built: its fields are symbols, and what its class checks holds for them."""
    from shapecheck.static.calls import inline

    instance = Instance(of, ("open", key), open=True)
    names: dict[str, Value] = {}
    for name, field in annotated_fields(lineage(run, of)).items():
        default = _default(run, of, field) if field.value is not None else None
        names[name] = _field(of, key, name, default, field)
    instance.attributes.update(names)
    init = find_in_class(run, of, "__init__")
    if isinstance(init, Function) and isinstance(init.node, cst.FunctionDef):
        given = root_arguments(run, _without_self(init.node.params), Kind.CONFIG, str(key), init.scope)
        given = {name: value for name, value in given.items() if name not in names}
        with suppress(Dead):  # whoever handed it in got past its checks
            inline(
                run, Function("__init__", init.node, init.slice, init.scope, init.owner, instance), [], given, init.node
            )
    for found in _validators(run, of):
        bound = Function(found.name, found.node, found.slice, found.scope, found.owner, instance)
        with suppress(Dead):
            inline(run, bound, [], {}, found.node)
    return instance


def with_unknown_arguments(run: Run, of: Class, owner: str) -> Instance:
    """An object of a class, built with arguments that nobody knows."""
    init = find_in_class(run, of, "__init__")
    arguments: dict[str, Value] = {}
    if isinstance(init, Function) and isinstance(init.node, cst.FunctionDef):
        arguments = root_arguments(run, _without_self(init.node.params), Kind.CONSTRUCTOR, owner, init.scope)
    built = build(run, of, [], arguments, of.node)
    return built if isinstance(built, Instance) else Instance(of, ("root", owner))


def module_given(run: Run, of: Class, owner: str) -> Instance | None:
    """A module that somebody else built and handed in: what its class builds and owes is told of that class, not here."""
    before = {name: len(getattr(run, name)) for name in _OWN_RECORDS}
    try:
        return with_unknown_arguments(run, of, owner)
    except Dead:
        return None
    finally:
        for name, length in before.items():
            del getattr(run, name)[length:]


_OWN_RECORDS = ("layers", "divisions", "constructions", "sizes", "scales", "remainders", "guarded")


def _validators(run: Run, of: Class) -> Iterator[Function]:
    """The methods that dataclasses and attrs call, and those that check remainders, by whatever convention."""
    bodies = [(name, body, one) for one in lineage(run, of) for name, body in class_body(run, one).items()]
    for name in dict.fromkeys(name for name, body, one in bodies if _looks_over(name, body, one)):
        found = find_in_class(run, of, name)
        if isinstance(found, Function) and isinstance(found.node, cst.FunctionDef):
            if all(param.default is not None for param in found.node.params.params[1:]):
                yield found


def _looks_over(name: str, body: Any, of: Class) -> bool:
    if name in ("__post_init__", "__attrs_post_init__"):
        return True
    if name in ("__init__", "__new__") or not isinstance(body, Slice | cst.FunctionDef):
        return False
    text = body.text if isinstance(body, Slice) else of.slice.code(body)
    return "%" in text and ("raise " in text or "assert " in text)


def _field(of: Class, key: object, name: str, default: Value | None, field: cst.AnnAssign) -> Value:
    plain = default_of(default) if default is not None else MISSING
    text = of.slice.code(field.annotation.annotation)
    optional = plain is None or "None" in text or "Optional" in text
    return Unknown(("attribute", ("open", key), name), name, Kind.CONFIG, plain, optional, isinstance(plain, bool))


def _without_self(params: cst.Parameters) -> cst.Parameters:
    return params.with_changes(params=params.params[1:])
