"""`owner.name`: attributes of tensors, layers, objects, classes and the unknown."""

from __future__ import annotations

from math import inf
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.making import BOOL
from shapecheck.shapes.reader import Reader
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Origin, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.classes import decorators, find_in_class, is_module, lineage, own
from shapecheck.static.ops import TENSOR_METHODS, apply
from shapecheck.static.run import Run
from shapecheck.static.sequences import sizes
from shapecheck.static.values import (
    NONE,
    Class,
    External,
    Function,
    Instance,
    Layer,
    Method,
    Num,
    Real,
    Seq,
    Super,
    Table,
    Unknown,
    Value,
)  # fmt: skip
from shapecheck.static.weights import WINDOW, has_none, weight, window

# Attributes by which an argument of forward shows that it is a tensor.
_TENSOR_ATTRIBUTES = frozenset({"shape", "ndim", "T", "mT", "dtype", "device", "is_cuda", "data", "real", "imag"})
_SHARED_METHODS = frozenset(
    {"get", "update", "keys", "values", "items", "pop", "append", "copy", "split", "index", "type"}
)


_CONSTANTS = {f"{module}.inf": Real(Scale(coefficient=inf)) for module in ("torch", "math", "numpy")}
LAYER = "__layer__"  # the layer that an object of a class derived from one is


def attribute(run: Run, owner: Value, name: str, node: cst.CSTNode) -> Value:
    """The value of `owner.name`."""
    match owner:
        case Tensor():
            return _of_tensor(run, owner, name, node)
        case Unknown():
            return _of_unknown(run, owner, name, node)
        case Instance():
            return _of_instance(run, owner, name, node)
        case Layer():
            return _of_layer(run, owner, name, node)
        case Class():
            return _of_class(run, owner, name)
        case External(path):
            known = _CONSTANTS.get(f"{path}.{name}")
            return External(f"{path}.{name}") if known is None else known
        case Super(of=of, bound=bound):
            return _of_super(run, of, bound, name, node)
        case Seq(fields=fields) if name in fields:
            return owner.items[fields.index(name)]  # type: ignore[no-any-return]
        case Table(items=items) if name in items:
            return items[name]
    return Method(owner, name)


def _of_tensor(run: Run, tensor: Tensor, name: str, node: cst.CSTNode) -> Value:
    match name:
        case "shape":
            return sizes(run, tensor)
        case "ndim":
            shape = run.shape(tensor)
            return Num(Dim.of(shape.rank)) if shape.rank is not None else run.rank_of(shape)
        case "T" | "mT" | "H" | "mH":
            return apply(run, name, node, [tensor], {})
        case "data" | "real" | "imag" | "grad":
            return tensor
        case "dtype" if (kind := Reader(run).dtype(tensor, len(run.steps))) is not None:
            return External("torch.bool") if kind == BOOL else Unknown(("about", name, kind, run.key(node)), name)
        case "dtype" | "device" | "layout" | "is_cuda" | "requires_grad" | "is_sparse" | "is_nested" | "itemsize":
            return Unknown(("about", name, run.key(node)), name)
    return Method(tensor, name)


def _of_unknown(run: Run, owner: Unknown, name: str, node: cst.CSTNode) -> Value:
    tensorlike = owner.kind is Kind.INPUT or owner.tensor is not None
    if name in _TENSOR_ATTRIBUTES and (tensorlike or name in ("shape", "T", "mT")):
        tensor = run.tensor(owner, node)
        assert tensor is not None
        return _of_tensor(run, tensor, name, node)
    if name in TENSOR_METHODS and (tensorlike or name not in _SHARED_METHODS | {"size", "apply"}):
        if name not in _SHARED_METHODS or tensorlike:
            return Method(owner, name)
    kind = Kind.CONFIG if owner.kind in (Kind.CONSTRUCTOR, Kind.CONFIG) else owner.kind
    return Unknown(("attribute", owner.key, name), name, kind, tensor=owner.tensor)


