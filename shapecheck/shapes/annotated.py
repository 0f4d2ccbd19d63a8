"""Annotations held against the trace: which tensors can't have the shape that is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.annotation import AxisSpec, Of, Wanted
from shapecheck.shapes.apart import exchanged, never_same
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.parse import parse_dim
from shapecheck.shapes.shape import Axis, Shape
from shapecheck.shapes.substitute import substituted

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Tensor, Trace


@dataclass(frozen=True, slots=True)
class Annotated:
    """A tensor with an annotation: an argument, a local or `return`.

    `names` are the sizes that axis names have from the start, `call` numbers the call of the function.
    """

    place: Place
    wanted: Wanted
    call: int
    name: str
    tensor: Tensor
    names: Mapping[str, Dim]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A tensor that can't have the shape that is written of it, and why."""

    annotated: Annotated
    shape: Shape
    why: str


def mismatches(trace: Trace) -> Iterator[Mismatch]:
    """The annotations of a trace that don't hold, each call of a function with its own names."""
    for annotated, why in judged(trace):
        shape = trace.shape(annotated.tensor)
        if why is not None and shape is not None:
            yield Mismatch(annotated, shape, why)


def judged(trace: Trace) -> Iterator[tuple[Annotated, str | None]]:
    """Every annotation of a tensor whose rank is known, and why it doesn't hold."""
    calls: dict[int, Names] = {}
    for annotated in trace.annotated if not trace.contradictory else ():
        shape = trace.shape(annotated.tensor)
        names = calls.setdefault(annotated.call, Names(trace, dict(annotated.names)))
        if shape is not None and shape.axes is not None and not trace.facts.rests_on_assumption([shape]):
            yield annotated, names.meet(annotated.wanted, shape.axes)


class Names:
    """What axis names stand for in one call, each bound by the first axis that has it."""

    def __init__(self, trace: Trace, sizes: dict[str, Dim]) -> None:
        self.facts = trace.facts
        self.sizes = sizes
        self.many: dict[str, Sequence[Axis]] = {}

    def meet(self, wanted: Wanted, axes: Sequence[Axis]) -> str | None:
        """Why axes can't be what is written; None where they may, and then their sizes have the names from now on."""
        place = wanted.many
        if len(axes) < wanted.least or (place is None and len(axes) != wanted.least):
            return f"{len(axes)} axes, not {'at least ' if place is not None else ''}{wanted.least}"
        if place is None:
            return self._axes(wanted.axes, axes)
        end = len(axes) - (len(wanted.axes) - place - 1)
        return (
            self._axes(wanted.axes[:place], axes[:place])
            or self._axes(wanted.axes[place + 1 :], axes[end:])
            or self._many(wanted.axes[place], axes[place:end])
        )

    def _many(self, spec: AxisSpec, axes: Sequence[Axis]) -> str | None:
        if spec.of is Of.ANY or spec.broadcasts:
            return None
        before = self.many.setdefault(spec.name, axes)
        if len(before) != len(axes):
            return f"`*{spec.name}` is {len(axes)} axes, and {len(before)} elsewhere"
        for one, other in zip(before, axes, strict=True):
            if self._is_other(one.size, other.size):
                return f"`*{spec.name}` has {other.size} where it has {one.size} elsewhere"
        return None

    def _axes(self, specs: Sequence[AxisSpec], axes: Sequence[Axis]) -> str | None:
        wanted = [self._size(spec) for spec in specs]
        for place, (spec, size, axis) in enumerate(zip(specs, wanted, axes, strict=True)):
            if size is None or (spec.broadcasts and (axis.is_one or not axis.size.known)):
                continue
            if self._is_other(size, axis.size, moved=exchanged(self.facts, place, wanted, [one.size for one in axes])):
                told = spec.text if str(size) == spec.text else f"`{spec.text}` is {size}, and"
                return f"{told} stands for {axis.size}"
        for spec, axis in zip(specs, axes, strict=True):
            if spec.of is Of.NAME and not spec.broadcasts and axis.size.known:
                self.sizes.setdefault(spec.name, axis.size)
        return None

    def _size(self, spec: AxisSpec) -> Dim | None:
        match spec.of:
            case Of.NUMBER:
                return Dim.of(spec.number)
            case Of.NAME:
                return self.sizes.get(spec.name)
            case Of.SUM:
                return formula(spec.name, self.sizes)
        return None

    def _is_other(self, size: Dim, there: Dim, *, moved: bool = False) -> bool:
        """Whether a size is never the one that is there: by itself, or as that one has another name, or it has moved."""
        if self.facts.same(size, there) or not there.known:
            return False
        named = [one for one in self.sizes.values() if self.facts.same(one, there)]
        return never_same(self.facts, size, there, named=bool(named), moved=moved)


def formula(text: str, sizes: Mapping[str, Dim]) -> Dim | None:
    """The value of `2*d`, `h*{self.d}`; None where a name of it isn't bound, or it is no formula of sizes."""
    try:
        dim = parse_dim(re.sub(r"\{self\.(\w+)\}", rf"{OWN}\1", text))
    except (ValueError, ZeroDivisionError):
        return None
    known = {symbol: sizes[symbol.name] for symbol in dim.symbols() if symbol.name in sizes}
    return substituted(dim, known) if len(known) == len(dim.symbols()) else None


OWN = "self__"  # begins the name of an attribute that an annotation asks for as `{self.h}`
