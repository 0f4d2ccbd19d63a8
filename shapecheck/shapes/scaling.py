"""Scaling: what queries, keys and scores were multiplied by, in steps or by a norm that is written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapecheck.shapes.details import Reduced, Scaled
from shapecheck.shapes.moves import MOVES
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Origin
from shapecheck.shapes.trace import Step, Tensor

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Trace


def scaled_by(trace: Trace, tensor: Tensor, scalings: list[Step]) -> Scale:
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
        elif step.op == "create" and (filled := _filled_with(trace, step)):
            parts = [scaled_by(trace, one, []) for one in filled]
            return scale * parts[0] if all(part == parts[0] for part in parts) else Scale(known=False)
        elif step.op not in MOVES | {"add", "sub", "dropout", "cat", "masked_fill"} or not step.operands:
            return Scale(known=False)
        tensor = step.operands[0]
    return Scale(known=False)


def _filled_with(trace: Trace, made: Step) -> list[Tensor]:
    """What is copied into a tensor that was made empty, whole or part by part."""
    places = [made, *(user for user in trace.users(made) if user.op == "index")]
    return [
        user.operands[1]
        for place in places
        for user in trace.users(place)
        if user.op == "copy" and len(user.operands) == 2 and user.operands[0].step == place.index
    ]


_ROOTS = frozenset({"rsqrt", "sqrt", "pow", "reciprocal", "add", "clamp", "cast"})


def _is_normed(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor was divided by the root of its mean square, written out: a norm whose gain comes next."""
    step = trace.maker(unscaled(trace, tensor))
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


def caps(before: Step, after: Step) -> bool:
    """Whether what is divided by a number before is multiplied by the same one after."""
    one, other = before.detail, after.detail
    if not (isinstance(one, Scaled) and isinstance(other, Scaled)) or (before.op, after.op) != ("div", "mul"):
        return False
    if one.by is not None or other.by is not None:
        return one.by == other.by
    both = one.scale * other.scale
    return both.known and not both.learnt and not both.powers and both.coefficient == 1


def unscaled(trace: Trace, tensor: Tensor) -> Tensor:
    """What a residual was before it was scaled, dropped or cast."""
    step = trace.maker(tensor)
    while len(step.operands) == 1 and (step.op in ("dropout", "cast") or isinstance(step.detail, Scaled)):
        tensor = step.operands[0]
        step = trace.maker(tensor)
    return tensor
