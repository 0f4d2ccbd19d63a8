"""Predicted traces and a recording → Confirmation: which tensors are as predicted, name by name and line by line."""

from __future__ import annotations

import enum
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from shapecheck.runtime.decided import contradicts
from shapecheck.runtime.recording import Recording, Site
from shapecheck.runtime.unify import Sizes
from shapecheck.shapes.shape import Axis, Row, Shape
from shapecheck.shapes.trace import Place, Tensor, Trace
from shapecheck.static.syntax import NodePlace

At = tuple[str, int, int]  # a file, a row, a column


class Verdict(enum.Enum):
    RIGHT = "right"
    WRONG = "wrong"
    UNPREDICTED = "not predicted"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One recorded tensor beside what was predicted of it. `lost_by` is what lost the prediction, where there is none."""

    verdict: Verdict
    site: Site
    found: tuple[int, ...]
    expected: str = ""  # over symbols
    numbers: str = ""  # the same with the numbers that are known by then
    lost_by: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A recording judged by the path of the prediction that ran.

    `sizes` are the symbols with their numbers. `doubtful` where several paths could have been the one that ran, and not
    all of them fit what was recorded.
    """

    symbol: str
    comparisons: tuple[Comparison, ...]
    sizes: Mapping[str, int]
    trace: Trace | None
    doubtful: bool = False

    def of(self, verdict: Verdict) -> tuple[Comparison, ...]:
        return tuple(one for one in self.comparisons if one.verdict is verdict)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={number}" for name, number in self.sizes.items())
        wrong, right = len(self.of(Verdict.WRONG)), len(self.of(Verdict.RIGHT))
        if wrong:
            return f"{sizes}; {wrong} of {right + wrong} tensors are not as predicted"
        return f"{sizes}; all {right} tensors as predicted" if right else "nothing was predicted"


def confirm(
    traces: Sequence[Trace], recording: Recording, known: Mapping[str, Any] | None = None, inputs: str = "forward"
) -> Confirmation:
    """Judge a recording by the predicted traces; `known` is what the constructor was given, by name."""
    known = known or {}
    ran = _agreeing(traces, _Ran(recording))
    judged = [
        _Judge(trace, recording, known, inputs).confirmation()
        for trace in [trace for trace in ran if not contradicts(trace.decisions, known)] or ran
    ]
    if not judged:
        lost = tuple(
            Comparison(Verdict.UNPREDICTED, one.site, one.shape, lost_by="no path")
            for one in recording.observations
            if one.site.kind == "assign"
        )
        return Confirmation(recording.symbol, lost, {}, None)
    best = min(judged, key=lambda one: (len(one.of(Verdict.WRONG)), -len(one.of(Verdict.RIGHT))))
    return replace(best, doubtful=any(one.of(Verdict.WRONG) for one in judged if one is not best))


# -- the path that ran ---------------------------------------------------------------------------------------------------
class _Ran:
    """Which stretches of code ran, of those that were watched."""

    def __init__(self, recording: Recording) -> None:
        self.reached = recording.reached
        self._blocks: dict[str, list[Site]] = defaultdict(list)
        for site in recording.sites:
            if site.kind == "block":
                self._blocks[real(site.path)].append(site)

    def block(self, at: At) -> Site | None:
        """The innermost stretch around a place."""
        path, row, column = at
        around = [
            site
            for site in self._blocks.get(path, ())
            if (site.row, site.column) <= (row, column) < (site.end_row, site.end_column)
        ]
        return max(around, key=lambda site: (site.row, site.column, -site.end_row, -site.end_column), default=None)


def _agreeing(traces: Sequence[Trace], ran: _Ran) -> list[Trace]:
    """The traces that ran what was run and nothing else, or come nearest to it."""
    blocks = [{block for at in _places(trace) if (block := ran.block(at)) is not None} for trace in traces]
    known = set().union(*blocks) & ran.reached
    off = [(len(own - ran.reached) + len(known - own), index) for index, own in enumerate(blocks)]
    least = min((count for count, _ in off), default=0)
    return [traces[index] for count, index in off if count == least]


