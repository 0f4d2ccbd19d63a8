"""The table of ops: a name → a function on shapes. `torch.f(x)`, `F.f(x)` and `x.f()` are one name.

An op takes a Call and gives a value; it raises Lost where it can't tell the result's shape, and the trace then says
which op that was. Each file beside this one is a family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.shape import Axis, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.values import (
    NONE,
    Const,
    External,
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

if TYPE_CHECKING:
    import libcst as cst

    from shapecheck.static.run import Run


class Lost(Exception):
    """An op whose result has a shape that can't be told; `what` names the construct."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass
class Call:
    """One use of an op: its name, arguments, and the run that it belongs to."""

    run: Run
    node: cst.CSTNode
    name: str
    args: list[Any]
    kwargs: dict[str, Any]

    def get(self, index: int, name: str, default: Any = None) -> Any:
        """An argument by place or name."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[index] if index < len(self.args) and not isinstance(self.args[index], Many) else default

    def tensor(self, index: int, *names: str) -> Tensor:
        """An argument as a tensor. Raises Lost where it is none."""
        value = next((self.kwargs[name] for name in names if name in self.kwargs), None)
        if value is None:
            value = self.args[index] if index < len(self.args) else None
        tensor = self.run.tensor(value, self.node) if value is not None else None
        if tensor is None:
            raise Lost(self.name)
        return tensor

    def tensors(self) -> list[Tensor]:
        """Every argument that is a tensor, also inside lists."""
        return [
            tensor for value in (*self.args, *self.kwargs.values()) for tensor in tensors_in(self.run, value, self.node)
        ]

    def whole(self, index: int, name: str, default: int | None = None) -> int | None:
        """An argument that must be a known whole number; `default` where it isn't given. Raises Lost where it isn't known."""
        value = self.get(index, name)
        if value is None or value == NONE:
            return default
        dim = number(value)
        if dim is None or self.run.facts.resolve(dim).value is None:
            raise Lost(self.name)
        return self.run.facts.resolve(dim).value

    def flag(self, index: int, name: str, *, default: bool = False) -> bool:
        value = self.get(index, name)
        return bool(value.value) if isinstance(value, Const) else default

    def shape(self, tensor: Tensor, *indices: int) -> Shape:
        """A tensor's shape with the axes at `indices` laid bare. Raises Lost where that can't be done."""
        shape = self.run.shape(tensor)
        for place in indices:
            if shape.at(place) is None and shape.row is not None:
                shape = self._lay_bare(shape, place)
            if shape.at(place) is None:
                raise Lost("rank" if shape.row is not None else self.name)
        return shape

    def _lay_bare(self, shape: Shape, index: int) -> Shape:
        if index < 0:
            return self.run.back(shape, index)
        row = shape.row
        if row is not None and index < shape.entries.index(row):
            return shape
        shape = self.run.ranked(shape, None, f"{self.name} of axis {index}", least=index + 1)
        return self.run.front(shape, index) if shape.entries[-1] == row else shape  # else it may be one of those behind

    def emit(self, operands: list[Tensor], shape: Shape | None, detail: Any = None, **more: Any) -> Tensor:
        op = more.pop("op", self.name)
        return self.run.emit(op, self.node, operands, shape, detail, **more)

    def axis(self, size: Dim, origin: Origin = Origin.OTHER) -> Axis:
        return self.run.axis(size, origin)


Op = Callable[[Call], Value]
TABLE: dict[str, Op] = {}
TENSOR_METHODS: set[str] = set()


def op(*names: str) -> Callable[[Op], Op]:
    """Enter a function into the table under these names."""

    def enter(function: Op) -> Op:
        for name in names:
            TABLE[name] = function
            TENSOR_METHODS.update((name, f"{name}_"))
        return function

    return enter


def apply(run: Run, name: str, node: cst.CSTNode, args: list[Any], kwargs: dict[str, Any]) -> Value:
    """The result of an op."""
    call = Call(run, node, name, args, kwargs)
    plain = name if name in TABLE else name.rstrip("_")
    function = TABLE.get(plain)
    if function is not None:
        call.name = plain
        try:
            return function(call)
        except Lost as lost:
            return unknown_tensor(run, node, name, call.tensors(), lost.what)
    return unknown_tensor(run, node, name, call.tensors(), name)


def unknown_tensor(run: Run, node: cst.CSTNode, name: str, tensors: list[Tensor], what: str) -> Value:
    """A result of which only its operands are known."""
    key = run.key(node)
    lost = run.emit(name, node, tensors, Shape((Row(("row", key), name),)), lost_by=what)
    return Unknown(key, name, tensor=lost)


_PREFIXES = (
    "torch.nn.functional.",
    "torch.linalg.",
    "torch.special.",
    "torch.ops.aten.",
    "einops.",
    "torch.Tensor.",
    "torch.",
)
_PLAIN = frozenset(
    {"scaled_dot_product_attention", "flash_attn_func", "flash_attn_varlen_func", "memory_efficient_attention"}
)


# Tables of functions that others keep, and an op that does to a shape what whichever is taken does.
_TABLES = {"ACT2FN": "gelu"}


def function_named(path: str) -> str | None:
    """The table's name of a function from outside: `torch.nn.functional.softmax` → softmax; None where it has none."""
    last = path.rsplit(".", 1)[-1]
    if last in _PLAIN:
        return last
    if last in _TABLES:
        return _TABLES[last]
    for prefix in _PREFIXES:
        if path.startswith(prefix):
            name = path[len(prefix) :]
            return name if name in TABLE or name.rstrip("_") in TABLE else None
    return None