def _of_instance(run: Run, owner: Instance, name: str, node: cst.CSTNode) -> Value:
    if name in owner.attributes:
        return owner.attributes[name]  # type: ignore[no-any-return]
    found = find_in_class(run, owner.of, name)
    if isinstance(found, Function):
        return _bind(run, found, owner, node)
    if found is not None:
        return found
    layer = owner.attributes.get(LAYER)
    if isinstance(layer, Layer) and (name in ("weight", "bias") or name in layer.arguments or name in WINDOW):
        return _of_layer(run, layer, name, node)
    if name == "training":
        return Unknown(("training",), "training", flag=True)
    if name == "__class__":
        return owner.of
    if name in MODULE_METHODS and is_module(run, owner.of):
        return Method(owner, name)
    key = ("class", owner.key) if owner.open else owner.key  # its class doesn't declare it: whoever does may check it
    value = Unknown(("attribute", key, name), name, owner.kind)
    owner.attributes[name] = value
    return value


def _of_class(run: Run, owner: Class, name: str) -> Value:
    found = find_in_class(run, owner, name)
    if isinstance(found, Function) and "classmethod" in decorators(found):
        return Function(found.name, found.node, found.slice, found.scope, found.owner, owner)
    return found if found is not None else Unknown(("class", owner.name, name), name, Kind.CONFIG)


MODULE_METHODS = frozenset({
    "register_buffer", "register_parameter", "add_module", "register_module", "apply", "parameters", "named_parameters",
    "modules", "named_modules", "children", "to", "eval", "train", "_init_weights", "post_init", "requires_grad_",
    "state_dict", "load_state_dict", "register_forward_pre_hook", "register_load_state_dict_pre_hook",
    "_register_load_state_dict_pre_hook", "half", "float", "cuda", "cpu", "get_submodule",
})  # fmt: skip


def _bind(run: Run, function: Function, owner: Value, node: cst.CSTNode) -> Value:
    from shapecheck.static.calls import call

    names = decorators(function)
    if names & {"property", "cached_property"}:
        bound = Function(function.name, function.node, function.slice, function.scope, function.owner, owner)
        return call(run, bound, [], {}, node)
    if "staticmethod" in names:
        return function
    receiver = function.owner if "classmethod" in names else owner
    return Function(function.name, function.node, function.slice, function.scope, function.owner, receiver)


def _of_super(run: Run, of: Class, bound: Any, name: str, node: cst.CSTNode) -> Value:
    start = bound.of if isinstance(bound, Instance) else of
    order = lineage(run, start)
    after = order[order.index(of) + 1 :] if of in order else lineage(run, of)[1:]
    for base in after:
        found = own(run, base, name)
        if isinstance(found, Function):
            return _bind(run, found, bound, node)
        if found is not None:
            return found
    return Method(Super(of, bound), name)


# -- layers --------------------------------------------------------------------------------------------------------------
def _of_layer(run: Run, owner: Layer, name: str, node: cst.CSTNode) -> Value:
    given = owner.arguments.get(name)
    if name in WINDOW and (of_window := window(owner, name)) is not None:
        return of_window
    if given is not None and not (name == "bias" and given != NONE and not isinstance(given, Tensor)):
        return given  # type: ignore[no-any-return]
    if owner.table is not None and name in owner.table.items:
        return owner.table.items[name]
    if name in ("weight", "bias"):
        if has_none(owner, name):
            return NONE
        sizes_of = weight(run, owner, name)
        if sizes_of is not None:
            shape = Shape(tuple(run.axis(size, Origin.PARAMETER) for size in sizes_of))
            return run.emit("parameter", node, (), shape, origin=Origin.PARAMETER)
    if name == "training":
        return Unknown(("training",), "training", flag=True)
    if name in ("weight", "bias", "running_mean", "running_var"):
        return Unknown(("attribute", owner.key, name), name, Kind.CONFIG)
    return Method(owner, name)
