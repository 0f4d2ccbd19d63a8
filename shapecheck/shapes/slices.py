"""Slices: heads cut from features that no layer has mixed, and layers that take each slice by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.attention import Attention
from shapecheck.shapes.details import Applied, Contraction
from shapecheck.shapes.dim import Kind
from shapecheck.shapes.moves import MOVES
from shapecheck.shapes.shape import Axis, Shape

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Step, Tensor, Trace


@dataclass(frozen=True)
class Sliced:
    """A linear layer, `step`, over heads that are slices of what it was given: the same weights for each of `heads`."""

    step: Step
    applied: Applied
    heads: Axis
    attention: Attention


def sliced(trace: Trace) -> Iterator[Sliced]:
    """Every layer that makes queries, keys or values of slices of an argument of forward."""
    for attention in trace.attentions:
        for tensor in _operands(attention):
            step = _layer(trace, tensor)
            if step is None or not isinstance(step.detail, Applied) or step.detail.layer != "Linear":
                continue
            shape = trace.shape(step.operands[0])
            heads = _heads(trace, attention, shape) if shape is not None else None
            if heads is not None and _is_given(trace, step.operands[0]):
                yield Sliced(step, step.detail, heads, attention)


def _operands(attention: Attention) -> Iterator[Tensor]:
    if attention.kernel:
        yield from attention.softmax.operands[:3]
        return
    if attention.scores is not None:
        yield from attention.scores.operands
    if attention.context is not None:
        yield from (operand for operand in attention.context.operands if operand is not attention.weights)


def _layer(trace: Trace, tensor: Tensor) -> Step | None:
    """The layer that a tensor comes from, moved at most."""
    step = trace.maker(tensor)
    while step.op in MOVES and step.operands:
        step = trace.maker(step.operands[0])
    return step if step.op == "layer" else None


def _heads(trace: Trace, attention: Attention, shape: Shape) -> Axis | None:
    """The one axis beside the features that counts heads: given to the constructor, and met by itself in the product."""
    if shape.axes is None or len(shape.axes) < 4:
        return None
    counted = [axis for axis in shape.axes[:-1] if _is_chosen(trace, axis) and _is_batch(trace, attention, axis)]
    return counted[0] if len(counted) == 1 and _is_cut(trace, counted[0], shape.axes[-1]) else None


def _is_cut(trace: Trace, heads: Axis, width: Axis) -> bool:
    """Whether heads and their width were one axis of features: by what a reshape did, or by how the width was reckoned."""
    wholes = {factor.whole for factor in heads.factors} - {None}
    if any(factor.whole in wholes for factor in width.factors):
        return True
    function = trace.facts.resolve(width.size).function
    return function is not None and function.name == "//" and trace.facts.same(function.arguments[1], heads.size)


def _is_chosen(trace: Trace, axis: Axis) -> bool:
    size = trace.facts.resolve(axis.size)
    if size.value is not None:
        return size.value > 1
    return bool(size.symbols()) and all(symbol.kind in (Kind.CONSTRUCTOR, Kind.CONFIG) for symbol in size.symbols())


def _is_batch(trace: Trace, attention: Attention, axis: Axis) -> bool:
    """Whether a product of queries and keys is made for each element of an axis by itself."""
    scores = attention.scores
    if scores is None:
        return False
    if not isinstance(scores.detail, Contraction):
        return True  # a kernel's heads are
    used = [*scores.detail.left, *scores.detail.right, *(one for pair in scores.detail.summed for one in pair)]
    return not any(axis.ids & one.ids or trace.facts.same(axis.size, one.size) for one in used)


def is_projected(trace: Trace, place: Place) -> bool:
    """Whether a layer at a place is given what another linear layer made, moved at most."""
    steps = [step for step in trace.steps if step.place == place]
    makers = [_layer(trace, operand) for step in steps for operand in step.operands]
    return any(isinstance(one.detail, Applied) and one.detail.layer == "Linear" for one in makers if one is not None)


def _is_given(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor is an argument of forward, moved or normed at most."""
    step = trace.maker(tensor)
    while step.op in MOVES | {"norm", "dropout"} and step.operands:
        step = trace.maker(step.operands[0])
    return step.op == "input"
