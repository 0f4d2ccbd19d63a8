"""Copies of heads for groups of queries: whose queries each copy meets is decided by the order they come in."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.attention import Attention
from shapecheck.shapes.details import Applied, Sdpa
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.moves import MOVES
from shapecheck.shapes.shape import Axis, Factor, Origin, is_head_part, is_heads

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Step, Tensor, Trace


class Order(enum.Enum):
    """In which order the copies of heads k0 and k1 stand; the value is how it reads."""

    EACH = "0 0 1 1"  # repeat_interleave, expand of an axis behind the heads, enable_gqa
    ALL = "0 1 0 1"  # repeat, tile, expand of an axis before the heads

    def told(self, letter: str) -> str:
        return " ".join(f"{letter}{number}" for number in self.value.split())


@dataclass(frozen=True)
class Copied:
    """An axis that holds `count` copies of `of`; `step` made them."""

    step: Step
    of: Dim
    count: Dim
    order: Order


@dataclass(frozen=True)
class Repeats:
    """What one attention repeats, and which queries meet which keys for it.

    `grouped` is how the queries' heads were put together from groups, where they were; `pairing` how the heads that the
    layer of the queries gives, in their order, meet those of the keys.
    """

    keys: Copied | None
    values: Copied | None
    grouped: Order | None
    pairing: Order | None
    source: str | None  # the layer that the keys come from


def repeats(trace: Trace, attention: Attention) -> Repeats | None:
    """None where queries, keys and values can't be told apart."""
    operands = _operands(trace, attention)
    if operands is None:
        return None
    queries, keys, values = operands
    copied = _copied(trace, keys)
    grouped = _grouped(trace, queries, copied) if copied is not None else None
    if copied is None:
        pairing = _met(trace, attention, queries, keys)
    else:
        pairing = copied.order if grouped is copied.order or _as_given(trace, queries, copied) else None
    return Repeats(copied, _copied(trace, values), grouped, pairing, _source(trace, keys))


def _operands(trace: Trace, attention: Attention) -> tuple[Tensor, Tensor, Tensor] | None:
    """Queries, keys, values. In a product of queries and keys, those that are copied are the keys."""
    if attention.scores is None or attention.context is None:
        return None
    if attention.kernel:
        queries, keys, values = attention.scores.operands[:3]
        return queries, keys, values
    queries, keys = attention.scores.operands
    others = [operand for operand in attention.context.operands if operand is not attention.weights]
    if len(others) != 1:
        return None
    if _copied(trace, keys) is None and _copied(trace, queries) is not None:
        queries, keys = keys, queries
    return queries, keys, others[0]


def _copied(trace: Trace, tensor: Tensor) -> Copied | None:
    """The one axis of a tensor that holds copies of heads, where there is one such."""
    shape = trace.shape(tensor)
    found = [axis for axis in (shape.axes or ()) if _order(axis) is not None] if shape is not None else []
    if len(found) != 1:
        return None
    (axis,) = found
    order, copy = _order(axis), next(factor for factor in axis.factors if factor.origin is Origin.REPEAT)
    assert order is not None
    of = Axis(tuple(factor for factor in axis.factors if factor is not copy)).size
    return Copied(_maker(trace, tensor, copy), of, copy.size, order)


def _order(axis: Axis) -> Order | None:
    factors = [factor for factor in axis.factors if not factor.size.is_one]
    copies = [index for index, factor in enumerate(factors) if factor.origin is Origin.REPEAT]
    if len(copies) != 1 or len(factors) < 2 or copies[0] not in (0, len(factors) - 1):
        return None
    return Order.ALL if copies[0] == 0 else Order.EACH


def _maker(trace: Trace, tensor: Tensor, copy: Factor) -> Step:
    """The step that brought the copies in."""
    step = trace.maker(tensor)
    while True:
        held = [operand for operand in step.operands if _holds(trace, operand, copy)]
        if not held:
            return step
        step = trace.maker(held[0])


def _holds(trace: Trace, tensor: Tensor, copy: Factor) -> bool:
    shape = trace.shape(tensor)
    return shape is not None and copy in shape.factors()


def _grouped(trace: Trace, queries: Tensor, copied: Copied) -> Order | None:
    """How groups of queries were put together into one axis of heads: each kv head's group by itself, or one of each."""
    shape, facts = trace.shape(queries), trace.facts
    if facts.same(copied.of, copied.count):
        return None
    for axis in (shape.axes or ()) if shape is not None else ():
        for one, other in zip(axis.factors, axis.factors[1:], strict=False):
            if one.whole is None or one.whole != other.whole:
                continue
            if facts.same(one.size, copied.of) and facts.same(other.size, copied.count):
                return Order.EACH
            if facts.same(one.size, copied.count) and facts.same(other.size, copied.of):
                return Order.ALL
    return None


def _as_given(trace: Trace, queries: Tensor, copied: Copied) -> bool:
    """Whether the queries' heads are in the order in which a layer gave them."""
    shape, heads = trace.shape(queries), copied.of * copied.count
    axes = (shape.axes or ()) if shape is not None else ()
    return any(
        len(axis.factors) == 1 and is_heads(axis) and trace.facts.same(axis.factors[0].size, heads) for axis in axes
    )


def _met(trace: Trace, attention: Attention, queries: Tensor, keys: Tensor) -> Order | None:
    """How groups of queries meet heads that aren't copied: by a kernel's flag, or by axes of their own."""
    detail = attention.scores.detail if attention.scores is not None else None
    if isinstance(detail, Sdpa) and detail.grouped:
        return Order.EACH
    asked, met = trace.shape(queries), trace.shape(keys)
    if asked is None or met is None:
        return None
    heads = [factor.size for factor in met.factors() if is_head_part(factor)]
    if len(heads) != 1:
        return None
    parts = [factor for factor in asked.factors() if factor.origin is Origin.LAYER and factor.whole is not None]
    pairs = [(one, two) for one in parts for two in parts if one.whole == two.whole and _follows(one, two)]
    first = any(trace.facts.same(one.size, heads[0]) for one, _ in pairs)
    second = any(trace.facts.same(two.size, heads[0]) for _, two in pairs)
    return None if first == second else Order.EACH if first else Order.ALL


def _follows(one: Factor, other: Factor) -> bool:
    return one.part is not None and other.part is not None and one.part[0] + 1 == other.part[0]


def _source(trace: Trace, tensor: Tensor) -> str | None:
    """The layer that a tensor comes from, moved at most."""
    step = trace.maker(tensor)
    while not isinstance(step.detail, Applied):
        if step.op not in MOVES or not step.operands:
            return None
        step = trace.maker(step.operands[0])
    return step.detail.name
