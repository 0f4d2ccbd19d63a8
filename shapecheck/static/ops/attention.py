"""Attention as one op: scaled_dot_product_attention and its kin, nn.MultiheadAttention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from shapecheck.shapes.details import Applied, Sdpa
from shapecheck.shapes.dim import Kind
from shapecheck.shapes.shape import Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.classes import find_in_class, is_module
from shapecheck.static.ops import Call, Lost, making, op
from shapecheck.static.ops.broadcast import broadcast
from shapecheck.static.ops.features import dim_of, mismatch
from shapecheck.static.ops.join import align
from shapecheck.static.ops.layers import SIGNATURES, batch_first, layer
from shapecheck.static.ops.matmul import agree, differ, share_batch
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import NONE, TRUE, Const, Layer, Real, Seq, Unknown, Value, real

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place
    from shapecheck.static.run import Run

SIGNATURES["MultiheadAttention"] = (
    "embed_dim", "num_heads", "dropout", "bias", "add_bias_kv", "add_zero_attn", "kdim", "vdim", "batch_first",
)  # fmt: skip


@op("scaled_dot_product_attention")
def sdpa(call: Call) -> Value:
    """[…, l, e], […, s, e], […, s, v] → […, l, v].

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
    """
    return kernel(call, "b h t d")


@op("flash_attn_func", "memory_efficient_attention")
def flash(call: Call) -> Value:
    """[b, l, h, e], [b, s, h, e], [b, s, h, v] → [b, l, h, v]."""
    return kernel(call, "b t h d")


def kernel(call: Call, layout: str) -> Value:
    query, key, value = call.tensor(0, "query", "q"), call.tensor(1, "key", "k"), call.tensor(2, "value", "v")
    run = call.run
    passed = call.kwargs.get("scale", call.kwargs.get("softmax_scale"))
    grouped = call.flag(9, "enable_gqa") and call.name == "scaled_dot_product_attention"
    mask = call.get(3, "attn_mask") if layout == "b h t d" else None
    detail = Sdpa(
        layout, None if passed is None or passed == NONE else real(passed), dropped(call), grouped, given(call, mask),
        making.written(call, 3, "attn_mask"),
        surely_true(call, call.get(5 if layout == "b h t d" else 6, "is_causal", call.kwargs.get("causal"))),
        surely_given(call, mask),
    )  # fmt: skip
    align(run, [run.shape(tensor) for tensor in (query, key, value)])
    shapes = [run.back(run.shape(tensor), -2) for tensor in (query, key, value)]
    if any(shape.at(-1) is None or shape.at(-2) is None for shape in shapes):
        raise Lost("rank")
    q, k, v = shapes
    share_batch(run, q, k)
    width, other = q.at(-1), k.at(-1)
    assert width is not None and other is not None
    if not differ(run, width, other, activations=True):
        agree(run, width, other)
    if layout == "b t h d":
        result = Shape((*q.entries[:-1], v.entries[-1]))
        return call.emit([query, key, value], result, detail, op="sdpa")
    batch, _ = broadcast(run, Shape(q.entries[:-2]), Shape(v.entries[:-2]))
    front = batch.entries if batch is not None and not grouped else q.entries[:-2]
    length, last = q.at(-2), v.at(-1)
    assert length is not None and last is not None
    result = Shape((*front, length, last))
    return call.emit([query, key, value], result, detail, op="sdpa", memory=in_order(run, result))


def given(call: Call, value: Value | None) -> Tensor | None:
    """A mask that is known to be a tensor; an argument that nobody looked at may be anything."""
    match value:
        case Tensor():
            return value
        case Unknown() if value.tensor is not None or value.key in call.run.inputs:
            return call.run.tensor(value, call.node)
    return None


def surely_true(call: Call, value: Value | None) -> bool:
    """Whether a flag is True on this path: written down, or decided by an `if` before."""
    if isinstance(value, Unknown):
        return value.flag and call.run.decisions.get(("truth", value.key)) is True
    return value == TRUE


def surely_given(call: Call, value: Value | None) -> bool:
    if isinstance(value, Unknown) and value.optional:
        return call.run.decisions.get(("none", value.key)) is False
    return isinstance(value, Tensor)


_RATES = {
    "scaled_dot_product_attention": (4, "dropout_p"),
    "flash_attn_func": (3, "dropout_p"),
    "memory_efficient_attention": (4, "p"),
}


def dropped(call: Call) -> str | None:
    """The share that a module's call drops outside of training, which is how all paths go; None for 0 and the unknown.

    A number is itself, what was given to the constructor or stands in a config is told by its name. A module with a
    `train` or `eval` of its own may change what it holds.
    """
    value = call.get(*_RATES[call.name])
    match value:
        case Real(scale) if scale.known and not scale.learnt and not scale.powers and scale.coefficient:
            rate = f"{scale.coefficient:g}"
        case Unknown(tensor=None, flag=False, name=rate) if _is_chosen(value):
            pass
        case _:
            return None
    classes = [instance.of for instance, *_ in call.run.constructions]
    if any(find_in_class(call.run, of, name) is not None for of in classes for name in ("train", "eval")):
        return None
    return rate if any(is_module(call.run, of) for of in classes) else None


def _is_chosen(value: Unknown) -> bool:
    """Whether a value is a constructor's argument, or a field of one."""
    key = value.key
    while isinstance(key, tuple) and key[0] in ("attribute", "class"):
        key = key[1]
    return value.kind in (Kind.CONSTRUCTOR, Kind.CONFIG) and isinstance(key, tuple) and key[0] in ("param", "open")


