"""ShapeError and ShapeWarning, and the story that they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapecheck.runtime.recording import Observation, table

SHOWN = 12  # recorded tensors before the one that is wrong


class ShapeError(ValueError):
    """A tensor contradicts what was written of it, or, with `strict`, what was inferred.

    `name` is the argument, local or result, `axis` the axis by name, `expected` and `found` its sizes, where it is one.
    """

    name: str = ""
    axis: str | None = None
    expected: int | None = None
    found: int | None = None

    # no __init__ of its own: compilers trace the raising of plain exceptions only


class ShapeWarning(UserWarning):
    """A tensor contradicts what was inferred, or less can be checked than was asked for."""


@dataclass(frozen=True, slots=True)
class Story:
    """All that is said of one mismatch: the fact, the place, what was bound where, the trace up to there, the fix."""

    fact: str
    place: tuple[Path, int, str] | None = None
    bound: Sequence[tuple[str, int | tuple[int, ...], str]] = ()
    before: tuple[Observation, ...] = ()
    help: str | None = None

    def __str__(self) -> str:
        lines = [self.fact]
        if self.place is not None:
            path, row, code = self.place
            lines += [f"  {path.name}:{row} | {code}".rstrip()]
        if self.bound:
            width = max(len(name) for name, *_ in self.bound)
            sizes = max(len(_sizes(size)) for _, size, _ in self.bound)
            lines.append("where")
            lines += [f"  {name:{width}} = {_sizes(size):{sizes}}  {where}" for name, size, where in self.bound]
        if self.before:
            left_out = len(self.before) - SHOWN
            lines.append("up to there" if left_out <= 0 else f"up to there, {left_out} earlier left out")
            lines += [f"  {line}" for line in table(self.before[-SHOWN:])]
        if self.help:
            lines.append(f"help: {self.help}")
        return "\n".join(lines)


def _sizes(size: int | tuple[int, ...]) -> str:
    return str(size) if isinstance(size, int) else str(list(size))
