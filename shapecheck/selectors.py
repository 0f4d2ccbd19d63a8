"""Selectors: what the user writes to mean rules, `ATN001`, `ATN`, `missing-out-proj` or `ALL`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shapecheck.rule import Rule, Severity


@dataclass(frozen=True, slots=True)
class Choice:
    """What one origin (a file, the command line) says about which rules run; None: nothing."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None


def specificity(selector: str, code: str, name: str) -> int:
    """How exactly `selector` means the rule: 0 not at all, 1 as one of ALL, then by the length of the prefix."""
    if selector in (code, name):
        return sys.maxsize
    if selector == "ALL":
        return 1
    return 1 + len(selector) if selector and code.startswith(selector) else 0


def chosen(rules: Iterable[Rule], choices: Sequence[Choice]) -> tuple[Rule, ...]:
    """The rules that run: a later choice overrides, in one choice the more exact selector wins, and `ignore` a draw."""
    return tuple(rule for rule in rules if _is_chosen(rule, choices))


def _is_chosen(rule: Rule, choices: Sequence[Choice]) -> bool:
    chosen = rule.severity is not Severity.INFO
    for choice in choices:
        wanted = [_wanted(one, rule) for one in (choice.select or ()) + (choice.extend_select or ())]
        unwanted = [specificity(one, rule.code, rule.name) for one in choice.ignore or ()]
        yes, no = max(wanted, default=0), max(unwanted, default=0)
        if choice.select is not None or yes or no:
            chosen = yes > no
    return chosen


def _wanted(selector: str, rule: Rule) -> int:
    exactness = specificity(selector, rule.code, rule.name)
    by_prefix = 1 < exactness < sys.maxsize
    return 0 if by_prefix and rule.severity is Severity.INFO else exactness


def is_known(selector: str, rules: Iterable[Rule]) -> bool:
    """Whether `selector` means any of `rules`."""
    return any(specificity(selector, rule.code, rule.name) for rule in rules)


def nearest(word: str, choices: Iterable[str]) -> str:
    """`, the nearest is X` for an error about `word`; empty where nothing is near."""
    import difflib

    by_key = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), by_key, n=1, cutoff=0.6)
    return f", the nearest is `{by_key[close[0]]}`" if close else ""
