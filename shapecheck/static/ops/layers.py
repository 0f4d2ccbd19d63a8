"""Layers of torch.nn: what each does to a shape. https://docs.pytorch.org/docs/stable/nn.html"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.dim import ONE, Dim, Kind, Symbol
from shapecheck.shapes.reshape import length_for_heads
from shapecheck.shapes.shape import Axis, Origin, Row, Shape, is_heads
from shapecheck.shapes.trace import Applied, Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.einops import rearrange_layer
from shapecheck.static.ops.elementwise import in_order
from shapecheck.static.ops.reduce import softened
from shapecheck.static.ops.reshape import flatten, unflatten
from shapecheck.static.values import FALSE, NONE, TRUE, Const, Layer, Many, Seq, Table, Unknown, Value, number

if TYPE_CHECKING:
    import libcst as cst

    from shapecheck.static.run import Run

LayerOp = Callable[[Call, Layer], Value]
_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias")
_POOL = ("kernel_size", "stride", "padding")
SIGNATURES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Linear", "NonDynamicallyQuantizableLinear"), ("in_features", "out_features", "bias")),
    "LazyLinear": ("out_features", "bias"),
    "Embedding": ("num_embeddings", "embedding_dim", "padding_idx"),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"), "RMSNorm": ("normalized_shape", "eps"),
    "GroupNorm": ("num_groups", "num_channels", "eps"), "BatchNorm1d": ("num_features",), "BatchNorm2d": ("num_features",),
    **{f"Conv{n}d": _CONV for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups")
       for n in (1, 2, 3)},
    **{f"Adaptive{kind}Pool{n}d": ("output_size",) for n in (1, 2, 3) for kind in ("Avg", "Max")},
    **{f"AvgPool{n}d": (*_POOL, "ceil_mode") for n in (1, 2, 3)},
    **{f"MaxPool{n}d": (*_POOL, "dilation", "return_indices", "ceil_mode") for n in (1, 2, 3)},
    "Softmax": ("dim",), "LogSoftmax": ("dim",), "Softmax2d": (), "Dropout": ("p",), "Flatten": ("start_dim", "end_dim"),
    "Unflatten": ("dim", "unflattened_size"),
    "MultiheadAttention": ("embed_dim", "num_heads", "dropout", "bias", "add_bias_kv", "add_zero_attn", "kdim", "vdim",
                           "batch_first"),
    "Rearrange": ("pattern",), "Conv1D": ("nf", "nx"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")),
    "Upsample": ("size", "scale_factor"), "PixelShuffle": ("upscale_factor",), "PixelUnshuffle": ("downscale_factor",),
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

            return apply(run, "Parameter", node, args or [built.arguments.get("data", NONE)], {})
    return built


def projected(
    call: Call, layer_: Layer, tensor: Tensor, takes: Dim | None, gives: Dim | None, index: int = -1
) -> Tensor:
    """The axis at `index` taken in at one width and given out at another."""
    run = call.run
    shape = run.back(run.shape(tensor), index, takes) if index < 0 else call.shape(tensor, index)
    got, place = shape.at(index), shape.position(index)
    if got is None or place is None or gives is None:
        raise Lost(layer_.type)
    clash = ratio = None
    if takes is not None:
        clash = mismatch(run, takes, got) or _length_among_features(run, takes, got, shape)
        ratio = run.facts.ratio(takes, got.size) if clash else None
    shape = shape.put(place, run.axis(gives, Origin.LAYER))
    detail = Applied(
        layer_.type,
        layer_.name,
        takes,
        got,
        bool(clash),
        ratio,
        bool(clash) and ratio is None,
        layer_.built_in != "forward",
    )
    origin = Origin.PARAMETER if tensor.origin in (Origin.PARAMETER, Origin.CREATED) else Origin.OTHER
    return call.emit([tensor], shape, detail, op="layer", memory=in_order(run, shape), origin=origin)


def mismatch(run: Run, takes: Dim, got: Axis) -> bool:
    """Whether a layer is never given the width that it was built for. An input's size is taken to be what it meets."""
    a, b = run.facts.simplify(takes), run.facts.simplify(got.size)
    if a == b or not a.known or not b.known:
        return False
    if a.value is not None and b.value is not None:
        return a.value != b.value
    if run.facts.ratio(a, b) is not None:
        return not _free(run, a, b)
    kinds = run.facts.kinds(a), run.facts.kinds(b)
    one, other = a.symbol, b.symbol
    if kinds == ({Kind.CONSTRUCTOR}, {Kind.CONSTRUCTOR}) and one is not None and other is not None:
        return not run.is_one_default(one, other)
    if Kind.CONSTRUCTOR not in kinds[0] or Kind.CONSTRUCTOR not in kinds[1]:
        run.facts.equate(a, b)
    return False


