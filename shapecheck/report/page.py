"""Rules → their pages, for the terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from click import style

from shapecheck.rule import Rule


def render(rules: Sequence[Rule], output_format: str) -> str:
    """The pages one after the other, or one JSON array."""
    if output_format == "json":
        return json.dumps([_record(rule) for rule in rules], indent=2) + "\n"
    return "\n".join(_page(rule) for rule in rules)


def _page(rule: Rule) -> str:
    title = style(f"{rule.code} {rule.name}", bold=True)
    return f"{title} ({rule.severity.value})\n\n{rule.page.strip()}\n"


def _record(rule: Rule) -> dict[str, str]:
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.value,
        "summary": rule.summary,
        "explanation": rule.page.strip(),
    }
