"""A place → its lines of code with carets under the stretch, in the characters that the terminal has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from click import style

from shapecheck.report import Place

_TAB = "    "
_ASCII = str.maketrans({"…": "...", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "·": "*", "’": "'", "“": '"', "”": '"'})
_MOST_LINES = 5


def frame(place: Place, gutter: int, mark: str, note: str, color: str, encoding: str) -> Iterator[str]:
    """The lines of `place` with `mark` under each one's part of it, and `note` behind the last mark."""
    location = place.location
    for row, line in _shortened(location.row, place.lines):
        if line is None:
            yield style("...", fg="blue")
            continue
        start = location.column - 1 if row == location.row else len(line) - len(line.lstrip())
        end = location.end_column - 1 if row == location.end_row else len(line.rstrip())
        code = printable(line, encoding)
        before, marked = printable(line[:start], encoding), printable(line[start : max(end, start)], encoding)
        carets = style(mark * max(width(marked), 1), fg=color, bold=True)
        text = f" {note}" if note and row == location.end_row else ""
        number = style(f"{row:>{gutter}} |", fg="blue", bold=True)
        empty = style(" " * gutter + " |", fg="blue", bold=True)
        yield f"{number} {code}".rstrip()
        yield f"{empty} {' ' * width(before)}{carets}{style(text, fg=color)}"


def _shortened(first: int, lines: tuple[str, ...]) -> Iterator[tuple[int, str | None]]:
    """Row and line, without the middle of a long stretch."""
    cut = range(2, len(lines) - 1) if len(lines) > _MOST_LINES else range(0)
    for index, line in enumerate(lines):
        if index not in cut:
            yield first + index, line
        elif index == cut.start:
            yield first + index, None


def printable(text: str, encoding: str) -> str:
    """`text` with tabs as spaces and without control characters, in characters that `encoding` has."""
    spaced = text.replace("\t", _TAB)
    return encodable("".join(" " if unicodedata.category(one) == "Cc" else one for one in spaced), encoding)


def encodable(text: str, encoding: str) -> str:
    """`text` in characters that `encoding` has: `->` for an arrow, `?` where there is nothing like it."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


def width(text: str) -> int:
    """How many columns of a terminal `text` takes: two for a wide character, none for a combining one."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else not _is_combining(one) for one in text)


def _is_combining(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Cf")