def _length_among_features(run: Run, takes: Dim, got: Axis, shape: Shape) -> bool:
    """Whether features hold a length where the layer's width has the heads, which are an axis of their own."""
    others = [entry for entry in shape.entries if isinstance(entry, Axis) and entry is not got and is_heads(entry)]
    if not others or len(got.factors) < 2:
        return False
    parts = [*(Axis((factor,)) for factor in got.factors)]
    return length_for_heads([others[0], *parts], others[0].size * takes, run.facts) is not None


def _free(run: Run, a: Dim, b: Dim) -> bool:
    """Whether one side is an input's own size, which is then taken to be what the layer wants."""
    for one, other in ((a, b), (b, a)):
        symbol = one.symbol
        if symbol is not None and symbol.kind in (Kind.INPUT, Kind.UNKNOWN, Kind.OPAQUE):
            return run.facts.bind(symbol, other)
    return False


def _given(symbol: Symbol) -> bool:
    """Whether a constructor's parameter must be chosen by the caller."""
    return symbol.kind is Kind.CONSTRUCTOR


@layer(
    "Linear",
    "LazyLinear",
    "Linear4bit",
    "Linear8bitLt",
    "NonDynamicallyQuantizableLinear",
    "ColumnParallelLinear",
    "RowParallelLinear",
)
def linear(call: Call, layer_: Layer) -> Value:
    """[*, in_features] → [*, out_features]."""
    takes, gives = _dim(layer_, "in_features"), _dim(layer_, "out_features")
    return projected(call, layer_, call.tensor(0, "input", "x"), takes, gives)


@layer("Conv1D")
def conv1d_gpt2(call: Call, layer_: Layer) -> Value:
    """transformers' Conv1D: a Linear with its arguments in the other order."""
    return projected(call, layer_, call.tensor(0, "x"), _dim(layer_, "nx"), _dim(layer_, "nf"))


def _dim(layer_: Layer, name: str) -> Dim | None:
    value = layer_.arguments.get(name)
    return number(value) if value is not None and value != NONE else None


_SAME = (
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Identity", "ReLU", "ReLU6", "GELU",
    "SiLU", "Sigmoid", "Tanh", "ELU", "SELU", "CELU", "LeakyReLU", "PReLU", "Hardswish", "Hardsigmoid", "Hardtanh", "Softplus",
    "Mish", "LogSigmoid", "Softsign", "Threshold", "DropPath", "StochasticDepth", "QuickGELU",
)  # fmt: skip
_NORMS = (
    "LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "SyncBatchNorm", "LocalResponseNorm", "LlamaRMSNorm", "T5LayerNorm", "FusedRMSNorm",
)  # fmt: skip


@layer(*_SAME)
def same(call: Call, layer_: Layer) -> Value:
    value = call.args[0] if call.args else call.kwargs.get("input", NONE)
    tensor = call.run.tensor(value, call.node)
    if layer_.type == "Identity" or tensor is None:
        return value if tensor is None or layer_.type == "Identity" else tensor
    name = "dropout" if "Drop" in layer_.type or layer_.type == "StochasticDepth" else layer_.type.lower()
    return call.emit([tensor], tensor.shape, op=name, memory=tensor.memory, origin=tensor.origin)


@layer(*_NORMS)
def norm(call: Call, layer_: Layer) -> Value:
    tensor = call.tensor(0, "input", "x", "hidden_states")
    run = call.run
    shape = run.shape(tensor)
    detail = None
    width = layer_.arguments.get("normalized_shape")
    if layer_.type in ("LayerNorm", "RMSNorm") and width is not None:
        takes = number(width) if not isinstance(width, Seq) else None
        if isinstance(width, Seq) and len(width.items) == 1 and not isinstance(width.items[0], Many | Row):
            takes = number(width.items[0])
        if takes is not None:
            shape = run.back(shape, -1, takes)
            got = shape.at(-1)
            if got is not None:
                clash = mismatch(run, takes, got)
                detail = Applied(
                    layer_.type, layer_.name, takes, got, clash, run.facts.ratio(takes, got.size) if clash else None
                )
    return call.emit([tensor], shape, detail, op="norm", memory=tensor.memory)


