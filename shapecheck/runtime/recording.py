"""Recording and Observation: what the tensors of one call were, in the order in which they came about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the source where something is recorded: rows and columns from 1, columns in code points.

    `kind` is assign, argument, return, or block: the start of a stretch of code that runs as a whole. `end_row` and
    `end_column` close the stretch of a block.
    """

    kind: str
    name: str
    path: Path
    row: int
    column: int
    code: str
    function: str
    end_row: int = 0
    end_column: int = 0
    annotation: str = ""  # of an assignment that has one


@dataclass(frozen=True, slots=True)
class Observation:
    """A tensor as it was when a name was bound to it."""

    site: Site
    shape: tuple[int, ...]
    dtype: str
    device: str

    @property
    def name(self) -> str:
        return self.site.name

    @property
    def row(self) -> int:
        return self.site.row

    def __str__(self) -> str:
        return f"{self.name} is {list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Recording:
    """One call of a module or a function: every tensor that a name was bound to, and which code ran.

    `sites` are all the places of the functions that were looked at, `reached` those that ran. `attributes` are the sizes
    that the module held; `error` says what the call raised, if it did. `weaker` says what could not be looked at.
    """

    symbol: str
    observations: tuple[Observation, ...]
    reached: frozenset[Site]
    sites: tuple[Site, ...]
    returned: tuple[tuple[int, ...], ...] = ()
    error: str | None = None
    weaker: tuple[str, ...] = ()
    output: object = field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self.observations)

    def __len__(self) -> int:
        return len(self.observations)

    def of(self, name: str) -> tuple[tuple[int, ...], ...]:
        """The shapes that a name had, one after the other."""
        return tuple(one.shape for one in self.observations if one.name == name)

    def __str__(self) -> str:
        return "\n".join([f"{self.symbol}: {len(self)} tensors", *table(self.observations)])


def table(observations: tuple[Observation, ...]) -> Iterator[str]:
    """One line for each observation: row, name, shape, and the code that made it."""
    names = max((len(one.name) for one in observations), default=0)
    shapes = max((len(str(list(one.shape))) for one in observations), default=0)
    rows = max((len(str(one.row)) for one in observations), default=0)
    for one in observations:
        code = one.site.code if len(one.site.code) < 60 else one.site.code[:59] + "…"
        yield f"{one.row:>{rows}} | {one.name:{names}} {list(one.shape)!s:{shapes}}  {code}".rstrip()
