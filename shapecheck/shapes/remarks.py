"""What the comments of one call of a function say, and what the names in them stand for.

A name means one size in one call: the one that the source gives it there, else the one that it stands for wherever else
a comment of the same function uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from shapecheck.shapes.comments import Said
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Axis, Shape
from shapecheck.shapes.substitute import substituted
from shapecheck.shapes.words import BATCH, Sort, Word

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


@dataclass(frozen=True, slots=True)
class Use:
    """A name used for an axis of a known shape, by one remark."""

    size: Dim
    remark: int


class Meanings:
    """The remarks of one call of a function, by their places in the list, and what their words stand for."""

    def __init__(self, trace: Trace, remarks: Sequence[Remark]) -> None:
        self.trace = trace
        self.remarks = remarks
        self._known: dict[Dim, bool] = {}

    def shape(self, tensor: Tensor) -> Shape | None:
        shape = self.trace.shape(tensor)
        return None if shape is None or shape.axes is None or self.trace.facts.rests_on_assumption([shape]) else shape

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
        shapes = [shape for tensor in remark.of if (shape := self.shape(tensor)) is not None]
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

    def meant(self, word: Word, index: int) -> Dim | None:
        """The size that a word stands for; None where a name of it stands for none."""
        if word.size is None:
            return None
        values = {symbol: self.size(symbol.name, index) for symbol in word.size.symbols()}
        if any(value is None for value in values.values()):
            return None
        known = {symbol: value for symbol, value in values.items() if value is not None}
        return self.trace.facts.simplify(substituted(word.size, known))

    def has_name(self, size: Dim) -> bool:
        """Whether the source has a name for a size: one that some comment of the function uses."""
        if size not in self._known:
            named = (dim for remark in self.remarks for dim in remark.names.values())
            self._known[size] = any(self.trace.facts.same(one, size) for one in named)
        return self._known[size]

    def _words(self) -> Iterator[str]:
        seen: dict[str, None] = {}
        for remark in self.remarks:
            for word in remark.said.words:
                if word.name is not None:
                    seen.setdefault(word.name)
        yield from seen

    def speaks_of_shapes(self, index: int) -> bool:
        """Whether some word shows that the list is a shape: it says so, names a batch, or a size of the source."""
        remark = self.remarks[index]
        said = remark.said
        sizes = [word for word in said.words if word.sort is Sort.SIZE]
        if all(word.size is not None and word.size.value is not None for word in sizes):
            return said.keyed
        if said.keyed or (said.words[0].text in BATCH and len(said.words) > 1):
            return True
        shared = {word.name for word in sizes if any(use.remark != index for use in self.uses.get(word.name or "", ()))}
        return len(shared) > 1 or any(
            symbol.name in remark.names for word in sizes if word.size is not None for symbol in word.size.symbols()
        )

    # -- mending --------------------------------------------------------------------------------------------------------
    def mended(self, remark: Remark, shape: Shape, index: int) -> str | None:
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
        meant = self.meant(word, index)
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
