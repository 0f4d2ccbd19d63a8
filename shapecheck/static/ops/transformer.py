"""torch.nn's whole transformers: the shape of what they are given comes out, and their masks hide where they are True."""

from __future__ import annotations

from math import inf

from shapecheck.shapes.details import Applied
from shapecheck.shapes.dim import ONE
from shapecheck.shapes.making import FLOAT, Filled, Triangle
from shapecheck.shapes.shape import Origin, Shape
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.attention import masks_given
from shapecheck.static.ops.layers import SIGNATURES, layer
from shapecheck.static.values import NONE, Layer, Value, number

_DECODER = ("tgt", "memory", "tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask")
_FORWARD = {
    "TransformerEncoderLayer": ("src", "src_mask", "src_key_padding_mask"),
    "TransformerEncoder": ("src", "mask", "src_key_padding_mask"),
    "TransformerDecoderLayer": _DECODER,
    "TransformerDecoder": _DECODER,
    "Transformer": ("src", "tgt", "src_mask", "tgt_mask", "memory_mask", "src_key_padding_mask", "tgt_key_padding_mask",
                    "memory_key_padding_mask"),
}  # fmt: skip
for _name in ("TransformerEncoderLayer", "TransformerDecoderLayer"):
    SIGNATURES[_name] = ("d_model", "nhead", "dim_feedforward", "dropout")


@layer(*_FORWARD)
def transformed(call: Call, layer_: Layer) -> Value:
    """https://docs.pytorch.org/docs/stable/nn.html#transformer-layers"""
    names = _FORWARD[layer_.type]
    inputs = [call.tensor(place, name) for place, name in enumerate(names) if not name.endswith("mask")]
    masks = masks_given(call, [(name, place) for place, name in enumerate(names) if name.endswith("mask")])
    result = inputs[1] if layer_.type == "Transformer" else inputs[0]
    detail = Applied(layer_.type, layer_.name, None, None, masks=tuple(masks))
    return call.emit(inputs, result.shape, detail, op="layer")


@op("nn.Transformer.generate_square_subsequent_mask")
def causal(call: Call) -> Value:
    """0 for what a query may see, -inf for what comes later."""
    size = number(call.get(0, "sz", NONE))
    if size is None:
        raise Lost(call.name)
    shape = Shape((call.axis(size, Origin.CREATED), call.axis(size, Origin.CREATED)))
    whole = call.emit([], shape, Filled(-inf, FLOAT), op="create", origin=Origin.CREATED)
    return call.emit([whole], shape, Triangle(True, ONE), op="triu", origin=Origin.CREATED)
