"""The heads of an attention put together: where, how many of what width, and what became of them."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.attention import Attention
from shapecheck.shapes.details import Applied, Contraction, Joined, Reshape
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.moves import MASKS, MOVES, UNARY
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.scaling import unscaled
from shapecheck.shapes.shape import Axis, Origin, is_head_part, is_heads
from shapecheck.shapes.trace import Place, Step, Tensor

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Trace


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
            fate = _met(trace, join, step, user, before)
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


def _met(trace: Trace, join: Step, step: Step, user: Step, before: frozenset[int]) -> Fate | None:
    """What one use of a result means for it; None where it goes on as it was."""
    match user.op:
        case "layer" | "mha":
            untrained = isinstance(user.detail, Applied) and not user.detail.trained
            return None if untrained else Fate.PROJECTED
        case "matmul":
            return Fate.PROJECTED if any(operand.origin is Origin.PARAMETER for operand in user.operands) else Fate.LOST
        case "add" | "sub":
            others = [unscaled(trace, operand).step for operand in user.operands if operand.step != step.index]
            residual = all(other in before for other in others) or _is_stream(trace, join, user, others)
            return Fate.UNMIXED if others and residual else None
        case "pool" | "reduce":
            return Fate.UNMIXED
    if user.op in MOVES | MASKS | UNARY | {"cat", "stack"} or (user.op.islower() and user.lost_by is None):
        return None
    return Fate.LOST


def _is_stream(trace: Trace, join: Step, add: Step, others: list[int]) -> bool:
    """Whether a sum is a residual stream, whatever its other part went through: what comes of it is added to it again."""
    if any(join.index in trace.ancestors(trace.steps[other]) for other in others):
        return False
    for user in trace.users(add):
        if user.op == "add" and len(user.operands) == 2:
            found = [unscaled(trace, operand).step for operand in user.operands]
            if add.index in found and any(
                add.index in trace.ancestors(trace.steps[one]) for one in found if one != add.index
            ):
                return True
    return False


def settled_fate(trace: Trace, join: Join) -> Fate:
    """What became of joined heads, the classes that own this one asked: it may return them, or only be given one query."""
    fates = {join.fate}
    unprojected = join.fate in (Fate.RETURNED, Fate.UNMIXED)
    asked, waiting = 0, [(trace, join.fate is Fate.UNMIXED)] if unprojected else []
    while waiting and asked < 12:
        one, settled = waiting.pop(0)
        asked += 1
        if Fate.PROJECTED in fates:
            break
        if one.elsewhere and not settled:
            return Fate.LOST
        owners = one.owners()
        built = [owner for owner in owners if one.symbol in owner.built]
        if owners and not built and not settled:  # its owners are only seen on ways on which they build another
            return Fate.LOST
        for owner in built:
            again = [other for other in owner.joins if other.step.place == join.step.place]
            if not again and _has_one_head(owner, join):
                continue
            if not again and (not settled or _pools_at(owner, join.step.place)):
                return Fate.LOST
            fates |= {other.fate for other in again if not settled}
            waiting += [(owner, all(other.fate is not Fate.RETURNED for other in again))] if again else []
    return next(fate for fate in (Fate.PROJECTED, Fate.LOST, Fate.UNMIXED, Fate.RETURNED) if fate in fates)


def _has_one_head(trace: Trace, join: Join) -> bool:
    """Whether a path came to where heads are joined with a single one: what becomes of it says nothing of several."""
    old = join.step.detail.old if isinstance(join.step.detail, Reshape) else ()
    heads = next((place for place, axis in enumerate(old) if is_heads(axis)), None)
    there = [
        step.detail.old for step in trace.steps if step.place == join.step.place and isinstance(step.detail, Reshape)
    ]
    return heads is not None and bool(there) and all(len(one) == len(old) and one[heads].is_one for one in there)


def goes_unmixed(trace: Trace, place: Place) -> bool:
    """Whether what is made at a place is handed on as it is, heads or not: no layer, and nothing unknown, takes it."""
    fates = {_fate(trace, step) for step in trace.steps if step.place == place}
    return bool(fates) and fates <= {Fate.UNMIXED, Fate.RETURNED}


def _pools_at(trace: Trace, place: Place) -> bool:
    """Whether what is joined at a place has a single query there."""
    shapes = [trace.shape(step.result) for step in trace.steps if step.place == place]
    return any(shape is not None and (axis := shape.at(-2)) is not None and axis.is_one for shape in shapes)
