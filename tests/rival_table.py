"""README's table of six bugs and other tools, from what benchmarks/rivals.py recorded: `python tests/rival_table.py`."""

import json
from typing import Any

from readme import replace_between
from tree import ROOT

RECORD = ROOT / "benchmarks" / "rivals.json"
STYLES = 5


def record() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return told


def table() -> str:
    """A row for each bug, a column for each tool: in how many of the five styles it says something of it."""
    told = record()
    tools = told["tools"]
    bugs = list(next(tool["reported"] for tool in tools.values() if "reported" in tool))
    lines = ["| bug | " + " | ".join(tools) + " |", "|--" * (len(tools) + 1) + "|"]
    for bug in bugs:
        cells = [_cell(tool["reported"][bug]) if "reported" in tool else "not run" for tool in tools.values()]
        lines.append(f"| {bug} | {' | '.join(cells)} |")
    alarms = ["not run" if "correct" not in tool else str(sum(tool["correct"].values())) for tool in tools.values()]
    lines.append(f"| said of the five correct files | {' | '.join(alarms)} |")
    notes = [f"{name} ({_how(tool)})" for name, tool in tools.items()]
    return "\n".join([*lines, "", f"Run on {told['date']} with Python {told['python']}: {'; '.join(notes)}."])


def _cell(styles: dict[str, list[str]]) -> str:
    assert len(styles) == STYLES
    return f"{sum(map(bool, styles.values()))} of {STYLES}"


def _how(tool: dict[str, Any]) -> str:
    version = f"{tool['version']}: " if tool["version"] else ""
    return f"{version}{tool['run']}" if "unavailable" not in tool else f"{version}not run, {tool['unavailable']}"


if __name__ == "__main__":
    replace_between("rivals", table())
