"""The table of layers, and those that keep a shape or run others. https://docs.pytorch.org/docs/stable/nn.html"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Axis, Row
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost
from shapecheck.static.ops.einops import rearrange_layer
from shapecheck.static.ops.reduce import softened
from shapecheck.static.ops.reshape import flatten, unflatten
from shapecheck.static.values import FALSE, NONE, Const, Layer, Many, Seq, Table, Value, number

if TYPE_CHECKING:
    import libcst as cst

    from shapecheck.static.run import Run

LayerOp = Callable[[Call, Layer], Value]
SIGNATURES: dict[str, tuple[str, ...]] = {
    "Softmax": ("dim",), "LogSoftmax": ("dim",), "Softmax2d": (), "Dropout": ("p",), "Flatten": ("start_dim", "end_dim"),
    "Unflatten": ("dim", "unflattened_size"),
    "Rearrange": ("pattern",),
}  # fmt: skip
LAYERS: dict[str, LayerOp] = {}


def layer(*names: str) -> Callable[[LayerOp], LayerOp]:
    """Enter a function into the table of layers."""

    def enter(function: LayerOp) -> LayerOp:
        for name in names:
            LAYERS[name] = function
        return function

    return enter


def made(run: Run, built: Layer, args: list[Any], node: cst.CSTNode) -> Value:
    """What a layer holds once it is built: the children of a container."""
    match built.type:
        case "Sequential":
            if len(args) == 1 and isinstance(args[0], Table):
                built.children = Seq(list(args[0].items.values()), is_list=True, unsure=args[0].open)
            else:
                built.children = Seq(list(args), is_list=True)
        case "ModuleList" | "ParameterList":
            given = args[0] if args else built.arguments.get("modules")
            built.children = (
                Seq(list(given.items), True, given.unsure) if isinstance(given, Seq) else Seq([], True, bool(given))
            )
        case "ModuleDict" | "ParameterDict":
            given = args[0] if args else None
            built.table = (
                Table(dict(given.items), given.open) if isinstance(given, Table) else Table({}, open=given is not None)
            )
        case "MultiheadAttention":  # it asserts that its heads divide its width
            width, heads = (number(built.arguments.get(name, NONE)) for name in ("embed_dim", "num_heads"))
            if width is not None and heads is not None:
                run.facts.divisible.add((run.facts.resolve(width), run.facts.resolve(heads)))
        case "Parameter" | "Buffer" | "UninitializedParameter":
            from shapecheck.static.ops import apply

            name = "nn.Buffer" if built.type == "Buffer" else "Parameter"
            learns = built.arguments.get("requires_grad")
            given = {} if learns is None else {"requires_grad": learns}
            return apply(run, name, node, args or [built.arguments.get("data", NONE)], given)
    return built


_SAME = (
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Identity", "ReLU", "ReLU6", "GELU",
    "SiLU", "Sigmoid", "Tanh", "ELU", "SELU", "CELU", "LeakyReLU", "PReLU", "Hardswish", "Hardsigmoid", "Hardtanh", "Softplus",
    "Mish", "LogSigmoid", "Softsign", "Threshold", "DropPath", "StochasticDepth", "QuickGELU",
)  # fmt: skip


@layer(*_SAME)
def same(call: Call, layer_: Layer) -> Value:
    value = call.args[0] if call.args else call.kwargs.get("input", NONE)
    tensor = call.run.tensor(value, call.node)
    if layer_.type == "Identity" or tensor is None:
        return value if tensor is None or layer_.type == "Identity" else tensor
    name = "dropout" if "Drop" in layer_.type or layer_.type == "StochasticDepth" else layer_.type.lower()
    return call.emit([tensor], tensor.shape, op=name, memory=tensor.memory, origin=tensor.origin)


@layer("Softmax", "LogSoftmax")
def softmax(call: Call, layer_: Layer) -> Value:
    index = number(layer_.arguments.get("dim", NONE))
    return softened(call, call.tensor(0, "input"), None if index is None else index.value)


@layer("Sequential")
def sequential(call: Call, layer_: Layer) -> Value:
    from shapecheck.static.calls import call as call_value

    if (
        layer_.children is None
        or layer_.children.unsure
        or any(isinstance(item, Row) for item in layer_.children.items)
    ):
        raise Lost("Sequential")
    value: Value = call.args[0] if call.args else call.kwargs.get("input", NONE)
    value = call.run.tensor(value, call.node) or value
    if not layer_.children.items:
        raise Lost("Sequential()")
    for child in layer_.children.items:
        before = value
        value = call_value(call.run, child.element if isinstance(child, Many) else child, [value], {}, call.node)
        if isinstance(child, Many) and changed(call.run, before, value):
            raise Lost("Sequential of unknown length")
    return value


def batch_first(layer_: Layer) -> bool | None:
    """What a layer was told of its layout; None where that isn't known."""
    match layer_.arguments.get("batch_first", FALSE):
        case Const(bool(first)):
            return first
    return None


def changed(run: Run, before: Value, after: Value) -> bool:
    """Whether what a loop runs through comes out in another shape: then it isn't known after the loop."""
    if not isinstance(after, Tensor):
        return False
    if not isinstance(before, Tensor):
        return True
    a, b = run.shape(before), run.shape(after)
    if len(a.entries) != len(b.entries):
        return True
    return any(
        isinstance(x, Axis) != isinstance(y, Axis)
        or (isinstance(x, Axis) and isinstance(y, Axis) and not run.facts.same(x.size, y.size))
        for x, y in zip(a.entries, b.entries, strict=True)
    )


@layer("Flatten")
def flatten_layer(call: Call, layer_: Layer) -> Value:
    from shapecheck.static.values import Num

    start = layer_.arguments.get("start_dim", Num(Dim.of(1)))
    return flatten(
        Call(
            call.run, call.node, "flatten", [call.args[0], start, layer_.arguments.get("end_dim", Num(Dim.of(-1)))], {}
        )
    )


@layer("Unflatten")
def unflatten_layer(call: Call, layer_: Layer) -> Value:
    args = [call.args[0], layer_.arguments.get("dim", NONE), layer_.arguments.get("unflattened_size", NONE)]
    return unflatten(Call(call.run, call.node, "unflatten", args, {}))


LAYERS["Rearrange"] = rearrange_layer


MODULES = frozenset({"Conv1D", "Linear4bit", "Linear8bitLt"})
KNOWN = frozenset({"DropPath", "Identity", "LlamaRMSNorm", "T5LayerNorm"})
