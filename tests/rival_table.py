"""README's table of six bugs and other tools, from what benchmarks/rivals.py recorded: `python tests/rival_table.py`."""

import json
from typing import Any

from readme import replace_between
from tree import ROOT

RECORD = ROOT / "benchmarks" / "rivals.json"
STYLES = 5
FEW = 3


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
    lines += ["", f"Run on {told['date']} with Python {told['python']}: {'; '.join(notes)}."]
    return "\n".join([*lines, *_rare(tools)])


def _cell(styles: dict[str, list[str]]) -> str:
    assert len(styles) == STYLES
    return f"{sum(map(bool, styles.values()))} of {STYLES}"


def _rare(tools: dict[str, Any]) -> list[str]:
    """What a tool says that hardly says anything: the reader sees what a lone 1 stands for."""
    said = {
        name: [message for styles in tool.get("reported", {}).values() for told in styles.values() for message in told]
        for name, tool in tools.items()
    }
    return [
        f"{name} says: {', '.join(f'“{one}”' for one in told)}." for name, told in said.items() if 0 < len(told) <= FEW
    ]


def _how(tool: dict[str, Any]) -> str:
    version = f"{tool['version']}: " if tool["version"] else ""
    return f"{version}{tool['run']}" if "unavailable" not in tool else f"{version}not run, {tool['unavailable']}"


if __name__ == "__main__":
    replace_between("rivals", table())