def _places(trace: Trace) -> set[At]:
    places = {place for step in trace.steps if (place := at(step.place)) is not None}
    return places | {place for bound in trace.bound if (place := at(bound.place)) is not None}


def at(place: Place) -> At | None:
    if not isinstance(place, NodePlace):
        return None
    try:
        span = place.span
    except KeyError:  # a node that stands for something the source doesn't spell out
        return None
    return real(place.path), span.row, span.column


@lru_cache(maxsize=4096)
def real(path: Path) -> str:
    return os.path.realpath(path)


# -- judging -------------------------------------------------------------------------------------------------------------
Judged = tuple[Comparison, Shape | None]  # with the predicted shape


class _Judge:
    """One predicted trace against a recording, in the order in which things ran."""

    def __init__(self, trace: Trace, recording: Recording, known: Mapping[str, Any], inputs: str) -> None:
        self.trace = trace
        self.recording = recording
        self.inputs = inputs
        self.sizes = Sizes()
        self.known = known
        self.other_rank: str = ""

    def confirmation(self) -> Confirmation:
        compared = [*self._arguments()]
        compared += self._assigned()
        compared += self._returned()
        settled = tuple(self._again(one, shape) for one, shape in compared)
        return Confirmation(self.recording.symbol, settled, self.sizes.told(), self.trace)

    def _again(self, one: Comparison, shape: Shape | None) -> Comparison:
        """A comparison with all that is known in the end: a product of sizes may have been settled late."""
        axes = shape.axes if shape is not None and one.verdict is Verdict.RIGHT else None
        numbers = [self.sizes.reduced(axis.size).value for axis in axes or ()]
        if any(number not in (None, found) for number, found in zip(numbers, one.found, strict=False)):
            return replace(one, verdict=Verdict.WRONG, numbers=self._numbers(shape) if shape else "")
        return one

    def _arguments(self) -> Iterator[Judged]:
        """Bind what the arguments say; what the constructor was given comes first."""
        for tensor in (result for step in self.trace.steps for result in step.results if result.shape is not None):
            assert tensor.shape is not None
            for symbol in {symbol for factor in tensor.shape.factors() for symbol in factor.size.symbols()}:
                match symbol.key:
                    case ("param", self.trace.symbol, str(given_as)) if type(self.known.get(given_as)) is int:
                        self.sizes.bind(symbol, self.known[given_as], f"given as {given_as}")
        given = {
            one.name: one
            for one in reversed(self.recording.observations)
            if one.site.kind == "argument" and one.site.function == self.inputs
        }
        for step in self.trace.steps:
            name = _argument(step.result) if step.op == "input" and step.results else None
            if name is None or name not in given or step.result.shape is None:
                continue
            shape = self.trace.shape(step.result)
            assert shape is not None
            one = given[name]
            if (shape.rank is not None and shape.rank != len(one.shape)) or len(shape.entries) - 1 > len(one.shape):
                self.other_rank = f"rank of {name}"
                continue
            judged = self._judged(step.result, one.shape, one.site)
            if judged[0].verdict is Verdict.WRONG:
                yield judged

    def _assigned(self) -> Iterator[Judged]:
        predicted: dict[tuple[At, str], list[Tensor]] = defaultdict(list)
        for bound in self.trace.bound:
            place = at(bound.place)
            if place is not None:
                predicted[place, bound.name].append(bound.tensor)
        passed: dict[Site, int] = defaultdict(int)
        for one in self.recording.observations:
            if one.site.kind != "assign":
                continue
            count = passed[one.site]
            passed[one.site] += 1
            tensors = predicted.get(((real(one.site.path), one.site.row, one.site.column), one.name), [])
            if count < len(tensors):
                yield self._judged(tensors[count], one.shape, one.site)
            elif not tensors:
                yield Comparison(Verdict.UNPREDICTED, one.site, one.shape, lost_by=self._unreached(one.site)), None

    def _unreached(self, site: Site) -> str:
        if not self.trace.completed:
            return "the path was given up"
        return "not taken for a tensor" if site.function == self.inputs else f"{site.function} isn't followed"

    def _returned(self) -> Iterator[Judged]:
        sites = [one.site for one in self.recording.observations if one.site.kind == "return"]
        if not sites:
            return
        known = len(self.trace.returned) == len(self.recording.returned)
        for index, shape in enumerate(self.recording.returned):
            if known:
                yield self._judged(self.trace.returned[index], shape, sites[-1])
            else:
                yield Comparison(Verdict.UNPREDICTED, sites[-1], shape, lost_by="what is returned"), None

    def _judged(self, tensor: Tensor, found: tuple[int, ...], site: Site) -> Judged:
        shape = self.trace.shape(tensor)
        maker = self.trace.maker(tensor)
        lost = maker.lost_by or maker.op
        if self.other_rank:
            return Comparison(Verdict.UNPREDICTED, site, found, lost_by=self.other_rank), shape
        if shape is None:
            return Comparison(Verdict.UNPREDICTED, site, found, lost_by=lost), None
        numbers = self._numbers(shape)
        if not self._fits(shape, found, site):
            if len(found) != len(shape.entries) and self._assumed(shape):
                return Comparison(
                    Verdict.UNPREDICTED, site, found, str(shape), numbers, "a rank that is only usual"
                ), None
            verdict, lost = Verdict.WRONG, ""
        elif shape.known:
            verdict, lost = Verdict.RIGHT, ""
        else:
            verdict = Verdict.UNPREDICTED
        return Comparison(verdict, site, found, str(shape), numbers, lost), shape

    def _fits(self, shape: Shape, found: tuple[int, ...], site: Site) -> bool:
        """Whether the known sizes are the ones that were found: all of them, or those on both sides of a row."""
        if shape.rank is None:  # the axes in front of a row and those behind it may be the same ones
            place = next(index for index, entry in enumerate(shape.entries) if isinstance(entry, Row))
            behind = shape.entries[place + 1 :]
            pairs = list(zip(shape.entries[:place], found, strict=False))
            pairs += list(zip(reversed(behind), reversed(found), strict=False))
        elif shape.rank != len(found):
            return False
        else:
            pairs = list(zip(shape.entries, found, strict=True))
        where = f"`{site.name}`, line {site.row}"
        return all(
            self.sizes.meet(entry.size, number, where)
            for entry, number in pairs
            if isinstance(entry, Axis) and entry.size.known
        )

    def _assumed(self, shape: Shape) -> bool:
        """Whether some axis is only there if a rank is as is usual: no claim is made of it."""
        assumed = self.trace.facts.assumed
        keys: list[object] = [entry.key for entry in shape.entries if isinstance(entry, Row)]
        for factor in shape.factors():
            keys += [factor.id, *(symbol.key for symbol in factor.size.symbols())]
        return bool(assumed) and any(_within(key, assumed) for key in keys)

    def _numbers(self, shape: Shape) -> str:
        return (
            f"[{', '.join(str(self.sizes.reduced(e.size)) if isinstance(e, Axis) else str(e) for e in shape.entries)}]"
        )


def _within(key: object, assumed: AbstractSet[object]) -> bool:
    """Whether an identity comes from one of a row that was assumed."""
    return key in assumed or (
        isinstance(key, tuple) and any(_within(part, assumed) for part in key if isinstance(part, tuple))
    )


def _argument(tensor: Tensor) -> str | None:
    """The name of the argument that a tensor is."""
    entries = tensor.shape.entries if tensor.shape is not None else ()
    if len(entries) == 1 and isinstance(entries[0], Row):
        match entries[0].key:
            case ("row", ("param", _, str(name))):
                return name
    return None
