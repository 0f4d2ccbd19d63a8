"""Layout: which axis of a tensor counts samples and which counts tokens, where what is done to them shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.details import Applied, Joined, Reduced
from shapecheck.shapes.dim import Kind
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.moves import MOVES, UNARY
from shapecheck.shapes.shape import Axis, Origin, Shape

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Step, Tensor, Trace


@dataclass(frozen=True)
class Sign:
    """A step that takes one axis for samples and another one for tokens; `why` says how it shows.

    One that isn't `sure` may speak against something, and proves nothing by itself.
    """

    step: Step
    samples: Axis
    tokens: Axis
    why: str
    sure: bool = True


def signs(trace: Trace) -> Iterator[Sign]:
    """Every step that shows a layout."""
    for step in trace.steps:
        match step.detail:
            case Applied(layer="Conv1d" | "Conv2d" | "Conv3d" as layer):
                yield from _convolved(trace, step, layer)
            case Applied(layer="LSTM" | "GRU" | "RNN" as layer, batch_first=bool(first)):
                yield from _pair(
                    trace, step, step.operands[0], 0 if first else 1, f"{layer} steps through axis {int(first)}"
                )
            case Joined(axis=Axis() as joined):
                yield from _joined_by_learnt(trace, step, joined)
            case Reduced(how="mean" | "sum" | "amax"):
                yield from _pooled(trace, step, "pooled over")
            case _ if step.op == "add":
                yield from _placed(trace, step)
            case _ if step.op in ("expand", "repeat", "rearrange"):
                yield from _learnt_for_each(trace, step)
            case _ if step.op == "index":
                yield from _pooled(trace, step, "taken from")


def takes_for(axis: Axis, other: Axis, facts: Facts) -> bool:
    """Whether an axis holds another one whole: the same factors, or a size that only one input's axis has."""
    if not other.factors:
        return False
    return other.ids <= axis.ids or (
        facts.same(axis.size, other.size)
        and all(symbol.kind is Kind.INPUT for symbol in facts.resolve(axis.size).symbols())
        and facts.resolve(axis.size).symbol is not None
    )


def _convolved(trace: Trace, step: Step, layer: str) -> Iterator[Sign]:
    """A convolution's first axis is the batch, the last ones are space."""
    rank = int(layer[4])
    before, after = _axes(trace, step.operands[0]), _axes(trace, step.result)
    if before is not None and after is not None and len(before) == rank + 2:
        space = Axis(tuple(factor for axis in after[2:] for factor in axis.factors))
        yield Sign(step, before[0], space, f"{layer} runs over the last axes, and axis 0 is its batch")


def _pair(trace: Trace, step: Step, tensor: Tensor, samples: int, why: str) -> Iterator[Sign]:
    axes = _axes(trace, tensor)
    if axes is not None and len(axes) == 3 and not axes[0].is_one and not axes[1].is_one:
        yield Sign(step, axes[samples], axes[1 - samples], why)


def _joined_by_learnt(trace: Trace, step: Step, joined: Axis) -> Iterator[Sign]:
    """A learnt token is put before the others, the same one for each sample."""
    axes = _axes(trace, step.result)
    if step.op != "cat" or axes is None or len(axes) != 3 or len(step.operands) < 2:
        return
    learnt = [operand for operand in step.operands if operand.origin is Origin.PARAMETER]
    if len(learnt) != 1:
        return
    shape = _axes(trace, learnt[0])
    along = next((place for place in (0, 1) if axes[place].ids == joined.ids), None)
    if shape is None or len(shape) != 3 or along is None:
        return
    copied = shape[1 - along]
    if copied.factors and _is_repeated(copied):
        yield Sign(step, axes[1 - along], axes[along], f"a learnt token is put before the others along axis {along}")


def _learnt_for_each(trace: Trace, step: Step) -> Iterator[Sign]:
    """Learnt queries are repeated, the same ones for each sample."""
    axes = _axes(trace, step.result)
    if axes is None or len(axes) != 3 or step.result.origin is not Origin.PARAMETER:
        return
    copied = [place for place in (0, 1) if axes[place].factors and _is_repeated(axes[place])]
    if len(copied) == 1 and not axes[1 - copied[0]].is_one:
        (place,) = copied
        yield Sign(step, axes[place], axes[1 - place], f"what is learnt is repeated along axis {place}")


def _is_repeated(axis: Axis) -> bool:
    return all(factor.origin is Origin.REPEAT for factor in axis.factors)


def _placed(trace: Trace, step: Step) -> Iterator[Sign]:
    """What is learnt of each place is added, the same for each sample."""
    axes = _axes(trace, step.result)
    if axes is None or len(axes) != 3 or len(step.operands) != 2:
        return
    for operand in step.operands:
        learnt = _axes(trace, operand)
        if operand.origin is not Origin.PARAMETER or learnt is None or len(learnt) not in (2, 3) or learnt[-1].is_one:
            continue
        front = (*(Axis(),) * (3 - len(learnt)), *learnt)[:2]
        tokens = [place for place in (0, 1) if not front[place].is_one]
        if len(tokens) == 1:
            (place,) = tokens
            yield Sign(step, axes[1 - place], axes[place], f"what is added here differs along axis {place} only")


def _pooled(trace: Trace, step: Step, how: str) -> Iterator[Sign]:
    """One of two axes in front of the features is pooled or picked from: what is left is a vector for each sample.

    That proves something only where a head takes the vectors as they are: a mean over the batch may be a statistic.
    """
    before, after = _axes(trace, step.operands[0]), _axes(trace, step.result)
    activation = step.operands[0].origin is Origin.OTHER
    if before is None or after is None or len(before) != 3 or len(after) != 2 or not activation:
        return
    for place in (0, 1):
        if after == (before[1 - place], before[2]) and not before[place].is_one and before[0] != before[1]:
            sure = place == 1 and _is_taken_as_it_is(trace, step)
            yield Sign(step, before[1 - place], before[place], f"axis {place} is {how}", sure)


def _is_taken_as_it_is(trace: Trace, step: Step) -> bool:
    """Whether a result is returned or goes through a layer, alone."""
    if any(tensor.step == step.index for tensor in trace.returned):
        return True
    return any(
        user.op == "layer" or (user.op in MOVES | UNARY | {"norm"} and _is_taken_as_it_is(trace, user))
        for user in trace.users(step)
    )


def _axes(trace: Trace, tensor: Tensor) -> tuple[Axis, ...] | None:
    shape: Shape | None = trace.shape(tensor)
    return None if shape is None else shape.axes
