"""Attention, found in a trace by what it does: a product reaches a softmax, and the weights a product with the values.

Scores are the product of a query axis and a key axis that reaches a softmax. Which of the two is which shows by use:
the axis that the context sums over is the keys'. Names play no part.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.shape import Axis, Origin, is_head_part, is_heads
from shapecheck.shapes.trace import (
    Applied,
    Contraction,
    Joined,
    Place,
    Reduced,
    Reshape,
    Scale,
    Scaled,
    Sdpa,
    Softmax,
    Step,
    Tensor,
)

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Trace

# Ops that leave scores scores, weights weights and a context a context.
MOVES = frozenset({
    "reshape", "permute", "rearrange", "cast", "contiguous", "index", "split", "unbind", "unsqueeze", "squeeze", "expand",
    "repeat", "repeat_interleave", "reverse",
})  # fmt: skip
MASKS = frozenset(
    {"masked_fill", "where", "add", "sub", "mul", "div", "dropout", "clamp", "nan_to_num", "pad", "tril", "triu"}
)
UNARY = frozenset(
    {"relu", "gelu", "silu", "sigmoid", "tanh", "dropout", "norm", "normalize", "square", "sqrt", "abs", "neg"}
)


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
                scale = scale * _scale(trace, operand, scalings)
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
        scale = scale * _scale(trace, operand, scalings)
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
            inner = [operand for operand in step.operands if _has_product(trace, operand)]
            if not inner:
                return None
            tensor = inner[0]
        elif step.op in ("add", "sub", "where", "masked_fill"):
            inner = [operand for operand in step.operands if _has_product(trace, operand)]
            if not inner:
                return None
            if len(inner) > 1:
                scale = Scale(known=False)
            biased |= (
                any(_is_learnt(trace, operand) for operand in step.operands if operand not in inner) or len(inner) > 1
            )
            tensor = inner[0]
        elif step.op == "cat":  # a learnt place to attend to beside the keys
            inner = [operand for operand in step.operands if _has_product(trace, operand)]
            if len(inner) != 1:
                return None
            tensor = inner[0]
        elif step.op in MOVES or step.op in ("dropout", "clamp", "nan_to_num", "pad"):
            tensor = step.operands[0]
        elif step.op == "tanh":  # soft capping
            scale = Scale(known=False)
            tensor = step.operands[0]
        else:
            return None
    return None


def _has_product(trace: Trace, tensor: Tensor, depth: int = 12) -> bool:
    step = trace.maker(tensor)
    if step.op == "matmul":
        return all(operand.origin is not Origin.PARAMETER for operand in step.operands) or any(
            _has_product(trace, operand, depth - 1) for operand in step.operands if depth
        )
    if not depth or step.op not in MOVES | MASKS:
        return False
    return any(_has_product(trace, operand, depth - 1) for operand in step.operands)


def _is_learnt(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor comes from parameters or layers, or from somewhere that isn't known to be a mask."""
    seen = trace.ancestors(trace.maker(tensor))
    steps = [trace.steps[index] for index in seen]
    return any(step.op in ("parameter", "embedding", "layer", "gather") for step in steps)


def _scale(trace: Trace, tensor: Tensor, scalings: list[Step]) -> Scale:
    """What a query or a key was multiplied by since a layer made it."""
    scale = Scale()
    for _ in range(40):
        step = trace.maker(tensor)
        if isinstance(step.detail, Scaled) and step.op in ("mul", "div"):
            scale = scale * step.detail.scale
            scalings.append(step)
        elif step.op in ("mul", "div") and len(step.operands) == 2:
            if any(operand.origin is Origin.PARAMETER or _is_scalar(trace, operand) for operand in step.operands):
                return Scale(learnt=True, normed=any(_is_normed(trace, operand) for operand in step.operands))
        elif step.op in ("norm", "normalize"):
            return Scale(learnt=True, normed=step.op == "norm")
        elif step.op in ("layer", "embedding"):
            return scale
        elif step.op not in MOVES | {"add", "sub", "dropout", "cat", "masked_fill"} or not step.operands:
            return Scale(known=False)
        tensor = step.operands[0]
    return Scale(known=False)


_ROOTS = frozenset({"rsqrt", "sqrt", "pow", "reciprocal", "add", "clamp", "cast"})


