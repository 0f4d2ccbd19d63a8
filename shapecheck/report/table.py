"""The tensors of a file → each one's shape beside its line, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol

from click import style

from shapecheck.report import counted
from shapecheck.report.frame import width
from shapecheck.rule import Span
from shapecheck.source import Source

_WIDEST = 72  # columns of code before the shapes; longer lines push them to the right


class Tensor(Protocol):
    """What static.show yields: a tensor on one path of one forward."""

    @property
    def row(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> str: ...
    @property
    def lost_by(self) -> str | None: ...
    @property
    def symbol(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def left_out(self) -> int:
        """How many paths of the symbol are not shown."""


def render(tensors: Sequence[Tensor], source: Source, output_format: str) -> str:
    """A block for each forward and path, in the order in which they come."""
    if output_format == "json":
        return json.dumps([_record(one, source) for one in tensors], indent=2) + "\n"
    by_symbol = groupby(tensors, key=lambda one: one.symbol)
    return "\n".join("".join(_forward(symbol, list(of), source)) for symbol, of in by_symbol)


def _forward(symbol: str, tensors: list[Tensor], source: Source) -> Iterator[str]:
    blocks = groupby(tensors, key=lambda one: one.path)
    yield "\n".join("".join(_block(symbol, path, list(of), source)) for path, of in blocks)
    if tensors[0].left_out:
        yield f"{counted(tensors[0].left_out, 'more path')} left out\n"


def _block(symbol: str, path: str, tensors: list[Tensor], source: Source) -> Iterator[str]:
    yield style(symbol, bold=True) + (f" ({path})" if path else "") + "\n"
    rows = {one.row: source.line(one.row).rstrip().expandtabs(4) for one in tensors}
    indent = min(len(line) - len(line.lstrip()) for line in rows.values())
    margin = min(max(width(line) - indent for line in rows.values()), _WIDEST)
    for row, at_row in groupby(tensors, key=lambda one: one.row):
        code = rows[row][indent:]
        number = str(_row(source, row))
        for one in at_row:
            lost = style(f"  lost by {one.lost_by}", fg="yellow") if one.lost_by else ""
            shown = f"{one.name}: {style(one.shape, fg='cyan')}{lost}"
            yield f"{number:>5} | {code}{' ' * max(margin - width(code), 0)}  {shown}\n"
            number = code = ""
    known = sum(one.lost_by is None for one in tensors)
    yield f"{known} of {counted(len(tensors), 'shape')} known\n"


def _row(source: Source, row: int) -> int:
    return source.locate(Span(row, 1, row, 1)).row


def _record(tensor: Tensor, source: Source) -> dict[str, Any]:
    location = source.locate(Span(tensor.row, tensor.column, tensor.row, tensor.column))
    return {
        "symbol": tensor.symbol,
        "path": tensor.path,
        "paths_left_out": tensor.left_out,
        "cell": location.cell,
        "row": location.row,
        "column": location.column,
        "name": tensor.name,
        "shape": tensor.shape,
        "lost_by": tensor.lost_by,
    }
