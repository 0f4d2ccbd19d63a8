"""One JSON object a line."""

from __future__ import annotations

import json

from shapecheck.report import Report
from shapecheck.report.json import record


def render(report: Report) -> str:
    """The objects of the json format, each on a line of its own."""
    lines = (json.dumps(record(one), sort_keys=True, separators=(",", ":")) for one in report.diagnostics)
    return "".join(line + "\n" for line in lines)
