"""Findings at their places in files → text in one of the formats of `--output-format`."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from json import dumps  # `json` is a format here
from pathlib import Path

from shapecheck.rule import Rule, Severity
from shapecheck.source import Location


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a file, with the lines that it covers."""

    path: Path
    location: Location
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacedFix:
    """A fix whose edits, what replaces which stretch, stand where the user sees them."""

    message: str
    safe: bool
    edits: tuple[tuple[str, Location], ...]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing to report: a rule's finding, or a file that can't be read (E902) or parsed (E999)."""

    code: str
    name: str
    severity: Severity
    place: Place
    message: str
    symbol: str | None = None
    outcome: str | None = None
    help: str | None = None
    related: tuple[tuple[str, Place], ...] = ()
    fix: PlacedFix | None = None

    @property
    def whole_message(self) -> str:
        """The message with its outcome, for formats that have no other place for that."""
        return f"{self.message}; {self.outcome}" if self.outcome else self.message


@dataclass(frozen=True, slots=True)
class Report:
    """All that a format may need: what is reported, the rules that ran, the folder that paths are shown from."""

    diagnostics: tuple[Diagnostic, ...]
    rules: tuple[Rule, ...]
    folder: Path
    encoding: str = "utf-8"  # of where it will be written

    def shown(self, path: Path) -> str:
        """`path` as the user would type it: relative to the folder if it is below it, with `/`."""
        return (path.relative_to(self.folder) if path.is_relative_to(self.folder) else path).as_posix()

    def at(self, place: Place) -> str:
        """`attention.py:57:13`, in a notebook `lesson.ipynb:cell 2:3:8`."""
        cell = f"cell {place.location.cell}:" if place.location.cell else ""
        return f"{self.shown(place.path)}:{cell}{place.location.row}:{place.location.column}"


def render(report: Report, output_format: str) -> str:
    """The report in one of config.FORMATS; full and concise carry ANSI colours, to be stripped where unwanted."""
    module = importlib.import_module(f"shapecheck.report.{output_format.replace('-', '_')}")
    return str(module.render(report))


def statistics(report: Report, output_format: str) -> str:
    """How often each code was reported, most often first: as JSON for a format of JSON, else a line each."""
    counts = Counter((one.code, one.name) for one in report.diagnostics)
    rows = sorted(((n, code, name) for (code, name), n in counts.items()), key=lambda row: (-row[0], row[1]))
    if output_format in ("json", "json-lines"):
        return dumps([{"code": code, "name": name, "count": n} for n, code, name in rows], indent=2) + "\n"
    return "".join(f"{n}\t{code}\t{name}\n" for n, code, name in rows)


def summary(report: Report, files: int) -> str:
    """`Found 3 problems (2 errors, 1 warning) in 2 of 14 files.`"""
    if not files:
        return "No Python file or notebook found."
    if not report.diagnostics:
        return f"Nothing found in {counted(files, 'file')}."
    kinds = Counter(one.severity for one in report.diagnostics)
    parts = [counted(kinds[one], "note" if one is Severity.INFO else one.value) for one in Severity if kinds[one]]
    bad = len({one.place.path for one in report.diagnostics})
    problems = counted(len(report.diagnostics), "problem")
    return f"Found {problems} ({', '.join(parts)}) in {bad} of {counted(files, 'file')}."


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
