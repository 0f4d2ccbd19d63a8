"""Masking: where a mask meets the scores or the weights of an attention, and what its taker takes it for."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shapecheck.shapes.attention import Attention, has_product
from shapecheck.shapes.details import Applied, Contraction, Sdpa, Softmax
from shapecheck.shapes.lying import Falls, falls_of, oriented, place_of
from shapecheck.shapes.making import BOOL, FLOAT, Choice, Put, Triangle
from shapecheck.shapes.masks import Mask, triangle
from shapecheck.shapes.shape import Axis

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Step, Tensor, Trace


class Way(enum.Enum):
    """What a taker does with a mask."""

    HIDES = "hides"  # where it is True: masked_fill, nn.MultiheadAttention
    KEEPS = "keeps"  # where it is True: scaled_dot_product_attention, where(mask, scores, …)
    ADDED = "added"
    MULTIPLIED = "multiplied"


@dataclass(frozen=True)
class Masking:
    """A mask met by the scores (`before` the softmax) or by the weights, at `step`, on their way through `softmax`.

    `made` is what the mask is known to be, seen from the queries and keys that it meets; `fill` what hidden places get,
    where that is a known number. `taker` is the kernel or the layer that takes it, where it is one.
    """

    softmax: Step
    step: Step
    mask: Tensor | None
    made: Mask | None
    way: Way | None
    fill: float | None
    before: bool
    falls: Falls
    taker: str = ""
    square: bool = False  # as many queries as keys
    from_scores: bool = False  # the mask is made of the scores themselves
    mask_at: Place | None = None  # where the mask is written
    fill_at: Place | None = None

    @property
    def wrong_way_round(self) -> bool:
        """Whether what is surely to be hidden is kept, and what is to be seen hidden."""
        made = self.made
        if made is None or not made.sure:
            return False
        match self.way:
            case Way.HIDES:
                return made.keeps
            case Way.KEEPS | Way.MULTIPLIED:
                return made.hides
            case Way.ADDED:
                return made.hidden - made.seen > STRONG
        return False

    @property
    def hides_what_is_hidden(self) -> bool:
        """Whether the taker hides those places that the mask says to hide."""
        made = self.made
        if made is None:
            return False
        match self.way:
            case Way.HIDES:
                return made.hides
            case Way.KEEPS | Way.MULTIPLIED:
                return made.keeps
            case Way.ADDED:
                return made.seen - made.hidden > STRONG
        return False


STRONG = 5.0  # scores that are lowered by as much, or more, count as hidden: e**-5 is less than a hundredth


def maskings(trace: Trace) -> Iterator[Masking]:
    """Every mask that the attentions of a trace take, in order."""
    for attention in trace.attentions:
        yield from _of_kernel(trace, attention) if attention.kernel else _written_out(trace, attention)
    for step in trace.steps:
        if isinstance(step.detail, Applied) and step.detail.masks:
            yield from _of_layer(trace, step, step.detail)


# -- kernels and layers -------------------------------------------------------------------------------------------------
def _of_kernel(trace: Trace, attention: Attention) -> Iterator[Masking]:
    step, detail = attention.softmax, attention.softmax.detail
    if not isinstance(detail, Sdpa) or detail.mask is None or detail.layout != "b h t d":
        return
    shapes = [trace.shape(operand) for operand in step.operands[:2]]
    queries, keys = (shape.at(-2) if shape is not None else None for shape in shapes)
    dtype = trace.masks.dtype(detail.mask, step.index)
    way = {BOOL: Way.KEEPS, FLOAT: Way.ADDED}.get(dtype or "")
    yield _given(trace, step, (detail.mask, detail.mask_at), way, (keys, queries), "scaled_dot_product_attention")


def _of_layer(trace: Trace, step: Step, detail: Applied) -> Iterator[Masking]:
    """The masks of nn.MultiheadAttention and of what is built of it: True hides, a float is added."""
    for mask in detail.masks:
        dtype = trace.masks.dtype(mask[0], step.index)
        way = {BOOL: Way.HIDES, FLOAT: Way.ADDED}.get(dtype or "")
        yield _given(trace, step, mask, way, (None, None), f"nn.{detail.layer}")


def _given(
    trace: Trace,
    step: Step,
    given: tuple[Tensor, Place | None],
    way: Way | None,
    axes: tuple[Axis | None, Axis | None],
    taker: str,
) -> Masking:
    """A mask that something takes as [..., queries, keys]."""
    mask, place = given
    made = trace.masks.mask(mask, step.index)
    shape = trace.shape(mask)
    keys, queries = axes
    square = keys is not None and queries is not None and trace.facts.same(keys.size, queries.size)
    lying = oriented(made, shape, 1, 2) if made is not None else None
    return Masking(step, step, mask, lying, way, None, True, falls_of(shape, 1, 2), taker, square, mask_at=place)


# -- written out --------------------------------------------------------------------------------------------------------
def _written_out(trace: Trace, attention: Attention) -> Iterator[Masking]:
    axes = _keys_and_queries(attention)
    for step, scores in _before(trace, attention):
        yield from _met(trace, attention, step, scores, axes, before=True)
    for step, weights in _after(trace, attention):
        yield from _met(trace, attention, step, weights, axes, before=False)


def _keys_and_queries(attention: Attention) -> tuple[Axis | None, Axis | None]:
    """The axis of the scores that softmax runs over, and the other operand's."""
    softmax, scores = attention.softmax.detail, attention.scores.detail if attention.scores is not None else None
    if not isinstance(softmax, Softmax) or softmax.axis is None or not isinstance(scores, Contraction):
        return None, None
    for keys, queries in ((scores.right, scores.left), (scores.left, scores.right)):
        if softmax.axis.ids and any(axis.ids == softmax.axis.ids for axis in keys):
            return softmax.axis, queries[-1] if queries else None
    return softmax.axis, None


