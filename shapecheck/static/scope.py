"""Scope: the names that a body of code sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapecheck.static.project import File


@dataclass(eq=False, slots=True)
class Scope:
    """Local names over those of the enclosing function, down to the file's."""

    file: File
    row: int  # of the top-level statement that it stands in: a notebook's names mean their latest definition before it
    parent: Scope | None = None
    names: dict[str, Any] = field(default_factory=dict)

    def local(self, name: str) -> Any | None:
        """The value of a local or enclosing name; None where it is the file's or nobody's."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def inner(self) -> Scope:
        return Scope(self.file, self.row, self)
