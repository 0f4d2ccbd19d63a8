"""A notebook cell → Python: IPython's magics, shell lines and help are replaced, line for line."""

from __future__ import annotations

import re

_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_RUNS_PYTHON = {"capture", "debug", "ipytest", "prun", "pypy", "python", "python3", "time", "timeit"}
# `pip install x` works without its % as long as no variable is called pip.
_COMMANDS = "pip|conda|mamba|cd|ls|mkdir|cat|cp|mv|rm|matplotlib|time|timeit|run"
_LINE = re.compile(
    r"(?P<indent>[ \t]*)(?:[%!?/,;]|[\w.*]+\?{1,2}[ \t]*$"
    rf"|(?:{_COMMANDS})[ \t]+(?!(?:and|or|in|not|is|if)\b)[\w./~$])"
)
_ASSIGNED = re.compile(r"(?P<left>[ \t]*[^\s=#\"'][^=#\"']*=[ \t]*)[%!]")
# What may stand in a line as far as brackets and strings go; an open triple quote runs on to the next lines.
_TOKEN = re.compile(
    r"(?P<quote>'''|\"\"\")|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|#.*|(?P<open>[(\[{])|(?P<close>[)\]}])"
)


def without_magics(lines: tuple[str, ...]) -> list[str]:
    """The lines of a cell as Python: as many as there were, empty ones for a cell in another language."""
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    magic = _CELL_MAGIC.match(lines[first]) if lines else None
    if magic and magic[1] not in _RUNS_PYTHON:
        return [""] * len(lines)
    python = list(lines)
    if magic:
        python[first] = ""
    if any(_LINE.match(line) or _ASSIGNED.match(line) for line in python):
        _replace_lines(python)
    return python


def _replace_lines(python: list[str]) -> None:
    depth, quote, index = 0, None, 0
    while index < len(python):
        line = python[index]
        if depth == 0 and quote is None and (replaced := _replacement(line)) is not None:
            python[index] = replaced
            while line.endswith("\\") and index + 1 < len(python):  # the magic runs on
                index += 1
                line, python[index] = python[index], ""
        else:
            depth, quote = _state_after(line, depth, quote)
            while quote is None and line.endswith("\\") and index + 1 < len(python):  # no line starts a statement here
                index += 1
                line = python[index]
                depth, quote = _state_after(line, depth, quote)
        index += 1


def _replacement(line: str) -> str | None:
    if found := _LINE.match(line):
        return found["indent"] + "pass"
    if found := _ASSIGNED.match(line):
        return found["left"] + "None"
    return None


def _state_after(line: str, depth: int, quote: str | None) -> tuple[int, str | None]:
    """The depth of brackets and the open triple quote behind `line`."""
    at = 0
    while True:
        if quote is not None:
            end = re.compile(rf"(?:\\.|(?!{quote})[^\\])*{quote}").match(line, at)
            if end is None:
                return depth, quote
            at, quote = end.end(), None
        found = _TOKEN.search(line, at)
        if found is None:
            return depth, None
        at, quote = found.end(), found["quote"]
        if found["open"]:
            depth += 1
        elif found["close"]:
            depth = max(depth - 1, 0)