def _before(trace: Trace, attention: Attention) -> Iterator[tuple[Step, Tensor]]:
    """The steps on the way from the product to the softmax that may mask, with the scores that they are given."""
    tensor = attention.softmax.operands[0]
    for _ in range(40):
        step = trace.maker(tensor)
        if step is attention.scores or not step.operands:
            return
        tensor = next((one for one in step.operands if has_product(trace, one)), step.operands[0])
        if step.op in _MASK:
            yield step, tensor


def _after(trace: Trace, attention: Attention) -> Iterator[tuple[Step, Tensor]]:
    """The steps between the softmax and the product with the values that may mask, with the weights given to them."""
    tensor = attention.weights
    for _ in range(40):
        step = trace.maker(tensor) if tensor is not None else attention.softmax
        if step is attention.softmax:
            return
        inner = [one for one in step.operands if attention.softmax.index in trace.ancestors(trace.maker(one))]
        if not inner:
            return
        tensor = inner[0]
        if step.op in _MASK:
            yield step, tensor


_MASK = frozenset({"masked_fill", "put", "where", "add", "sub", "mul", "tril", "triu"})


def _met(
    trace: Trace,
    attention: Attention,
    step: Step,
    scores: Tensor,
    axes: tuple[Axis | None, Axis | None],
    *,
    before: bool,
) -> Iterator[Masking]:
    """The mask that scores or weights are given at a step, if it is one."""
    shape = trace.shape(scores)
    taken = _taken(trace, step, scores)
    if taken is None or shape is None:
        return
    mask, way, fill = taken
    keys, queries = axes
    places = place_of(shape, keys), place_of(shape, queries)
    made = None
    if mask is None and isinstance(step.detail, Triangle) and places == (1, 2):
        made = triangle(step.detail, shape, 1.0)
    elif mask is not None and places[0] is not None:
        made = trace.masks.mask(mask, step.index)
        made = oriented(made, trace.shape(mask), places[0], places[1]) if made is not None else None
    if made is not None and step.op == "sub":
        made = replace(made, seen=-made.seen, hidden=-made.hidden)
    falls = falls_of(trace.shape(mask) if mask is not None else shape, *places)
    square = keys is not None and queries is not None and trace.facts.same(keys.size, queries.size)
    own = attention.scores.index if attention.scores is not None else -1
    from_scores = mask is not None and _holds(trace, mask, own)
    places_ = (step.detail.mask_at, step.detail.value_at) if isinstance(step.detail, Put) else (None, None)
    yield Masking(attention.softmax, step, mask, made, way, fill, before, falls, "", square, from_scores, *places_)


def _taken(trace: Trace, step: Step, scores: Tensor) -> tuple[Tensor | None, Way, float | None] | None:
    """The mask at a step, what is done with it, and what hidden places get."""
    others = [operand for operand in step.operands if operand != scores]
    match step.detail:
        case Triangle():
            return None, Way.MULTIPLIED, 0.0
        case Put(value) if others:
            return others[0], Way.HIDES, trace.masks.constant(value, step.index)
        case Choice(condition, chosen, other) if condition is not None and (chosen == scores) is not (other == scores):
            way, fill = (Way.KEEPS, other) if chosen == scores else (Way.HIDES, chosen)
            return condition, way, trace.masks.constant(fill, step.index)
    if step.op in ("add", "mul", "sub") and len(others) == 1 and (step.op != "sub" or step.operands[0] == scores):
        return others[0], Way.MULTIPLIED if step.op == "mul" else Way.ADDED, None
    return None


def _holds(trace: Trace, mask: Tensor, scores: int) -> bool:
    """Whether the values of a mask come from the scores: their shape alone is nothing."""
    stack, seen = [mask.step], set[int]()
    while stack:
        step = trace.steps[stack.pop()]
        if step.index == scores:
            return True
        if step.index not in seen:
            seen.add(step.index)
            operands = step.operands[:1] if step.op == "expand" else step.operands
            stack += [] if step.op == "create" else [operand.step for operand in operands]
    return False
