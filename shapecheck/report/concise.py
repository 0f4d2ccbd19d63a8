"""One line a finding: `attention.py:57:13: SHP003 message; outcome`."""

from __future__ import annotations

from click import style

from shapecheck.report import Diagnostic, Report
from shapecheck.report.frame import encodable


def render(report: Report) -> str:
    """The lines, in colour."""
    return "".join(headline(one, report, one.whole_message) + "\n" for one in report.diagnostics)


def headline(diagnostic: Diagnostic, report: Report, message: str) -> str:
    """Place, code and message on one line."""
    at = style(encodable(report.at(diagnostic.place), report.encoding), bold=True)
    return f"{at}: {style(diagnostic.code, fg='red', bold=True)} {encodable(message, report.encoding)}"
