"""Calls: functions and methods of the project are inlined, everything else is looked up in the table of ops."""

from __future__ import annotations

from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.shape import Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.annotations import note_arguments, note_result
from shapecheck.static.attributes import LAYER
from shapecheck.static.builtins import BUILTINS
from shapecheck.static.caches import updated
from shapecheck.static.classes import find_in_class
from shapecheck.static.objects import TABLE, build, derive, derived_layer
from shapecheck.static.ops import TENSOR_METHODS, apply, apply_layer, function_named, layer_named, tensors_in
from shapecheck.static.remarks import Entered, described_in, values_of, words_described
from shapecheck.static.run import DEEPEST_CALL, Frame, Run
from shapecheck.static.scope import Scope
from shapecheck.static.sequences import item
from shapecheck.static.syntax import Slice
from shapecheck.static.values import (
    NONE,
    Class,
    External,
    Function,
    Instance,
    Layer,
    Many,
    Method,
    Partial,
    Seq,
    Super,
    Table,
    Unknown,
    Value,
)  # fmt: skip


class Returned(Exception):
    """A return statement was reached."""

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


def call(
    run: Run, function: Value, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None = None
) -> Value:
    """`function(*args, **kwargs)`."""
    match function:
        case Function():
            return inline(run, function, args, kwargs, node)
        case Class():
            return build(run, function, args, kwargs, node)
        case Instance():
            return _call_instance(run, function, args, kwargs, node)
        case Layer():
            return apply_layer(run, function, args, kwargs, node)
        case Partial(function=inner, args=first, kwargs=given):
            return call(run, inner, [*first, *args], {**dict(given), **kwargs}, node, scope)
        case External(path):
            return _call_external(run, path, args, kwargs, node, scope)
        case Method():
            return _call_method(run, function, args, kwargs, node, scope)
        case Unknown(name="update") if (grown := updated(run, args, node)) is not None:
            return grown
    return opaque(run, function, args, kwargs, node)


