"""Comments that claim shapes, held against the trace: which hold, which lie, and what no one can tell."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.apart import exchanged, is_borrowed, never_same
from shapecheck.shapes.dim import Dim, Kind, product
from shapecheck.shapes.remarks import Meanings, Remark
from shapecheck.shapes.shape import Axis, Shape
from shapecheck.shapes.words import Sort, Word

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Trace


class Verdict(enum.Enum):
    """What became of a claim."""

    HOLDS = "holds"
    LIES = "lies"
    OPEN = "open"  # no name of it is known to stand for a size, or the shape isn't known


@dataclass(frozen=True, slots=True)
class Claim:
    """A remark and the verdict on it; for a lie, the shape that is there, why it can't be, and the text that would hold."""

    remark: Remark
    verdict: Verdict
    shape: Shape | None = None
    why: str = ""
    mended: str | None = None

    @property
    def is_judged(self) -> bool:
        return self.verdict is not Verdict.OPEN


def claims(trace: Trace) -> Iterator[Claim]:
    """The claims of a trace, in order."""
    calls: dict[int, list[Remark]] = {}
    for remark in trace.remarks:
        calls.setdefault(remark.call, []).append(remark)
    for remarks in calls.values():
        yield from Call(trace, remarks).claims()


class Call:
    """The remarks of one call of a function, and what their names stand for."""

    def __init__(self, trace: Trace, remarks: Sequence[Remark]) -> None:
        self.trace = trace
        self.remarks = remarks
        self.meanings = Meanings(trace, remarks)

    def claims(self) -> Iterator[Claim]:
        slots: dict[tuple[object, int], list[int]] = {}
        for index, remark in enumerate(self.remarks):
            slots.setdefault((_whole(remark.place), remark.said.slot + 100 * remark.said.before), []).append(index)
        for alternatives in slots.values():
            judged = [self._judged(index) for index in alternatives]
            held = next((claim for claim in judged if claim.verdict is not Verdict.LIES), None)
            yield held or judged[0]

    # -- judging --------------------------------------------------------------------------------------------------------
    def _judged(self, index: int) -> Claim:
        remark = self.remarks[index]
        words = remark.said.words
        if not self.meanings.speaks_of_shapes(index) or self.trace.contradictory or not remark.of:
            return Claim(remark, Verdict.OPEN)
        shapes = list(dict.fromkeys(self.meanings.shape(tensor) for tensor in remark.of))
        meant = [self.meanings.meant(word, index) for word in words]
        first: str | None = None
        for shape in shapes:
            why = None if shape is None else self._lie(words, meant, shape.axes or (), index)
            if why is None:
                held = next((one for one in shapes if one is not None and self._holds(meant, one.axes or ())), None)
                return Claim(remark, Verdict.OPEN if held is None else Verdict.HOLDS, held)
            first = first or why
        if remark.said.before:
            return Claim(remark, Verdict.OPEN)  # what a line starts from may have been made on the way to it
        there = shapes[0]
        assert first is not None and there is not None
        return Claim(remark, Verdict.LIES, there, first, self.meanings.mended(remark, there, index))

    def _holds(self, meant: Sequence[Dim | None], axes: Sequence[Axis]) -> bool:
        """Whether there are as many axes as words, and the words that stand for a size stand where it is."""
        bound = [(size, axis) for size, axis in zip(meant, axes, strict=False) if size is not None]
        return (
            len(meant) == len(axes)
            and any(size.value is None or len(bound) == len(axes) for size, _ in bound)
            and all(self.trace.facts.same(size, axis.size) for size, axis in bound)
        )

    def _lie(self, words: Sequence[Word], meant: Sequence[Dim | None], axes: Sequence[Axis], index: int) -> str | None:
        """Why a shape can't be what the words say; None where it may."""
        many = sum(word.sort is Sort.MANY for word in words)
        needed = sum(1 for word in words if word.sort is not Sort.MANY)
        if not many and needed == len(axes):
            return next(
                (
                    why
                    for place, axis in enumerate(axes)
                    if (why := self._differs(words, meant, axes, place, axis, index))
                ),
                None,
            )
        wanted = [(word, size) for word, size in zip(words, meant, strict=True) if size is None or not size.is_one]
        if self._embeds(wanted, axes, index) or self._groups(wanted, axes):
            return None
        return f"{len(axes)} axes, not {needed}" if not many else "its axes are others"

    def _differs(
        self,
        words: Sequence[Word],
        meant: Sequence[Dim | None],
        axes: Sequence[Axis],
        place: int,
        axis: Axis,
        index: int,
    ) -> str | None:
        size = meant[place]
        if size is None or self.trace.facts.same(size, axis.size):
            return None
        moved = exchanged(self.trace.facts, place, meant, [one.size for one in axes]) or any(
            other is not axis and own is not None and self.trace.facts.same(own, axis.size)
            for own, other in zip(meant, axes, strict=True)
            if self.trace.facts.same(other.size, axis.size)
        )  # `[b, h, t, d]` of [b, h, t, t]: the size has its name in the comment already
        if self._is_other(words[place], size, axis, index, moved=moved):
            told = words[place].text if str(size) == words[place].text else f"{words[place].text} is {size}, and"
            return f"{told} stands for {axis.size}"
        return None

    def _is_other(self, word: Word, size: Dim, axis: Axis, index: int, *, moved: bool = False) -> bool:
        """Whether a size isn't that of an axis: never, or as the function calls that one by another name."""
        exactly = word.name in self.remarks[index].names  # the source itself calls a size so
        if is_borrowed(axis) or (not moved and self._may_be_given_alike(size, axis.size)):
            return False
        named = exactly and self.meanings.has_name(axis.size)
        return never_same(self.trace.facts, size, axis.size, exactly=exactly, named=named, moved=moved)

    def _may_be_given_alike(self, one: Dim, other: Dim) -> bool:
        """Whether a caller may choose an input so that two sizes are the same; `b` and `b*h` never are."""
        facts = self.trace.facts
        given = {
            symbol for size in (one, other) for symbol in facts.resolve(size).symbols() if symbol.kind is Kind.INPUT
        }
        return bool(given) and facts.ratio(one, other) is None

    def _embeds(
        self, words: Sequence[tuple[Word, Dim | None]], axes: Sequence[Axis], index: int, first: int = 0
    ) -> bool:
        """Whether the words are the last axes and some before them, in order: batch and heads may go without saying."""
        if not words:
            return all(axis.is_one for axis in axes[first:])
        (word, size), rest = words[0], words[1:]
        places = range(first, len(axes))
        if word.sort is Sort.MANY:
            return any(self._embeds(rest, axes, index, place) for place in (*places, len(axes)))
        if any(other.sort is Sort.MANY for other in self.remarks[index].said.words):
            places = places[:1]  # who says where axes are left out leaves none out elsewhere
        return any(
            self._may_be(word, size, place, axes, index) and self._embeds(rest, axes, index, place + 1)
            for place in places
        )

    def _may_be(self, word: Word, size: Dim | None, place: int, axes: Sequence[Axis], index: int) -> bool:
        there = axes[place].size
        if word.sort is Sort.ANY or size is None or not there.known or self.trace.facts.same(size, there):
            return True
        moved = any(self.trace.facts.same(size, axis.size) for axis in axes)  # it has an axis of its own
        return not self._is_other(word, size, axes[place], index, moved=moved)

    def _groups(self, words: Sequence[tuple[Word, Dim | None]], axes: Sequence[Axis]) -> bool:
        """Whether axes are products of neighbouring words: `B H W C` for [b, h*w, c]."""
        if not axes:
            return not words
        for count in range(1, len(words) - len(axes) + 2):
            sizes = [size for _, size in words[:count]]
            known = [size for size in sizes if size is not None]
            total = product(known)
            if len(known) < len(sizes):
                fits = count == 1 or (_is_merged(axes[0]) and self.trace.facts.divide(axes[0].size, total) is not None)
            else:
                fits = self.trace.facts.same(total, axes[0].size)
            if fits and self._groups(words[count:], axes[1:]):
                return True
        return False


def _is_merged(axis: Axis) -> bool:
    """Whether an axis is, or may be, made of several."""
    return len(axis.factors) > 1 or any(symbol.kind in (Kind.OPAQUE, Kind.UNKNOWN) for symbol in axis.size.symbols())


def _whole(place: Place) -> object:
    """The comment that a stretch is of."""
    return getattr(place, "node", place)
