"""The comments that silence a finding: `shapecheck: ignore[…]`, `noqa`, `shapecheck: skip-file`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shapecheck.rule import Finding
from shapecheck.selectors import specificity

_CODES = r"[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*"
_IGNORE = re.compile(r"#\s*shapecheck:\s*ignore(?![\w-])(?:\[(?P<codes>[^\]]*)\])?")
_NOQA = re.compile(rf"#\s*noqa(?![\w-])(?P<colon>\s*:\s*(?P<codes>{_CODES})?)?", re.IGNORECASE)
_SKIP_FILE = re.compile(r"#\s*shapecheck:\s*skip-file\b")
_NOQA_FILE = re.compile(
    rf"#\s*(?:flake8|ruff)[:=]\s*noqa(?![\w-])(?P<colon>\s*:\s*(?P<codes>{_CODES})?)?", re.IGNORECASE
)
_ANY = re.compile(r"shapecheck:|noqa", re.IGNORECASE)

_ALL = ("ALL",)


@dataclass(frozen=True, slots=True)
class Suppressions:
    """What is silenced, as selectors of rules: in the whole file, and row by row."""

    file: tuple[str, ...] = ()
    rows: Mapping[int, tuple[str, ...]] | None = None

    @property
    def whole_file(self) -> bool:
        return "ALL" in self.file

    def cover(self, finding: Finding) -> bool:
        """Whether a comment on the first or the last row of the finding, or one for the file, silences it."""
        rows = self.rows or {}
        here = self.file + rows.get(finding.span.row, ()) + rows.get(finding.span.end_row, ())
        return any(specificity(selector, finding.code, finding.name) for selector in here)


def suppressions(text: str) -> Suppressions:
    """The suppressions that the comments of a module's text ask for."""
    if not _ANY.search(text):
        return Suppressions()
    file: list[str] = []
    rows: dict[int, tuple[str, ...]] = {}
    for row, comment, alone in _comments(text):
        if _SKIP_FILE.search(comment):
            file += _ALL
        if alone and (found := _NOQA_FILE.match(comment)):
            file += _noqa_selectors(found)
        here = tuple(selector for found in _NOQA.finditer(comment) for selector in _noqa_selectors(found))
        here += tuple(selector for found in _IGNORE.finditer(comment) for selector in _ignore_selectors(found))
        if here:
            rows[row] = here
    return Suppressions(tuple(file), rows)


def _noqa_selectors(found: re.Match[str]) -> tuple[str, ...]:
    """`noqa` is all rules, `noqa: A1, B2` those; `noqa: words` is nothing, as ruff reads it."""
    if found["codes"]:
        return tuple(re.split(r"[\s,]+", found["codes"].upper()))
    return () if found["colon"] else _ALL


def _ignore_selectors(found: re.Match[str]) -> tuple[str, ...]:
    if found["codes"] is None:
        return _ALL
    return tuple(selector.strip() for selector in found["codes"].split(",") if selector.strip())


def _comments(text: str) -> Iterator[tuple[int, str, bool]]:
    """Row, text, and whether it stands alone, of each comment; where `tokenize` gives up, of what looks like one."""
    row, seen = 1, 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            row = max(row, token.start[0])
            if token.type == tokenize.COMMENT:
                seen = row
                yield row, token.string, not token.line[: token.start[1]].strip()
    except (tokenize.TokenError, SyntaxError):
        row = max(row, seen + 1)
        for number, line in enumerate(text.split("\n")[row - 1 :], row):
            code, mark, comment = line.partition("#")
            if mark:
                yield number, mark + comment, not code.strip()