@layer("Embedding")
def embedding(call: Call, layer_: Layer) -> Value:
    """[*] → [*, embedding_dim]."""
    ids = call.tensor(0, "input")
    call.run.takes_ids(call.run.shape(ids))
    width = _dim(layer_, "embedding_dim")
    if width is None:
        raise Lost("Embedding")
    shape = Shape((*call.run.shape(ids).entries, call.axis(width, Origin.LAYER)))
    origin = Origin.PARAMETER if ids.origin is Origin.CREATED else Origin.OTHER
    return call.emit([ids], shape, op="embedding", memory=in_order(call.run, shape), origin=origin)


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


@layer("MultiheadAttention")
def multihead(call: Call, layer_: Layer) -> Value:
    """nn.MultiheadAttention: (seq, batch, embed) unless batch_first."""
    query, key = call.tensor(0, "query"), call.tensor(1, "key")
    value = call.tensor(2, "value")
    takes = _dim(layer_, "embed_dim")
    run = call.run
    shape = run.back(run.shape(query), -1, takes)
    got = shape.at(-1)
    clash = got is not None and takes is not None and mismatch(run, takes, got)
    source = run.shape(key)
    weights = Shape((Row(run.key(call.node), "weights"),))
    if shape.rank == 3 and source.rank == 3:
        first, length = (0, 1) if layer_.arguments.get("batch_first") == TRUE else (1, 0)
        weights = Shape((shape.entries[first], shape.entries[length], source.entries[length]))
    elif shape.rank == 2 and source.rank == 2:
        weights = Shape((shape.entries[0], source.entries[0]))
    if call.get(6, "average_attn_weights", TRUE) != TRUE and weights.rank is not None:  # one for each head
        heads = _dim(layer_, "num_heads")
        weights = weights.insert(
            len(weights.entries) - 2, call.axis(heads if heads is not None else run.unknown_size())
        )
    if takes is not None and shape.position(-1) is not None:
        shape = shape.put(len(shape.entries) - 1, call.axis(takes, Origin.LAYER))
    detail = Applied("MultiheadAttention", layer_.name, takes, got, clash, None)
    step = run.step("mha", call.node, [query, key, value], [shape, weights], detail)
    need = call.get(4, "need_weights")
    return Seq([step.results[0], NONE if need == Const(False) else step.results[1]])


# -- convolutions and pools ----------------------------------------------------------------------------------------------
def _per_axis(value: Any, index: int) -> Dim | None:
    if isinstance(value, Seq):
        value = value.items[index] if index < len(value.items) and value.plain else None
    return number(value) if value is not None and value != NONE and not isinstance(value, Const) else None


def strided(
    run: Run, size: Dim, kernel: Dim | None, stride: Dim | None, padding: Dim | None, dilation: Dim | None = ONE
) -> Dim:
    """floor((size + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1, as torch's page on Conv2d has it."""
    if kernel is None or stride is None or padding is None or dilation is None or not stride.terms:
        return Dim.of(Symbol("?", Kind.UNKNOWN, ("strided", str(size), str(kernel), str(stride), str(padding))))
    if kernel == stride and not padding.terms and dilation.is_one:
        return run.facts.divide(size, kernel) or size // kernel
    span = size + Dim.of(2) * padding - dilation * (kernel - ONE) - ONE
    return span + ONE if stride.is_one else span // stride + ONE


def _spatial(call: Call, layer_: Layer, shape: Shape, rank: int) -> Shape:
    stride = layer_.arguments.get("stride")
    if stride is None or stride == NONE:
        stride = layer_.arguments.get("kernel_size") if "Pool" in layer_.type else None
    for index in range(rank):
        place = len(shape.entries) - rank + index
        entry = shape.entries[place]
        if not isinstance(entry, Axis):
            raise Lost("rank")
        if layer_.arguments.get("padding") == Const("same"):
            continue
        kernel = _per_axis(layer_.arguments.get("kernel_size"), index)
        step = _per_axis(stride, index) if stride is not None else ONE
        padding = layer_.arguments.get("padding", Const("valid"))
        around = Dim.of(0) if padding == Const("valid") else _per_axis(padding, index)
        spread = _per_axis(layer_.arguments["dilation"], index) if "dilation" in layer_.arguments else ONE
        if layer_.arguments.get("ceil_mode", FALSE) != FALSE:
            kernel = None  # rounded up, with windows that start outside left out: no formula
        size = strided(call.run, call.run.facts.resolve(entry.size), kernel, step, around, spread)
        if size != entry.size:
            fresh = call.run.fresh(size, None, Origin.INPUT)
            shape = shape.put(place, Axis((fresh,)))
    return shape


