"""A notebook → Source: all code cells in order are one module, a broken one is blanked and reported."""

from __future__ import annotations

import json
from bisect import bisect_right
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import accumulate
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from shapecheck.rule import Span
from shapecheck.source import Cell, Problem, Source, Unreadable
from shapecheck.source.magics import without_magics
from shapecheck.source.python import normalise


def read(path: Path, data: bytes) -> Source:
    """The module that the notebook's code cells make; raises Unreadable if the JSON is none of a notebook."""
    try:
        text = data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8") from error
    rows: list[str] = []
    cells: list[Cell] = []
    problems: list[Problem] = []
    for number, lines, physical in _code_cells(_parsed(text), text):
        indent = _indent(lines)
        cell = Cell(number, len(rows) + 1, lines, physical, indent)
        python = [line[indent:] for line in without_magics(lines)]
        if problem := _problem(python, cell):
            problems.append(problem)
            python = [""] * len(lines)
        cells.append(cell)
        rows += python
    return Source(path, "".join(row + "\n" for row in rows), tuple(cells), tuple(problems))


class _Placed(str):
    """A string of the JSON text that knows at which offset it starts."""

    __slots__ = ("offset",)
    offset: int


def _parsed(text: str) -> Any:
    decoder = json.JSONDecoder()
    decoder.parse_string = _placed_string  # type: ignore[attr-defined]
    decoder.scan_once = py_make_scanner(decoder)  # type: ignore[attr-defined]
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        message = f"not a notebook, its JSON is broken: {error.msg[:1].lower()}{error.msg[1:]}"
        raise Unreadable(message, "E999", error.lineno, error.colno) from error
    except RecursionError as error:
        raise Unreadable("not a notebook, its JSON is nested too deep", "E999") from error


def _placed_string(text: str, start: int, strict: bool = True) -> tuple[str, int]:
    value, end = json.decoder.scanstring(text, start, strict)  # type: ignore[attr-defined]
    placed = _Placed(value)
    placed.offset = start
    return placed, end


def _code_cells(notebook: Any, text: str) -> Iterator[tuple[int, tuple[str, ...], tuple[int, ...]]]:
    """The number, the lines and their lines in the file, of each cell of Python code that isn't empty."""
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("not a notebook: it has no list of `cells`", "E999")
    if not _is_python(notebook.get("metadata")):
        return
    line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code" or not _is_python_cell(cell):
            continue
        source = cell.get("source")
        pieces = [piece for piece in (source if isinstance(source, list) else [source]) if isinstance(piece, _Placed)]
        lines = _lines("".join(normalise(piece) for piece in pieces))
        if lines:
            yield number, lines, tuple(_physical(pieces, lines, line_starts))


def _is_python(metadata: Any) -> bool:
    """Whether the kernel speaks Python; a notebook without one is taken to."""
    told = metadata if isinstance(metadata, dict) else {}
    for key, field in (("language_info", "name"), ("kernelspec", "language")):
        about = told.get(key)
        if isinstance(about, dict) and isinstance(about.get(field), str):
            return "python" in about[field].lower()
    return True


def _is_python_cell(cell: dict[str, Any]) -> bool:
    """Whether the cell is Python's in an editor that lets each cell have its language."""
    metadata = cell.get("metadata")
    editor = metadata.get("vscode") if isinstance(metadata, dict) else None
    return not isinstance(editor, dict) or editor.get("languageId", "python") == "python"


def _lines(code: str) -> tuple[str, ...]:
    lines = code.split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def _physical(pieces: list[_Placed], lines: tuple[str, ...], line_starts: list[int]) -> Iterator[int]:
    """For each line of a cell the line of the file, that of the piece of JSON in which it starts."""
    ends = list(accumulate(len(normalise(piece)) for piece in pieces))
    offset = 0
    for line in lines:
        piece = pieces[min(bisect_right(ends, offset), len(pieces) - 1)]
        yield bisect_right(line_starts, piece.offset)
        offset += len(line) + 1


def _indent(lines: tuple[str, ...]) -> int:
    """How far the whole cell is indented: Jupyter takes that off."""
    written = [line for line in lines if line.strip()]
    first = written[0] if written else ""
    indent = len(first) - len(first.lstrip(" \t"))
    return indent if all(line.startswith(first[:indent]) for line in written) else 0


def _problem(python: list[str], cell: Cell) -> Problem | None:
    """Why the cell doesn't parse, if it doesn't."""
    if not any(python):
        return None
    from shapecheck.static.syntax import problem

    found = problem("".join(line + "\n" for line in python))
    if found is None:
        return None
    above, span = cell.first_row - 1, found.span
    row = min(span.row, len(python)) + above
    return Problem(
        Span(row, span.column, max(row, min(span.end_row, len(python)) + above), span.end_column), found.message
    )