def _is_normed(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor was divided by the root of its mean square, written out: a norm whose gain comes next."""
    step = trace.maker(_unscaled(trace, tensor))
    if step.op not in ("mul", "div") or len(step.operands) != 2:
        return step.op == "norm"
    return any(_is_root_of_mean(trace, operand) for operand in step.operands)


def _is_root_of_mean(trace: Trace, tensor: Tensor) -> bool:
    step = trace.maker(tensor)
    while step.op in _ROOTS and len(step.operands) == 1:
        step = trace.maker(step.operands[0])
    return isinstance(step.detail, Reduced) and step.detail.how == "mean"


def _is_scalar(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor may be a single number."""
    shape = trace.shape(tensor)
    return shape is None or (shape.row is not None and len(shape.entries) == 1) or not shape.entries


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
            elif user.op in MOVES | MASKS:
                stack.append(user)
            elif user.op in ("norm", "normalize"):
                renormalised = True
    if len(contexts) != 1:
        return None, None, renormalised
    return contexts[0][0], contexts[0][1], renormalised


# -- heads ---------------------------------------------------------------------------------------------------------------
def is_tokens(axis: Axis) -> bool:
    """Whether an axis is an input's own."""
    return bool(axis.factors) and all(factor.origin is Origin.INPUT for factor in axis.factors)


# -- joining the heads ---------------------------------------------------------------------------------------------------
class Fate(enum.Enum):
    """What became of heads that were joined."""

    PROJECTED = "projected"
    UNMIXED = "unmixed"  # added to the residual or pooled as they were
    RETURNED = "returned"
    LOST = "lost"


@dataclass(frozen=True)
class Join:
    """Heads put together: by a reshape or by a cat, how many, how wide each, and what became of them."""

    step: Step
    heads: Dim
    width: Dim
    fate: Fate
    axis: Axis | None
    scrambled: bool = False


def joins(trace: Trace) -> Iterator[Join]:
    """Every place where the heads of an attention are put together."""
    done: set[int] = set()
    for attention in trace.attentions:
        if attention.context is None or _one_query(trace, attention):
            continue
        yield from _joins_after(trace, attention.context, done)


def _one_query(trace: Trace, attention: Attention) -> bool:
    """Whether a single or a learnt query pools the tokens: that owes no projection."""
    if attention.scores is None or not attention.scores.operands:
        return False
    query = attention.scores.operands[0]
    shape = trace.shape(query)
    axis = shape.at(-2) if shape is not None else None
    if attention.kernel or axis is None:
        return axis is not None and (axis.is_one or any(factor.origin is Origin.PARAMETER for factor in axis.factors))
    detail = attention.scores.detail
    left = detail.left if isinstance(detail, Contraction) else ()
    return any(one.is_one or any(factor.origin is Origin.PARAMETER for factor in one.factors) for one in left)


def _joins_after(trace: Trace, context: Step, done: set[int]) -> Iterator[Join]:
    stack, seen = [context], set[int]()
    while stack:
        step = stack.pop()
        for user in trace.users(step):
            if user.index in seen:
                continue
            seen.add(user.index)
            join = _join(trace, user)
            if join is not None:
                if user.index not in done:
                    done.add(user.index)
                    yield join
            elif user.op in MOVES | MASKS | UNARY | {"cat"}:  # what was attended to in stretches is put together
                stack.append(user)


def _join(trace: Trace, step: Step) -> Join | None:
    if isinstance(step.detail, Joined) and step.op == "cat":
        return _cat(trace, step, step.detail)
    if not isinstance(step.detail, Reshape):
        return None
    axes = step.detail.regrouping.axes
    if step.detail.regrouping.verdict is Verdict.REGROUPED:
        for axis in axes:
            heads = [factor for factor in axis.factors if is_head_part(factor)]
            last = axis.factors[-1] if axis.factors else None
            if (
                heads
                and last is not None
                and last not in heads
                and last.origin is Origin.LAYER
                and last.part is not None
            ):
                before = [one for one in step.detail.old if heads[0].id in one.ids]
                if before and last.id not in before[0].ids and is_heads(Axis((heads[0],))):
                    return Join(step, heads[0].size, last.size, _fate(trace, step), axis)
    elif step.detail.regrouping.verdict is Verdict.SCRAMBLED and len(step.detail.new) < len(step.detail.old):
        heads_axes = [axis for axis in step.detail.old if is_heads(axis)]
        if heads_axes:
            return Join(step, heads_axes[0].size, step.detail.old[-1].size, _fate(trace, step), None, scrambled=True)
    return None


def _cat(trace: Trace, step: Step, detail: Joined) -> Join | None:
    """Heads that are modules of their own, put side by side along the features."""
    if detail.count.value == 1 or detail.axis is None or len(detail.axis.factors) < 2:
        return None
    shape = trace.shape(step.result)
    if shape is None or shape.at(-1) is None or detail.axis.factors[0].id not in shape.at(-1).ids:  # type: ignore[union-attr]
        return None
    inside = {attention.context.index for attention in trace.attentions if attention.context is not None}
    if not all(_comes_from(trace, operand, inside) for operand in step.operands):
        return None
    if any(factor.origin is not Origin.LAYER for factor in detail.axis.factors[1:]):
        return None
    width = Axis(detail.axis.factors[1:]).size
    return Join(step, detail.count, width, _fate(trace, step), detail.axis)


def _comes_from(trace: Trace, tensor: Tensor, contexts: set[int]) -> bool:
    """Whether a tensor is a context, moved, masked or dropped at most."""
    for _ in range(12):
        if tensor.step in contexts:
            return True
        step = trace.maker(tensor)
        if step.op not in MOVES | {"dropout"} or not step.operands:
            return False
        tensor = step.operands[0]
    return False


def _fate(trace: Trace, join: Step) -> Fate:
    """What became of a result: followed through everything that doesn't mix its features."""
    before = trace.ancestors(join)
    stack, seen, fates = [join], set[int](), set[Fate]()
    if any(tensor.step == join.index for tensor in trace.returned):
        fates.add(Fate.RETURNED)
    while stack:
        step = stack.pop()
        for user in trace.users(step):
            if user.index in seen:
                continue
            seen.add(user.index)
            fate = _met(trace, step, user, before)
            if fate is None:
                stack.append(user)
                if any(tensor.step == user.index for tensor in trace.returned):
                    fates.add(Fate.RETURNED)
            else:
                fates.add(fate)
    for fate in (Fate.PROJECTED, Fate.LOST, Fate.UNMIXED, Fate.RETURNED):
        if fate in fates:
            return fate
    return Fate.LOST if not trace.returned else Fate.RETURNED


def _met(trace: Trace, step: Step, user: Step, before: frozenset[int]) -> Fate | None:
    """What one use of a result means for it; None where it goes on as it was."""
    match user.op:
        case "layer" | "mha":
            untrained = isinstance(user.detail, Applied) and not user.detail.trained
            return None if untrained else Fate.PROJECTED
        case "matmul":
            return Fate.PROJECTED if any(operand.origin is Origin.PARAMETER for operand in user.operands) else Fate.LOST
        case "add" | "sub":
            others = [_unscaled(trace, operand).step for operand in user.operands if operand.step != step.index]
            return Fate.UNMIXED if others and all(other in before for other in others) else None
        case "pool" | "reduce":
            return Fate.UNMIXED
    if user.op in MOVES | MASKS | UNARY | {"cat", "stack"} or (user.op.islower() and user.lost_by is None):
        return None
    return Fate.LOST


def _unscaled(trace: Trace, tensor: Tensor) -> Tensor:
    """What a residual was before it was scaled, dropped or cast."""
    step = trace.maker(tensor)
    while len(step.operands) == 1 and (step.op in ("dropout", "cast") or isinstance(step.detail, Scaled)):
        tensor = step.operands[0]
        step = trace.maker(tensor)
    return tensor


def settled_fate(trace: Trace, join: Join) -> Fate:
    """What became of joined heads, the classes that own this one asked: it may return them, or only be given one query."""
    fates = {join.fate}
    unprojected = join.fate in (Fate.RETURNED, Fate.UNMIXED)
    asked, waiting = 0, [(trace, join.fate is Fate.UNMIXED)] if unprojected else []
    while waiting and asked < 12:
        one, settled = waiting.pop(0)
        asked += 1
        if one.elsewhere and not settled:
            return Fate.LOST
        for owner in one.owners():
            if one.symbol not in owner.built:
                continue
            again = [other for other in owner.joins if other.step.place == join.step.place]
            if not again and (not settled or _pools_at(owner, join.step.place)):
                return Fate.LOST
            fates |= {other.fate for other in again if not settled}
            waiting += [(owner, all(other.fate is not Fate.RETURNED for other in again))] if again else []
    return next(fate for fate in (Fate.PROJECTED, Fate.LOST, Fate.UNMIXED, Fate.RETURNED) if fate in fates)


def _pools_at(trace: Trace, place: Place) -> bool:
    """Whether what is joined at a place has a single query there."""
    shapes = [trace.shape(step.result) for step in trace.steps if step.place == place]
    return any(shape is not None and (axis := shape.at(-2)) is not None and axis.is_one for shape in shapes)


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