@op("multi_head_attention_forward")
def functional_attention(call: Call) -> Value:
    query, key = call.tensor(0, "query"), call.tensor(1, "key")
    shape, weights = _batched(call.run, call.run.shape(query)), _batched(call.run, call.run.shape(key))
    length, source = shape.at(0), weights.at(0)
    batch = shape.at(1)
    if length is None or source is None or batch is None:
        return Seq([call.emit([query], shape, op="mha"), NONE])
    step = call.run.step("mha", call.node, [query, key], [shape, Shape((batch, length, source))])
    return Seq(list(step.results))


def _batched(run: Run, shape: Shape) -> Shape:
    """What attention is given: two axes or three, and where nothing says which, a batch of sequences."""
    if shape.row is None or len(shape.entries) - 1 > 3:
        return shape
    run.unsettled = True
    return run.supposed(shape, 3, "attention over a batch") if run.assume else shape


_MASKS = (("key_padding_mask", 3), ("attn_mask", 5))


def masks_given(call: Call, names: Iterable[tuple[str, int]]) -> Iterator[tuple[Tensor, Place | None]]:
    """The masks among a layer's arguments, and where they are written."""
    for name, place in names:
        mask = given(call, call.get(place, name))
        if mask is not None:
            yield mask, making.written(call, place, name)


@layer("MultiheadAttention")
def multihead(call: Call, layer_: Layer) -> Value:
    """nn.MultiheadAttention: (seq, batch, embed) unless batch_first."""
    query, key = call.tensor(0, "query"), call.tensor(1, "key")
    value = call.tensor(2, "value")
    takes = dim_of(layer_, "embed_dim")
    run = call.run
    shape = _batched(run, run.back(run.shape(query), -1, takes))
    got = shape.at(-1)
    clash = got is not None and takes is not None and mismatch(run, takes, got, shape)
    source = _batched(run, run.shape(key))
    weights = Shape((Row(run.key(call.node), "weights"),))
    if shape.rank == 3 and source.rank == 3:
        first, length = (0, 1) if layer_.arguments.get("batch_first") == TRUE else (1, 0)
        weights = Shape((shape.entries[first], shape.entries[length], source.entries[length]))
    elif shape.rank == 2 and source.rank == 2:
        weights = Shape((shape.entries[0], source.entries[0]))
    if call.get(6, "average_attn_weights", TRUE) != TRUE and weights.rank is not None:  # one for each head
        heads = dim_of(layer_, "num_heads")
        weights = weights.insert(
            len(weights.entries) - 2, call.axis(heads if heads is not None else run.unknown_size())
        )
    if takes is not None and shape.position(-1) is not None:
        shape = shape.put(len(shape.entries) - 1, call.axis(takes, Origin.LAYER))
    masks = tuple(masks_given(call, _MASKS))
    ordered = batch_first(layer_)
    detail = Applied("MultiheadAttention", layer_.name, takes, got, clash, batch_first=ordered, masks=masks)
    step = run.step("mha", call.node, [query, key, value], [shape, weights], detail)
    need = call.get(4, "need_weights")
    return Seq([step.results[0], NONE if need == Const(False) else step.results[1]])
