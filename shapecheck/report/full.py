"""A finding with its code: the place, carets, what happens at run time, related places, help."""

from __future__ import annotations

from collections.abc import Iterator

from click import style

from shapecheck.report import Diagnostic, Place, Report
from shapecheck.report.concise import headline
from shapecheck.report.frame import encodable, frame
from shapecheck.rule import Severity

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render(report: Report) -> str:
    """All findings, an empty line between two, in colour."""
    return "\n".join("".join(line + "\n" for line in _block(one, report)) for one in report.diagnostics)


def _block(diagnostic: Diagnostic, report: Report) -> Iterator[str]:
    place, color = diagnostic.place, _COLORS[diagnostic.severity]
    gutter = max(len(str(one.location.end_row)) for one in (place, *(related for _, related in diagnostic.related)))
    bar = style(" " * gutter + " |", fg="blue", bold=True)
    outcome = encodable(diagnostic.outcome or "", report.encoding)
    if place.lines:
        yield headline(diagnostic, report, diagnostic.message)
        yield bar
        yield from frame(place, gutter, "^", outcome, color, report.encoding)
    else:
        yield headline(diagnostic, report, diagnostic.whole_message)
    for message, related in diagnostic.related:
        yield from _related(encodable(message, report.encoding), related, place, gutter, report)
    if diagnostic.help:
        first, *rest = encodable(diagnostic.help, report.encoding).split("\n")
        yield " " * (gutter + 1) + style("help:", fg="green", bold=True) + " " + first
        yield from (" " * (gutter + 7) + line for line in rest)


def _related(message: str, related: Place, place: Place, gutter: int, report: Report) -> Iterator[str]:
    """A second place: a frame of its own, headed by its file or cell where that is another one."""
    elsewhere = (related.path, related.location.cell) != (place.path, place.location.cell)
    if elsewhere or not related.lines:
        at = encodable(report.at(related), report.encoding)
        yield " " * gutter + style("::: ", fg="blue", bold=True) + (at if related.lines else f"{at}: {message}")
    else:
        yield style(" " * gutter + " |", fg="blue", bold=True)
    if related.lines:
        yield from frame(related, gutter, "-", message, "blue", report.encoding)
