"""Layers over features, taken at one width and given at another: Linear, norms, Embedding, LSTM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shapecheck.shapes.details import Applied
from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.reshape import length_for_heads
from shapecheck.shapes.shape import Axis, Origin, Row, Shape, is_heads
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost
from shapecheck.static.ops.layers import SIGNATURES, batch_first, layer
from shapecheck.static.ops.lengths import is_sequence
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import NONE, TRUE, Layer, Many, Seq, Unknown, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run

SIGNATURES.update({
    **dict.fromkeys(("Linear", "NonDynamicallyQuantizableLinear"), ("in_features", "out_features", "bias")),
    "LazyLinear": ("out_features", "bias"), "Conv1D": ("nf", "nx"),
    "Embedding": ("num_embeddings", "embedding_dim", "padding_idx"),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"), "RMSNorm": ("normalized_shape", "eps"),
    "GroupNorm": ("num_groups", "num_channels", "eps"), "BatchNorm1d": ("num_features",), "BatchNorm2d": ("num_features",),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")),
})  # fmt: skip


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
    weak = False
    if takes is not None:
        length = _stands_elsewhere(run, takes, got, shape) or _length_among_features(run, takes, got, shape)
        clash = length or mismatch(run, takes, got, shape)
        ratio = run.facts.ratio(takes, got.size) if clash else None
        weak = bool(clash) and not length and ratio is None
    shape = shape.put(place, given_out(run, got, gives))
    detail = Applied(
        layer_.type,
        layer_.name,
        takes,
        got,
        bool(clash),
        ratio,
        weak,
        layer_.built_in != "forward",
    )
    origin = Origin.PARAMETER if tensor.origin in (Origin.PARAMETER, Origin.CREATED) else Origin.OTHER
    return call.emit([tensor], shape, detail, op="layer", memory=in_order(run, shape), origin=origin)


def given_out(run: Run, got: Axis, gives: Dim) -> Axis:
    """The features of a layer; heads that it mixes among themselves are as many heads."""
    if is_heads(got) and len(got.factors) == 1 and run.facts.same(got.size, gives):
        (heads,) = got.factors
        return Axis((replace(run.fresh(gives, None, Origin.LAYER), part=heads.part, whole=heads.whole),))
    return run.axis(gives, Origin.LAYER)


def mismatch(run: Run, takes: Dim, got: Axis, shape: Shape) -> bool:
    """Whether a layer is never given the width that it was built for. An input's size is taken to be what it meets."""
    a, b = run.facts.simplify(takes), run.facts.simplify(got.size)
    if a == b or not a.known or not b.known:
        return False
    if _stands_elsewhere(run, a, got, shape):
        return True
    if a.value is not None and b.value is not None:
        return a.value != b.value
    if run.facts.ratio(a, b) is not None:
        return not _free(run, a, b)
    kinds = run.facts.kinds(a), run.facts.kinds(b)
    one, other = a.symbol, b.symbol
    if kinds == ({Kind.CONSTRUCTOR}, {Kind.CONSTRUCTOR}) and one is not None and other is not None:
        return not _is_chosen(run, one, got) and not run.is_one_default(one, other)
    if (Kind.CONSTRUCTOR not in kinds[0] or Kind.CONSTRUCTOR not in kinds[1]) and not _is_square(a) | _is_square(b):
        run.facts.equate(a, b)
    return False


def _is_chosen(run: Run, takes: Symbol, got: Axis) -> bool:
    """Whether whoever gives an input may choose its width and what a layer takes alike: no other input is so wide."""
    if not any(factor.origin is Origin.INPUT for factor in got.factors):
        return False
    bound = [dim for symbol, dim in run.facts.bindings.items() if symbol.kind is Kind.INPUT]
    bound += [axis.size for axes in run.facts.rows.values() for axis in axes if isinstance(axis, Axis)]
    return not any(size.symbol == takes for size in bound)


def _is_square(dim: Dim) -> bool:
    """Whether a width would be a number of heads by itself: some shape before is wrong, and nothing follows."""
    powers = dim.monomial[0] if dim.monomial is not None else ()
    return len(powers) == 1 and powers[0][1] == 2 and Dim.of(powers[0][0]).symbol is not None


def _stands_elsewhere(run: Run, takes: Dim, got: Axis, shape: Shape) -> bool:
    """Whether a tensor has the layer's width on another axis, and an input's length, bound by nothing, in its place."""
    symbol = run.facts.resolve(got.size).symbol
    if takes.value is not None or symbol is None or symbol.kind is not Kind.INPUT or not is_sequence(got):
        return False
    others = (entry for entry in shape.entries if isinstance(entry, Axis) and entry is not got)
    return any(run.facts.simplify(other.size) == takes for other in others)


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
    takes, gives = dim_of(layer_, "in_features"), dim_of(layer_, "out_features")
    return projected(call, layer_, call.tensor(0, "input", "x"), takes, gives)


@layer("Conv1D")
def conv1d_gpt2(call: Call, layer_: Layer) -> Value:
    """transformers' Conv1D: a Linear with its arguments in the other order."""
    return projected(call, layer_, call.tensor(0, "x"), dim_of(layer_, "nx"), dim_of(layer_, "nf"))


def dim_of(layer_: Layer, name: str) -> Dim | None:
    value = layer_.arguments.get(name)
    return number(value) if value is not None and value != NONE else None


_NORMS = (
    "LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "SyncBatchNorm", "LocalResponseNorm", "LlamaRMSNorm", "T5LayerNorm", "FusedRMSNorm",
)  # fmt: skip


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
                clash = mismatch(run, takes, got, shape)
                detail = Applied(
                    layer_.type, layer_.name, takes, got, clash, run.facts.ratio(takes, got.size) if clash else None
                )
    return call.emit([tensor], shape, detail, op="norm", memory=tensor.memory)


@layer("Embedding")
def embedding(call: Call, layer_: Layer) -> Value:
    """[*] → [*, embedding_dim]."""
    ids = call.tensor(0, "input")
    call.run.takes_ids(call.run.shape(ids))
    width = dim_of(layer_, "embedding_dim")
    if width is None:
        raise Lost("Embedding")
    shape = Shape((*call.run.shape(ids).entries, call.axis(width, Origin.LAYER)))
    origin = Origin.PARAMETER if ids.origin is Origin.CREATED else Origin.OTHER
    return call.emit([ids], shape, op="embedding", memory=in_order(call.run, shape), origin=origin)


@layer("LSTM", "GRU", "RNN")
def recurrent(call: Call, layer_: Layer) -> Value:
    tensor = call.tensor(0, "input")
    hidden = dim_of(layer_, "hidden_size")
    shape = call.run.back(call.run.shape(tensor), -1, dim_of(layer_, "input_size"))
    shape = call.run.ranked(shape, 3)  # as of convolutions: one sample by itself is rare
    if hidden is None or shape.at(-1) is None or "proj_size" in layer_.arguments:
        raise Lost(layer_.type)
    gives = hidden * Dim.of(2) if layer_.arguments.get("bidirectional") == TRUE else hidden
    result = shape.put(len(shape.entries) - 1, call.axis(gives, Origin.LAYER))
    detail = Applied(layer_.type, layer_.name, None, None, batch_first=batch_first(layer_))
    out = call.emit([tensor], result, detail, op="layer")
    return Seq([out, Unknown(call.run.key(call.node), "hidden", tensor=out)])
