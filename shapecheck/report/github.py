"""Workflow commands of GitHub Actions, shown beside the lines of a pull request."""

from __future__ import annotations

from shapecheck.report import Diagnostic, Report
from shapecheck.rule import Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> str:
    """One command a finding; in a notebook at the line of the file, since GitHub knows no cells."""
    return "".join(_command(one, report) + "\n" for one in report.diagnostics)


def _command(diagnostic: Diagnostic, report: Report) -> str:
    location = diagnostic.place.location
    properties = {
        "title": f"shapecheck ({diagnostic.code})",
        "file": diagnostic.place.path.as_posix(),
        "line": location.line,
        "endLine": location.end_line,
    }
    if location.cell is None and location.line == location.end_line:  # columns are allowed within one line only
        properties |= {"col": location.column, "endColumn": location.end_column}
    written = ",".join(f"{key}={_escaped(str(value), inside=True)}" for key, value in properties.items())
    message = f"{report.at(diagnostic.place)}: {diagnostic.code} {diagnostic.whole_message}"
    if diagnostic.help:
        message += f"\n  help: {diagnostic.help}"
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_escaped(message)}"


def _escaped(text: str, *, inside: bool = False) -> str:
    """As the runner decodes it; `inside` a property the separators too."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if inside else text
