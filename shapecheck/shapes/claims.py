"""Comments that claim shapes, held against the trace: which hold, which lie, and what no one can tell.

A name means one size in one call of a function: the one that the source gives it there, else the one that it stands for
wherever else a comment of the same function uses it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from shapecheck.shapes.apart import exchanged, never_same
from shapecheck.shapes.comments import Said, Sort, Word
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.shape import Axis, Shape
from shapecheck.shapes.substitute import substituted

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Tensor, Trace


@dataclass(frozen=True, slots=True)
class Remark:
    """A shape that a comment or a docstring claims, and the tensors that it may be about.

    `made` are those that the line makes (or the argument, the result), `of` all that it could be said of; `names` what
    sizes have its words as names in the source there; `call` numbers the call of the function that it stands in.
    """

    place: Place
    said: Said
    call: int
    name: str  # of the tensor, as the source calls it
    made: tuple[Tensor, ...]
    of: tuple[Tensor, ...]
    names: Mapping[str, Dim]


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


_BATCH = frozenset(
    {"b", "B", "bs", "BS", "bsz", "batch", "batch_size", "Batch", "n", "N", "nb", "batchsize", "BatchSize"}
)


def claims(trace: Trace) -> Iterator[Claim]:
    """The claims of a trace, in order."""
    calls: dict[int, list[Remark]] = {}
    for remark in trace.remarks:
        calls.setdefault(remark.call, []).append(remark)
    for remarks in calls.values():
        yield from Call(trace, remarks).claims()


@dataclass(frozen=True, slots=True)
class Use:
    """A name used for an axis of a known shape, by one remark."""

    size: Dim
    remark: int


class Call:
    """The remarks of one call of a function, and what their names stand for."""

    def __init__(self, trace: Trace, remarks: Sequence[Remark]) -> None:
        self.trace = trace
        self.remarks = remarks

    def claims(self) -> Iterator[Claim]:
        slots: dict[tuple[object, int], list[int]] = {}
        for index, remark in enumerate(self.remarks):
            slots.setdefault((_whole(remark.place), remark.said.slot + 100 * remark.said.before), []).append(index)
        for alternatives in slots.values():
            judged = [self._judged(index) for index in alternatives]
            held = next((claim for claim in judged if claim.verdict is not Verdict.LIES), None)
            yield held or judged[0]

    # -- names --------------------------------------------------------------------------------------------------------
    @cached_property
    def uses(self) -> Mapping[str, tuple[Use, ...]]:
        """Where each name stands for an axis of a tensor that its line makes."""
        found: dict[str, list[Use]] = {}
        for index, remark in enumerate(self.remarks):
            words = remark.said.words
            axes = self._only(remark)
            if axes is None or any(word.sort is Sort.MANY for word in words):
                continue
            for word, axis in zip(words, axes, strict=True):
                if word.name is not None and axis.size.known:
                    found.setdefault(word.name, []).append(Use(self.trace.facts.simplify(axis.size), index))
        return {name: tuple(uses) for name, uses in found.items()}

    def _only(self, remark: Remark) -> Sequence[Axis] | None:
        """The axes that a remark speaks of, where all that have as many are alike: one above a line may mean any."""
        shapes = [shape for tensor in remark.of if (shape := self._shape(tensor)) is not None]
        fitting = {str(shape): shape.axes for shape in shapes if shape.rank == len(remark.said.words)}
        return next(iter(fitting.values())) if len(fitting) == 1 else None

    def size(self, name: str, index: int) -> Dim | None:
        """What a name stands for in a remark: what the source calls so there, else what the other remarks mean by it."""
        names = self.remarks[index].names if index < len(self.remarks) else {}
        if (own := names.get(name)) is not None:
            return self.trace.facts.simplify(own)
        if name.lower() in names and all(use.remark == index for use in self.uses.get(name, ())):
            return self.trace.facts.simplify(names[name.lower()])
        groups: list[list[Use]] = []
        for use in self.uses.get(name, ()):
            if use.remark == index:
                continue
            group = next((group for group in groups if self.trace.facts.same(group[0].size, use.size)), None)
            if group is None:
                groups.append([use])
            else:
                group.append(use)
        groups.sort(key=lambda group: -len({use.remark for use in group}))
        if not groups or (len(groups) > 1 and len(groups[0]) == len(groups[1])):
            return None
        first = min(use.remark for use in groups[0])
        return groups[0][0].size if first < index or len({use.remark for use in groups[0]}) > 1 else None

    def _meant(self, word: Word, index: int) -> Dim | None:
        """The size that a word stands for; None where a name of it stands for none."""
        if word.size is None:
            return None
        values = {symbol: self.size(symbol.name, index) for symbol in word.size.symbols()}
        if any(value is None for value in values.values()):
            return None
        known = {symbol: value for symbol, value in values.items() if value is not None}
        return self.trace.facts.simplify(substituted(word.size, known))

    # -- judging --------------------------------------------------------------------------------------------------------
    def _shape(self, tensor: Tensor) -> Shape | None:
        shape = self.trace.shape(tensor)
        return None if shape is None or shape.axes is None or self.trace.facts.rests_on_assumption([shape]) else shape

    def _judged(self, index: int) -> Claim:
        remark = self.remarks[index]
        words = remark.said.words
        if not self._speaks_of_shapes(index) or self.trace.contradictory or not remark.of:
            return Claim(remark, Verdict.OPEN)
        shapes = [self._shape(tensor) for tensor in remark.of]
        meant = [self._meant(word, index) for word in words]
        whys = [None if shape is None else self._lie(words, meant, shape.axes or (), index) for shape in shapes]
        if all(whys) and whys[0] is not None and shapes[0] is not None:
            return Claim(remark, Verdict.LIES, shapes[0], whys[0], self._mended(remark, shapes[0], index))
        for shape in shapes:
            if shape is not None and self._holds(meant, shape.axes or ()):
                return Claim(remark, Verdict.HOLDS, shape)
        return Claim(remark, Verdict.OPEN)

    def _speaks_of_shapes(self, index: int) -> bool:
        """Whether some word shows that the list is a shape: it says so, names a batch, or a size of the source."""
        remark = self.remarks[index]
        said = remark.said
        sizes = [word for word in said.words if word.sort is Sort.SIZE]
        if all(word.size is not None and word.size.value is not None for word in sizes):
            return said.keyed
        if said.keyed or (said.words[0].text in _BATCH and len(said.words) > 1):
            return True
        return any(
            symbol.name in remark.names for word in sizes if word.size is not None for symbol in word.size.symbols()
        )

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
        wanted = [
            (word, size)
            for word, size in zip(words, meant, strict=True)
            if word.sort is Sort.MANY or size is None or not size.is_one
        ]
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
        moved = exchanged(self.trace.facts, place, meant, [one.size for one in axes])
        if self._is_other(words[place], size, axis, index, moved=moved):
            told = words[place].text if str(size) == words[place].text else f"{words[place].text} is {size}, and"
            return f"{told} stands for {axis.size}"
        return None

    def _is_other(self, word: Word, size: Dim, axis: Axis, index: int, *, moved: bool = False) -> bool:
        """Whether a size isn't that of an axis: never, or as the function calls that one by another name."""
        exactly, named = word.name in self.remarks[index].names, moved or self._has_own_name(axis.size)
        return never_same(self.trace.facts, size, axis.size, exactly=exactly, named=named)

    def _has_own_name(self, size: Dim) -> bool:
        """Whether the function has a name for a size: one that its comments use."""
        return any(self.trace.facts.same(one, size) for one in self._named)

    @cached_property
    def _named(self) -> Sequence[Dim]:
        by_source = [dim for remark in self.remarks for dim in remark.names.values()]
        by_use = [self.size(name, len(self.remarks)) for name in self._words()]
        return [self.trace.facts.simplify(dim) for dim in (*by_source, *by_use) if dim is not None]

    def _words(self) -> Iterator[str]:
        seen: dict[str, None] = {}
        for remark in self.remarks:
            for word in remark.said.words:
                if word.name is not None:
                    seen.setdefault(word.name)
        yield from seen

    def _embeds(self, words: Sequence[tuple[Word, Dim | None]], axes: Sequence[Axis], index: int) -> bool:
        """Whether the words are the last axes and some before them, in order: batch and heads may go without saying."""
        if not words:
            return all(axis.is_one for axis in axes)
        (word, size), rest = words[0], words[1:]
        if word.sort is Sort.MANY:
            return any(self._embeds(rest, axes[count:], index) for count in range(len(axes) + 1))
        return any(
            self._may_be(word, size, axis, index) and self._embeds(rest, axes[place + 1 :], index)
            for place, axis in enumerate(axes)
        )

    def _may_be(self, word: Word, size: Dim | None, axis: Axis, index: int) -> bool:
        if word.sort is Sort.ANY or size is None or not axis.size.known or self.trace.facts.same(size, axis.size):
            return True
        return not self._is_other(word, size, axis, index)

    def _groups(self, words: Sequence[tuple[Word, Dim | None]], axes: Sequence[Axis]) -> bool:
        """Whether axes are products of neighbouring words: `B H W C` for [b, h*w, c]."""
        if not axes:
            return not words
        for count in range(1, len(words) - len(axes) + 2):
            sizes = [size for _, size in words[:count]]
            known = [size for size in sizes if size is not None]
            if len(known) < len(sizes):
                fits = count == 1 or _is_merged(axes[0])
            else:
                total = known[0]
                for size in known[1:]:
                    total = total * size
                fits = self.trace.facts.same(total, axes[0].size)
            if fits and self._groups(words[count:], axes[1:]):
                return True
        return False

    # -- mending --------------------------------------------------------------------------------------------------------
    def _mended(self, remark: Remark, shape: Shape, index: int) -> str | None:
        """The comment's own words for the shape that is there."""
        axes = shape.axes or ()
        if not axes or not all(axis.size.known for axis in axes):
            return None
        words = remark.said.words
        names = list(dict.fromkeys([*(word.name for word in words if word.name), *self._words(), *remark.names]))
        written = []
        for place, axis in enumerate(axes):
            own = [words[place], *words] if len(words) == len(axes) else words
            kept = next((word.text for word in own if self._is_said(word, axis.size, index)), None)
            written.append(kept or self._written(axis, names, index))
        return remark.said.written(written)

    def _is_said(self, word: Word, size: Dim, index: int) -> bool:
        meant = self._meant(word, index)
        return meant is not None and self.trace.facts.same(meant, size)

    def _written(self, axis: Axis, names: Sequence[str], index: int) -> str:
        """An axis by a name, by the names of the axes that it was made of, or as the engine prints it."""
        if axis.size.value is None:
            for size in ([axis.size], [factor.size for factor in axis.factors]):
                found = [self._name(one, names, index) for one in size]
                if found and all(found):
                    return "*".join(name for name in found if name)
        return str(axis.size)

    def _name(self, size: Dim, names: Sequence[str], index: int) -> str | None:
        for name in names:
            own = self.size(name, index)
            if own is not None and self.trace.facts.same(own, size):
                return name
        return None


def _is_merged(axis: Axis) -> bool:
    """Whether an axis is, or may be, made of several."""
    return len(axis.factors) > 1 or any(symbol.kind in (Kind.OPAQUE, Kind.UNKNOWN) for symbol in axis.size.symbols())


def _whole(place: Place) -> object:
    """The comment that a stretch is of."""
    return getattr(place, "node", place)