def opaque(run: Run, function: Value, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    """The result of something unknown. If tensors went in, the trace remembers which."""
    name = _name_of(function, node)
    tensors = [tensor for value in [*args, *kwargs.values()] for tensor in tensors_in(run, value, node)]
    key = run.key(node)
    if not tensors:
        return Unknown(key, name)
    lost = run.emit("unknown", node, tensors, Shape((Row(("row", key), name),)), lost_by=name)
    return Unknown(key, name, tensor=lost)


def _name_of(function: Value, node: cst.CSTNode) -> str:
    match function:
        case Unknown(name=name) | Method(name=name) | Function(name=name) | Class(name=name):
            return name
        case External() as external:
            return external.last
        case Layer(type=kind):
            return kind
    if isinstance(node, cst.Call):
        if isinstance(node.func, cst.Attribute):
            return node.func.attr.value
        if isinstance(node.func, cst.Name):
            return node.func.value
    return "?"


# -- inlining ------------------------------------------------------------------------------------------------------------
def inline(run: Run, function: Function, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    """Run the body of a function of the project."""
    body = function.node
    again = sum(frame.method == function.name and frame.row == id(body) for frame in run.frames)
    if (
        len(run.frames) >= DEEPEST_CALL
        or again > 1
        or (isinstance(body, cst.FunctionDef) and _yields(body, function.slice))
    ):
        return opaque(run, Unknown(run.key(node), function.name), args, kwargs, node)
    try:
        scope = entered(run, function, args, kwargs)
        from shapecheck.static.expressions import evaluate
        from shapecheck.static.statements import execute

        if isinstance(body, cst.Lambda):
            return evaluate(run, body.body, scope)
        try:
            execute(run, body.body, scope)
        except Returned as returned:
            note_result(run, function, returned.value, scope)
            return returned.value
        return NONE
    finally:
        run.frames.pop()


def entered(run: Run, function: Function, args: list[Any], kwargs: dict[str, Value]) -> Scope:
    """The names that the body of a function starts with. Whoever enters takes the frame off again."""
    body = function.node
    if function.bound is not None:
        args = [function.bound, *args]
    scope = function.scope.inner()
    symbol = function.owner.name if function.owner is not None else function.name
    if isinstance(body, cst.Lambda) and run.frames:
        symbol = run.frames[-1].symbol
    run.calls += 1
    run.frames.append(Frame(symbol, function.slice, function.name, id(body), run.calls))
    parameters(run, body.params, args, kwargs, scope, function.scope)
    if '"""' in function.slice.text and described_in(function):
        sizes = values_of(words_described(function), scope)
        run.entered.append(Entered(run.calls, function, symbol, dict(scope.names), sizes))
    note_arguments(run, function, scope, run.frames[-1].call, symbol)
    if function.owner is not None and not isinstance(body, cst.Lambda):
        scope.names["__class__"] = function.owner
        scope.names.setdefault("__self__", args[0] if args else NONE)
    return scope


def _yields(node: cst.FunctionDef, slice_: Slice) -> bool:
    if "yield" not in slice_.text:
        return False
    search = _Yields()
    node.body.visit(search)
    return search.found


class _Yields(cst.CSTVisitor):
    found = False

    def visit_Yield(self, node: cst.Yield) -> bool:
        self.found = True
        return False


def parameters(
    run: Run, params: cst.Parameters, args: list[Any], kwargs: dict[str, Value], scope: Scope, outer: Scope
) -> None:
    """Bind arguments to parameters in `scope`; what isn't given gets its default."""
    from shapecheck.static.expressions import evaluate

    positional = [*params.posonly_params, *params.params]
    left = list(args)
    given: dict[Any, Value] = dict(kwargs)
    open_ended = given.pop("**", None)
    for param in [*positional, *params.kwonly_params]:
        name = param.name.value
        many = left[0] if left and isinstance(left[0], Many) else None
        if many is not None and param in positional and name not in given:
            scope.names[name] = many.element
        elif left and many is None and param in positional:
            scope.names[name] = left.pop(0)
        elif name in given:
            scope.names[name] = given.pop(name)
        elif open_ended is not None and param.default is None:
            scope.names[name] = Unknown(("kwargs", run.key(param)), name, Kind.INPUT)
        elif param.default is not None:
            scope.names[name] = evaluate(run, param.default, outer)
        else:
            scope.names[name] = Unknown(("missing", run.key(param)), name)
    if isinstance(params.star_arg, cst.Param):
        scope.names[params.star_arg.name.value] = Seq(left)
    if params.star_kwarg is not None:
        scope.names[params.star_kwarg.name.value] = Table(given, open=open_ended is not None, key=run.key(params))


# -- what is called ------------------------------------------------------------------------------------------------------
def _call_instance(run: Run, instance: Instance, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    for name in ("__call__", "forward"):
        found = find_in_class(run, instance.of, name)
        if isinstance(found, Function):
            bound = Function(name, found.node, found.slice, found.scope, found.owner, instance)
            return inline(run, bound, args, kwargs, node)
    layer = derived_layer(instance)
    if layer is not None:
        return apply_layer(run, layer, args, kwargs, node)
    return opaque(run, Unknown(instance.key, instance.of.name), args, kwargs, node)


def _call_method(
    run: Run, method: Method, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None
) -> Value:
    owner = method.owner
    if isinstance(owner, Super):
        return _call_super(run, owner, method.name, args, kwargs, node)
    tensor = run.tensor(owner, node) if isinstance(owner, Unknown) else owner
    if isinstance(tensor, Tensor):
        if method.name in TENSOR_METHODS:
            return apply(run, method.name, node, [tensor, *args], kwargs)
        return opaque(run, method, [tensor, *args], kwargs, node)
    from shapecheck.static.methods import method_of

    found = method_of(run, owner, method.name, args, kwargs, node)
    return found if found is not None else opaque(run, method, [owner, *args], kwargs, node)


def _call_super(
    run: Run, owner: Super, name: str, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode
) -> Value:
    if name == "__init__" and isinstance(owner.bound, Instance):
        derive(run, owner.bound, args, kwargs, node)
    if name == "forward" and isinstance(owner.bound, Instance) and LAYER in owner.bound.attributes:
        return apply_layer(run, derived_layer(owner.bound) or owner.bound.attributes[LAYER], args, kwargs, node)
    if name == "__getitem__" and isinstance(owner.bound, Instance) and TABLE in owner.bound.attributes and args:
        return item(run, owner.bound.attributes[TABLE], args[0], node)
    if name == "get" and len(args) > 1 and isinstance(args[1], Function):  # a registry that falls back on this
        return args[1]
    return NONE if name in ("__init__", "__post_init__") else opaque(run, Method(owner, name), args, kwargs, node)


def _call_external(
    run: Run, path: str, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode, scope: Scope | None
) -> Value:
    if path.startswith("builtins.") and (builtin := BUILTINS.get(path[9:])) is not None:
        return builtin(run, args, kwargs, node, scope)
    if (layer := layer_named(path)) is not None:
        return build_layer(run, layer, args, kwargs, node)
    if path == "functools.partial" and args:
        return Partial(args[0], tuple(args[1:]), tuple(kwargs.items()))
    if path in ("copy.deepcopy", "copy.copy") and args:
        return args[0]  # type: ignore[no-any-return]
    if (known := BUILTINS.get(path)) is not None:
        return known(run, args, kwargs, node, scope)
    if (name := function_named(path)) is not None:
        return apply(run, name, node, args, kwargs)
    return opaque(run, External(path), args, kwargs, node)


def build_layer(run: Run, kind: str, args: list[Any], kwargs: dict[str, Value], node: cst.CSTNode) -> Value:
    """`nn.Linear(…)`."""
    from shapecheck.static.ops.layers import SIGNATURES, made

    names = SIGNATURES.get(kind, ())
    arguments = {name: value for name, value in zip(names, args, strict=False) if not isinstance(value, Many)}
    arguments.update({name: value for name, value in kwargs.items() if name != "**"})
    methods = [frame.method for frame in run.frames]
    built_in = next((method for method in ("__init__", "forward") if method in methods), methods[-1])
    layer = Layer(kind, arguments, run.key(node), run.place(node), built_in=built_in)
    run.layers.append(layer)
    return made(run, layer, args, node)
