"""Spot: the place in the source of what is being run right now."""

from __future__ import annotations

import itertools
import linecache
import os
import sys
import sysconfig
import types
from dataclasses import dataclass
from pathlib import Path

import torch

from shapecheck.rule import Span

_HERE, _TORCH, _PYTHON = (
    f"{folder}{os.sep}"
    for folder in (Path(__file__).parents[1], Path(torch.__file__).parent, sysconfig.get_path("stdlib"))
)
BETWEEN = ("einops",)  # packages whose ops are their callers'
GENERATED = "<the gate of shapecheck>"


@dataclass(frozen=True, slots=True)
class Spot:
    """An expression in the source: its file, its stretch, its text, and the class or function that it stands in."""

    path: Path
    span: Span
    code: str
    frame: str


class Spots:
    """The spots of the frames met so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[types.CodeType, Spot]] = {}

    def here(self) -> Spot:
        """The innermost expression being run that is neither torch's, nor Python's, nor ours."""
        frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 (there is no other way to ask)
        while frame is not None and frame.f_back is not None and _is_between(frame.f_code.co_filename):
            frame = frame.f_back
        assert frame is not None
        key = id(frame.f_code), frame.f_lasti
        if key not in self._known:
            self._known[key] = frame.f_code, _spot(frame)  # the code is kept, and so its id
        return self._known[key][1]


def _is_between(filename: str) -> bool:
    if filename.startswith((_HERE, _TORCH)) or filename == GENERATED:
        return True
    parts = Path(filename).parts
    if any(one in parts for one in BETWEEN):
        return True
    return filename.startswith(("<frozen", _PYTHON)) and not {"site-packages", "dist-packages"} & set(parts)


def _spot(frame: types.FrameType) -> Spot:
    code = frame.f_code
    row, end_row, start, end = _stretch(code, frame.f_lasti, frame.f_lineno)
    lines = [linecache.getline(code.co_filename, number).rstrip("\n") for number in range(row, end_row + 1)]
    if start is None or end is None or not lines[0]:
        start, end = len(lines[0]) - len(lines[0].lstrip()), len(lines[-1].encode())
    first, last = (line.encode() for line in (lines[0], lines[-1]))
    span = Span(row, len(first[:start].decode("utf-8", "replace")) + 1, end_row,
                len(last[:end].decode("utf-8", "replace")) + 1)  # fmt: skip
    lines[-1] = last[:end].decode("utf-8", "replace")
    lines[0] = lines[0].encode()[start:].decode("utf-8", "replace")
    text = " ".join(line.strip() for line in lines)
    return Spot(Path(os.path.realpath(code.co_filename)), span, text, _symbol(frame))


def _stretch(code: types.CodeType, instruction: int, line: int) -> tuple[int, int, int | None, int | None]:
    """Rows and columns (in bytes, from 0) of an instruction; the row alone before Python 3.11."""
    positions = getattr(code, "co_positions", None)
    found = next(itertools.islice(positions(), instruction // 2, None), None) if positions is not None else None
    if found is None or found[0] is None or found[1] is None:
        return line, line, None, None
    return found[0], found[1], found[2], found[3]


def _symbol(frame: types.FrameType) -> str:
    """The class whose method runs, else the function; a lambda or a comprehension is part of what calls it."""
    while frame.f_code.co_name in _PARTS and frame.f_back is not None:
        frame = frame.f_back
    names = getattr(frame.f_code, "co_qualname", frame.f_code.co_name).split(".")
    owner = names[-2] if len(names) > 1 and names[-2] != "<locals>" else names[-1]
    return str(owner)


_PARTS = frozenset({"<lambda>", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>"})
