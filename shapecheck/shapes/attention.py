"""Attention, found in a trace by what it does: a product reaches a softmax, and the weights a product with the values.

Scores are the product of a query axis and a key axis that reaches a softmax. Which of the two is which shows by use:
the axis that the context sums over is the keys'. Names play no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from shapecheck.shapes.details import Applied, Contraction, Scaled, Sdpa, Softmax
from shapecheck.shapes.moves import MASKS, MOVES
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.scaling import caps, scaled_by
from shapecheck.shapes.shape import Axis, Origin, is_head_part, is_heads
from shapecheck.shapes.trace import Step, Tensor

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Trace


@dataclass(frozen=True)
class Attention:
    """One attention of a trace.

    `scores` is the product of queries and keys, `context` that of weights and values, where the trace has them; for a
    `kernel` (scaled_dot_product_attention) all three steps are the call. `scale` is what the scores were multiplied by on
    their way to the softmax, `scalings` the steps that did it.
    """

    softmax: Step
    scores: Step | None
    context: Step | None
    weights: Tensor | None  # as the context takes them
    scale: Scale | None
    scalings: tuple[Step, ...] = ()
    biased: bool = False  # a learnt bias is added to the scores
    renormalised: bool = False
    kernel: bool = False

    @property
    def width(self) -> tuple[Axis, Axis] | None:
        """The axis that queries and keys were summed over, as each of them has it."""
        detail = self.scores.detail if self.scores is not None else None
        return detail.summed[0] if isinstance(detail, Contraction) and len(detail.summed) == 1 else None


def attentions(trace: Trace) -> Iterator[Attention]:
    """Every attention of a trace, in order."""
    for step in trace.steps:
        if step.op == "sdpa" and isinstance(step.detail, Sdpa):
            scalings: list[Step] = []
            scale = Scale()
            for operand in step.operands[:2]:
                scale = scale * scaled_by(trace, operand, scalings)
            yield Attention(step, step, step, None, scale, tuple(scalings), kernel=True)
        elif step.op == "softmax" and isinstance(step.detail, Softmax):
            found = _written_out(trace, step)
            if found is not None:
                yield found


def _written_out(trace: Trace, softmax: Step) -> Attention | None:
    way = _to_product(trace, softmax.operands[0])
    if way is None:
        return None
    product, scale, scalings, biased = way
    for operand in product.operands[:2]:
        scale = scale * scaled_by(trace, operand, scalings)
    context, weights, renormalised = _to_context(trace, softmax)
    return Attention(softmax, product, context, weights, scale, tuple(scalings), biased, renormalised)


def _to_product(trace: Trace, tensor: Tensor) -> tuple[Step, Scale, list[Step], bool] | None:
    """The product that scores come from, what they were multiplied by since, and whether a learnt bias was added."""
    scale, scalings, biased = Scale(), list[Step](), False
    for _ in range(40):
        step = trace.maker(tensor)
        if step.op == "matmul" and isinstance(step.detail, Contraction):
            if any(operand.origin is Origin.PARAMETER for operand in step.operands):
                activations = [operand for operand in step.operands if operand.origin is not Origin.PARAMETER]
                if not activations:
                    return None
                tensor = activations[0]  # talking heads mix scores by a parameter
                continue
            return (step, scale, scalings, biased) if len(step.operands) == 2 else None
        if step.op in ("mul", "div") and isinstance(step.detail, Scaled):
            scale = scale * step.detail.scale
            scalings.append(step)
            tensor = step.operands[0]
        elif step.op in ("mul", "div") and len(step.operands) == 2:
            scale = Scale(learnt=True)
            inner = [operand for operand in step.operands if has_product(trace, operand)]
            if not inner:
                return None
            tensor = inner[0]
        elif step.op in ("add", "sub", "where", "masked_fill", "put"):
            inner = [operand for operand in step.operands if has_product(trace, operand)]
            if not inner:
                return None
            if len(inner) > 1:
                scale = Scale(known=False)
            biased |= (
                any(_is_learnt(trace, operand) for operand in step.operands if operand not in inner) or len(inner) > 1
            )
            tensor = inner[0]
        elif step.op == "cat":  # a learnt place to attend to beside the keys
            inner = [operand for operand in step.operands if has_product(trace, operand)]
            if len(inner) != 1:
                return None
            tensor = inner[0]
        elif step.op in MOVES or step.op in ("dropout", "clamp", "nan_to_num", "pad", "tril", "triu"):
            tensor = step.operands[0]
        elif mixes_heads(step):
            scale = Scale(learnt=True)
            tensor = step.operands[0]
        elif step.op == "tanh":
            before = trace.maker(step.operands[0])
            if scalings and caps(before, scalings[-1]):  # c * tanh(scores / c): about the scores, where they are small
                del scalings[-1]
                scale = prod((one.detail.scale for one in scalings if isinstance(one.detail, Scaled)), start=Scale())
                tensor = before.operands[0]
            else:
                scale = Scale(known=False)
                tensor = step.operands[0]
        else:
            return None
    return None


def has_product(trace: Trace, tensor: Tensor, depth: int = 12) -> bool:
    """Whether a tensor is, or comes from, a product of activations, moved and masked at most."""
    step = trace.maker(tensor)
    if step.op == "matmul":
        return all(operand.origin is not Origin.PARAMETER for operand in step.operands) or any(
            has_product(trace, operand, depth - 1) for operand in step.operands if depth
        )
    if not depth or (step.op not in MOVES | MASKS | {"cat"} and not mixes_heads(step)):
        return False
    return any(has_product(trace, operand, depth - 1) for operand in step.operands)


def mixes_heads(step: Step) -> bool:
    """Whether a layer runs over the heads: talking heads exchange their scores or their weights."""
    detail = step.detail
    return step.op == "layer" and isinstance(detail, Applied) and detail.got is not None and is_heads(detail.got)


def _is_learnt(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor comes from parameters or layers, or from somewhere that isn't known to be a mask."""
    seen = trace.ancestors(trace.maker(tensor))
    steps = [trace.steps[index] for index in seen]
    return any(step.op in ("parameter", "embedding", "layer", "gather") for step in steps)