def layer_named(path: str) -> str | None:
    """The layer that a class from outside is: `torch.nn.Linear` → Linear; None for anything else."""
    from shapecheck.static.ops.layers import KNOWN, MODULES

    last = path.rsplit(".", 1)[-1]
    if path.startswith(("torch.nn.", "einops.layers.torch.")) and "functional" not in path and last[:1].isupper():
        return last
    return last if last in MODULES or (last in KNOWN and not path.startswith("builtins.")) else None


def apply_layer(run: Run, layer: Layer, args: list[Any], kwargs: dict[str, Any], node: cst.CSTNode) -> Value:
    """`layer(*args, **kwargs)`."""
    from shapecheck.static.ops.layers import LAYERS

    call = Call(run, node, layer.type, args, kwargs)
    function = LAYERS.get(layer.type)
    if function is None:
        return unknown_tensor(run, node, layer.type, call.tensors(), layer.type)
    try:
        return function(call, layer)
    except Lost as lost:
        return unknown_tensor(run, node, layer.type, call.tensors(), lost.what)


def tensors_in(run: Run, value: Any, node: cst.CSTNode) -> list[Tensor]:
    """The tensors in a value, those inside lists and tables too."""
    match value:
        case Tensor():
            return [value]
        case Unknown(tensor=Tensor()):
            found = run.tensor(value, node)
            return [found] if found is not None else []
        case Seq(items=items):
            return [tensor for item in items for tensor in tensors_in(run, item, node)]
        case Many(element=element):
            return tensors_in(run, element, node)
        case Table(items=entries):
            return [tensor for item in entries.values() for tensor in tensors_in(run, item, node)]
    return []


from shapecheck.static.ops import (  # noqa: E402
    attention,
    convolution,
    create,
    cut,
    einops,
    einsum,
    elementwise,
    expand,
    features,
    index,
    join,
    layers,
    making,
    matmul,
    permute,
    reading,
    reduce,
    reshape,
    resize,
    transformer,
)  # fmt: skip

__all__ = [
    "TABLE", "TENSOR_METHODS", "Call", "Dim", "External", "Factor", "Kind", "Lost", "Num", "Real", "Table", "apply",
    "apply_layer", "attention", "convolution", "create", "cut", "einops", "einsum", "elementwise", "expand", "features", "function_named", "index", "join", "layer_named",
    "layers", "making", "matmul", "op", "permute", "reading", "reduce", "reshape", "resize", "transformer",
]  # fmt: skip
