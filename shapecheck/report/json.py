"""A list of findings as ruff writes it, with `symbol`, `help` and `related` more."""

from __future__ import annotations

import json
from typing import Any

from shapecheck.report import Diagnostic, Place, PlacedFix, Report
from shapecheck.source import Location


def render(report: Report) -> str:
    """One JSON array; the keys of an object are in alphabetical order."""
    return json.dumps([record(one) for one in report.diagnostics], indent=2, sort_keys=True) + "\n"


def record(diagnostic: Diagnostic) -> dict[str, Any]:
    """The object for one finding."""
    location = diagnostic.place.location
    return {
        "code": diagnostic.code,
        "name": diagnostic.name,
        "severity": diagnostic.severity.value,
        "symbol": diagnostic.symbol,
        "message": diagnostic.whole_message,
        "help": diagnostic.help,
        "filename": diagnostic.place.path.as_posix(),
        "cell": location.cell,
        "noqa_row": location.end_row if diagnostic.symbol is not None else None,
        **_ends(location),
        "fix": _fix(diagnostic.fix),
        "related": [_related(message, place) for message, place in diagnostic.related],
        "url": None,
    }


def _ends(location: Location) -> dict[str, dict[str, int]]:
    return {
        "location": {"row": location.row, "column": location.column},
        "end_location": {"row": location.end_row, "column": location.end_column},
    }


def _fix(fix: PlacedFix | None) -> dict[str, Any] | None:
    if fix is None:
        return None
    return {
        "applicability": "safe" if fix.safe else "unsafe",
        "message": fix.message,
        "edits": [{"content": content, **_ends(location)} for content, location in fix.edits],
    }


def _related(message: str, place: Place) -> dict[str, Any]:
    return {
        "message": message,
        "filename": place.path.as_posix(),
        "cell": place.location.cell,
        **_ends(place.location),
    }