def _to_context(trace: Trace, softmax: Step) -> tuple[Step | None, Tensor | None, bool]:
    """The product of the weights with the values, the weights as it takes them, and whether they were renormalised."""
    stack, seen, renormalised = [softmax], set[int](), False
    contexts: list[tuple[Step, Tensor]] = []
    while stack:
        step = stack.pop()
        for user in trace.users(step):
            if user.index in seen:
                continue
            seen.add(user.index)
            if user.op == "matmul":
                others = [operand for operand in user.operands if operand.step != step.index]
                if others and others[0].origin is Origin.PARAMETER:
                    stack.append(user)
                elif len(user.operands) == 2 and others:
                    contexts.append((user, next(one for one in user.operands if one.step == step.index)))
            elif user.op == "div" and len(user.operands) == 2:
                renormalised = True
                stack.append(user)
            elif user.op in MOVES | MASKS or mixes_heads(user):
                stack.append(user)
            elif user.op in ("norm", "normalize"):
                renormalised = True
    if len(contexts) != 1:
        return None, None, renormalised
    return contexts[0][0], contexts[0][1], renormalised


def attended(trace: Trace) -> Iterator[object]:
    """The rows whose axis is what queries attend from, beside heads that are left alone: their rank is as it looks.

    Of `[*x, heads, head_dim].transpose(1, 2)` any other rank would make heads attend to heads.
    """
    for attention in trace.attentions:
        if attention.renormalised or attention.scores is None or attention.context is None:
            continue
        shape = trace.shape(attention.scores.operands[0])
        axes = shape.axes if shape is not None else None
        if axes is None or len(axes) < 4:
            continue
        detail = attention.scores.detail
        queries = detail.left if isinstance(detail, Contraction) else axes[-2:-1]
        beside = [axis for axis in axes if axis not in queries and is_heads(axis)]
        if len(queries) == 1 and beside and all(factor.origin is Origin.INPUT for factor in queries[0].factors):
            for factor in queries[0].factors:
                if isinstance(factor.id, tuple) and len(factor.id) == 3:
                    yield factor.id[0]


def has_heads(trace: Trace, attention: Attention) -> bool:
    """Whether an attention has several heads for certain."""
    operands = attention.scores.operands[:2] if attention.scores is not None else ()
    shapes = [trace.shape(operand) for operand in operands]
    return any(
        is_head_part(factor) for shape in shapes if shape is not None for factor in shape.factors()
    )  # fmt: skip


def of_linear_layers(trace: Trace, attention: Attention) -> bool:
    """Whether queries and keys are what linear layers gave out."""
    operands = attention.scores.operands[:2] if attention.scores is not None else ()
    return bool(operands) and all(_of_linear(trace, operand) for operand in operands)


def _of_linear(trace: Trace, tensor: Tensor) -> bool:
    for _ in range(12):
        step = trace.maker(tensor)
        if isinstance(step.detail, Applied):
            return step.detail.layer == "Linear"
        if step.op not in MOVES or not step.operands:
            return False
        tensor = step.operands[0]
    return False
