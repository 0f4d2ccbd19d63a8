"""Ranks: how many axes shapes have, as far as a path has come to know or to suppose it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.rows import ahead, given_up, of_row, rows_of, whole_row, word_of
from shapecheck.shapes.shape import Entry, Row, Shape
from shapecheck.static.values import Unknown

USUAL = 3  # what nobody says the rank of is taken to be (batch, sequence, features) where an index must be resolved


@dataclass(eq=False, kw_only=True)
class Ranks:
    """The part of a run that lays axes bare and settles ranks; it knows the run's facts and nothing else of it."""

    assume: bool = False
    facts: Facts = field(default_factory=Facts)
    unsettled: bool = False  # some op needed a rank that wasn't known yet
    blind: bool = False  # two shapes were broadcast of which too little was known
    conflict: bool = False  # some op needed another rank than the one known
    usual: dict[object, int] = field(default_factory=dict)  # row → the rank that its use speaks for
    common: int = USUAL  # the rank of every other row
    ranks: dict[object, Shape] = field(default_factory=dict)  # a rank as a value → the shape that has it

    def front(self, shape: Shape, index: int) -> Shape:
        """The shape with axes from `index` on (counted from the front) laid bare, where a Row hides them.

        A row gives up one axis after another: `x.shape[1]` says no more than that there are two.
        """
        while (row := shape.row) is not None and shape.at(index) is None:
            place = shape.entries.index(row)
            if index < place:
                break
            behind = len(shape.entries) - 1 - place
            if behind and index + 1 + behind > self._usual(row):  # it may be one of those behind the row
                return self.ranked(shape, None, f"axis {index}", least=index + 1)
            self._open(row, 1)
            shape = self.facts.shape(shape)
        return shape

    def _usual(self, row: Row) -> int:
        return self.usual.get(whole_row(row.key), self.common)

    def back(self, shape: Shape, index: int, size: Dim | None = None) -> Shape:
        """The shape with its axis at a negative index laid bare; `size` is what that axis is, where it is known."""
        while (row := shape.row) is not None and shape.at(index) is None:
            behind = len(shape.entries) - 1 - shape.entries.index(row)
            if -index <= behind:
                break
            self._open(row, -1, size if -index == behind + 1 else None)
            shape = self.facts.shape(shape)
        return shape

    def _open(self, row: Row, side: int, size: Dim | None = None) -> None:
        rest = Row((row.key, side), row.name, row.given)
        name = f"{word_of(row.name)}_{ahead(row.key)}" if side > 0 else f"{word_of(row.name)}_last{given_up(row.key)}"
        axis = of_row(row, 0 if side > 0 else -1, name, size)
        self.facts.rows[row.key] = (axis, rest) if side > 0 else (rest, axis)

    def close(self, row: Row, axes: Sequence[Entry]) -> None:
        """Take a row to be these axes."""
        self.facts.rows[row.key] = tuple(axes)

    def ranked(self, shape: Shape, rank: int | None = None, why: str | None = None, least: int = 0) -> Shape:
        """The shape with its rank settled: to `rank` where the source says so, else, on a second run, as is usual."""
        row = shape.row
        if row is None:
            self.conflict |= rank is not None and shape.rank != rank
            if rank is not None and self.facts.assumed:  # what the source says is no assumption any more
                self.facts.assumed -= rows_of(shape)
            return shape
        others = len(shape.entries) - 1
        if rank is None:
            self.unsettled = True
            if not self.assume or why is None:
                return shape
            rank = max(least, others + max(0, self._usual(row) - given_up(row.key)))
            self._suppose(row, rank, why)
        if rank < others:
            return shape
        axes: list[Entry] = []
        for index in range(rank - others):
            last = index == rank - others - 1 and shape.entries[-1] == row
            axes.append(of_row(row, -1 if last else index, f"{word_of(row.name)}_{ahead(row.key) + index}"))
        self.close(row, axes)
        return self.facts.shape(shape)

    def only_assumed(self, shape: Shape) -> bool:
        """Whether a shape has its rank from an assumption."""
        return bool(self.facts.assumed) and not self.facts.assumed.isdisjoint(rows_of(shape))

    def supposed(self, shape: Shape, rank: int, why: str) -> Shape:
        """The shape with the rank that its use speaks for without proving it."""
        if shape.row is not None:
            self._suppose(shape.row, rank, why)
            return self.ranked(shape, rank)
        self.conflict |= shape.rank != rank
        return shape

    def _suppose(self, row: Row, rank: int, why: str) -> None:
        self.facts.assumptions.append(f"{row.name} has rank {rank}: {why}")
        self.facts.assumed.add(row.key)

    def takes_ids(self, shape: Shape) -> None:
        """Note that a tensor holds indices of an embedding: by custom [batch, sequence]."""
        if shape.row is not None and shape.row.given:
            self.usual[whole_row(shape.row.key)] = 2

    def rank_of(self, shape: Shape) -> Unknown:
        """A rank that isn't known, as a value: which one it is may be told by a condition."""
        value = Unknown(("ndim", shape.row.key if shape.row is not None else None, len(shape.entries)), "ndim")
        self.ranks[value.key] = shape
        return value
