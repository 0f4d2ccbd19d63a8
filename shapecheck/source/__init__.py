"""Bytes → Source: the text of a module, and where each row of it stands in the file."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shapecheck.rule import Span


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell of a notebook: its lines as the author wrote them, magics included."""

    number: int  # among all cells of the notebook, markdown ones too, from 1
    first_row: int  # of its first line, in the text of the module
    lines: tuple[str, ...]
    physical: tuple[int, ...]  # the line of the file that each of `lines` stands on
    indent: int = 0  # columns that Jupyter takes off every line before it runs the cell


@dataclass(frozen=True, slots=True)
class Location:
    """A span as the user sees it: rows count from 1 in each cell, `line` and `end_line` in the file itself."""

    cell: int | None
    row: int
    column: int
    end_row: int
    end_column: int
    line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Text that doesn't parse, in the coordinates of the module's text."""

    span: Span
    message: str


class Unreadable(Exception):
    """The bytes hold no Python text; `code` is E902 (bytes or encoding) or E999 (structure)."""

    def __init__(self, message: str, code: str = "E902", row: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.code, self.row, self.column = message, code, row, column


@dataclass(frozen=True)
class Source:
    """A module: a Python file, or all code cells of a notebook joined.

    Lines of `text` end with a newline and are split as Python splits them. Magics of IPython and cells that don't parse
    (`problems`) are blanked in `text`, `line` gives the lines as they were written.
    """

    path: Path
    text: str
    cells: tuple[Cell, ...] = ()
    problems: tuple[Problem, ...] = ()

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of `text`, without their ends; row n is `lines[n - 1]`."""
        lines = self.text.split("\n")
        return tuple(lines[:-1] if lines[-1] == "" else lines)

    def line(self, row: int) -> str:
        """Row `row` of the module as the author wrote it; empty beyond the last one."""
        cell = self._cell_at(row)
        lines, index = (cell.lines, row - cell.first_row) if cell else (self.lines, row - 1)
        return lines[index] if 0 <= index < len(lines) else ""

    def locate(self, span: Span) -> Location:
        """Where `span` stands in the file."""
        cell = self._cell_at(span.row)
        if cell is None:
            return Location(None, span.row, span.column, span.end_row, span.end_column, span.row, span.end_row)
        start, end = span.row - cell.first_row, min(span.end_row - cell.first_row, len(cell.lines) - 1)
        return Location(
            cell.number,
            start + 1,
            span.column + cell.indent,
            end + 1,
            span.end_column + cell.indent,
            cell.physical[start],
            cell.physical[end],
        )

    def _cell_at(self, row: int) -> Cell | None:
        index = bisect_right(self.cells, row, key=lambda cell: cell.first_row)
        return self.cells[max(index, 1) - 1] if self.cells else None


def absolute(path: Path | str) -> Path:
    """`path` from the root, without `..`; links keep the names that the user knows them by."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links)


def read(path: Path, data: bytes) -> Source:
    """The module that `data`, the content of `path`, holds; raises Unreadable."""
    if path.suffix == ".ipynb":
        from shapecheck.source import notebook

        return notebook.read(path, data)
    from shapecheck.source import python

    return Source(path, python.decode(data))