@layer("Conv1d", "Conv2d", "Conv3d")
def conv(call: Call, layer_: Layer) -> Value:
    """[b, in_channels, *] → [b, out_channels, *]."""
    rank = int(layer_.type[4])
    tensor = call.tensor(0, "input")
    run = call.run
    shape = run.ranked(run.shape(tensor), rank + 2)
    if shape.rank not in (rank + 1, rank + 2):
        raise Lost(layer_.type)
    takes, gives = _dim(layer_, "in_channels"), _dim(layer_, "out_channels")
    place = len(shape.entries) - rank - 1
    got = shape.entries[place]
    if gives is None or not isinstance(got, Axis):
        raise Lost(layer_.type)
    clash = takes is not None and mismatch(run, takes, got)
    ratio = run.facts.ratio(takes, got.size) if clash and takes is not None else None
    shape = _spatial(call, layer_, shape.put(place, call.axis(gives, Origin.LAYER)), rank)
    detail = Applied(layer_.type, layer_.name, takes, got, clash, ratio)
    return call.emit([tensor], shape, detail, op="layer", memory=in_order(run, shape))


@layer("AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d")
def pool(call: Call, layer_: Layer) -> Value:
    rank = int(layer_.type[-2])
    tensor = call.tensor(0, "input")
    shape = call.shape(tensor, -rank)
    if layer_.arguments.get("return_indices", FALSE) != FALSE:
        raise Lost(layer_.type)
    return call.emit([tensor], _spatial(call, layer_, shape, rank), op="pool")


@op("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d")
def pool_function(call: Call) -> Value:
    names = (
        "input",
        *_POOL,
        *(("ceil_mode",) if call.name.startswith("avg") else ("dilation", "ceil_mode", "return_indices")),
    )
    arguments = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    kind = ("Avg" if call.name.startswith("avg") else "Max") + "Pool" + call.name[-2:]
    return pool(call, Layer(kind, arguments, call.run.key(call.node), call.run.place(call.node)))


@op("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d")
def adaptive_function(call: Call) -> Value:
    kind = "Adaptive" + ("Avg" if "avg" in call.name else "Max") + "Pool" + call.name[-2:]
    size = call.get(1, "output_size", NONE)
    return adaptive(call, Layer(kind, {"output_size": size}, call.run.key(call.node), call.run.place(call.node)))


@layer("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d")
def adaptive(call: Call, layer_: Layer) -> Value:
    rank = int(layer_.type[-2])
    tensor = call.tensor(0, "input")
    shape = call.shape(tensor, -rank)
    given = next(iter(layer_.arguments.values()), None)
    for index in range(rank):
        size = _per_axis(given, index)
        if size is None:
            raise Lost(layer_.type)
        shape = shape.put(len(shape.entries) - rank + index, call.axis(size))
    return call.emit([tensor], shape, op="pool")


@layer("LSTM", "GRU", "RNN")
def recurrent(call: Call, layer_: Layer) -> Value:
    tensor = call.tensor(0, "input")
    hidden = _dim(layer_, "hidden_size")
    shape = call.run.back(call.run.shape(tensor), -1, _dim(layer_, "input_size"))
    if hidden is None or shape.at(-1) is None or "proj_size" in layer_.arguments:
        raise Lost(layer_.type)
    gives = hidden * Dim.of(2) if layer_.arguments.get("bidirectional") == TRUE else hidden
    result = shape.put(len(shape.entries) - 1, call.axis(gives, Origin.LAYER))
    out = call.emit([tensor], result, op="layer")
    return Seq([out, Unknown(call.run.key(call.node), "hidden", tensor=out)])


MODULES = frozenset({"Conv1D", "Linear4bit", "Linear8bitLt"})
KNOWN = frozenset({"DropPath", "LlamaRMSNorm", "T5LayerNorm"})
