"""An engine of three lines in place of the real one: it reports each `bug_CODE(…)` of a picked file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapecheck.rule import Edit, Finding, Fix, Holds, Related, Rule, Severity, Span
from shapecheck.source import Problem, Source

PICKED = "import torch  # softmax\n"  # one line that makes the engine's locate pick a file


def _rule(code: str, name: str, severity: Severity) -> Rule:
    page = f"What {name} is.\n\nMore of it."
    return Rule(code, name, severity, page, Holds.SOME, lambda trace: iter(()))


RULES = (
    _rule("ATN001", "missing-out-proj", Severity.WARNING),
    _rule("ATN002", "undivided-head-dim", Severity.ERROR),
    _rule("SHP003", "scrambled-reshape", Severity.ERROR),
    _rule("SHP009", "squeeze-without-dim", Severity.INFO),
)


@dataclass(frozen=True)
class Analysis:
    findings: tuple[Finding, ...] = ()
    syntax_errors: tuple[Problem, ...] = ()
    defects: tuple[Any, ...] = ()


@dataclass(frozen=True)
class StubDefect:
    symbol: str
    rule: str | None
    error: str


def analyse(source: Source, project: object, rules: Sequence[Rule], scope: str) -> Analysis:
    """`crash()` crashes, `defect()` is a defect, `broken()` doesn't parse; the rest see `_finding`."""
    if "crash()" in source.text:
        raise RuntimeError("the engine fell over")
    by_code = {rule.code: rule for rule in rules}
    found = [match for match in re.finditer(r"bug_(\w+)\([^)]*\)", source.text) if match[1] in by_code]
    broken = [_span(source, match) for match in re.finditer(r"broken\(\)", source.text)]
    return Analysis(
        tuple(_finding(source, by_code[match[1]], match) for match in found),
        tuple(Problem(span, "it doesn't parse") for span in broken),
        tuple(StubDefect("Attention", "ATN001", "KeyError: 1") for _ in re.finditer(r"defect\(\)", source.text)),
    )


def _finding(source: Source, rule: Rule, match: re.Match[str]) -> Finding:
    """One with all that a finding may have where the call has arguments, a bare one where it has none."""
    span = _span(source, match)
    if match[0].endswith("()"):
        return Finding(rule.code, rule.name, rule.severity, source.path, span, "Attention", "x is [b, t]")
    return Finding(
        rule.code,
        rule.name,
        rule.severity,
        source.path,
        span,
        "Attention",
        "x is [b, t]",
        "silent: all the same",
        "say `y`",
        (Related("x comes from here", source.path, Span(1, 8, 1, 13)),),
        Fix("replace it", (Edit(span, "y"),), safe=False),
    )


def _span(source: Source, match: re.Match[str]) -> Span:
    ends = []
    for offset in match.span():
        above = source.text[:offset].split("\n")
        ends += [len(above), len(above[-1]) + 1]
    return Span(*ends)


def write(path: Path, text: str | bytes) -> Path:
    """`path` with `text` in it, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path
