"""The comments that silence a finding: `shapecheck: ignore[…]`, `noqa`, `shapecheck: skip-file`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from shapecheck.rule import Finding
from shapecheck.selectors import specificity
from shapecheck.source import Source

_CODES = r"[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*"
_IGNORE = re.compile(r"#\s*shapecheck:\s*ignore(?![\w-])(?:\[(?P<codes>[^\]]*)\])?")
_NOQA = re.compile(rf"#\s*noqa(?![\w-])(?P<colon>\s*:\s*(?P<codes>{_CODES})?)?", re.IGNORECASE)
_SKIP_FILE = re.compile(r"#\s*shapecheck:\s*skip-file\b")
_NOQA_FILE = re.compile(
    rf"#\s*(?:flake8|ruff)[:=]\s*noqa(?![\w-])(?P<colon>\s*:\s*(?P<codes>{_CODES})?)?", re.IGNORECASE
)
# Tokenizing costs as much as all else that is done with a file: it waits for a line that looks like it.
_LIKE_ROW = re.compile(r"shapecheck:|noqa", re.IGNORECASE)
_LIKE_FILE = re.compile(r"#\s*(?:shapecheck:\s*skip-file|(?:flake8|ruff)[:=]\s*noqa)", re.IGNORECASE)
_IN_LIKE_FILE = ("skip-file", "flake8", "ruff")

_ALL = ("ALL",)


@dataclass(frozen=True)
class Suppressions:
    """What the comments of a module silence."""

    source: Source

    @cached_property
    def skip_file(self) -> bool:
        """Whether nothing of the file is to be reported."""
        return "ALL" in self._in_file

    def cover(self, finding: Finding) -> bool:
        """Whether a comment on the first or the last row of the finding, or one for the file, silences it."""
        rows = {finding.span.row, finding.span.end_row}
        if any(_LIKE_ROW.search(self.source.lines[row - 1]) for row in rows if row <= len(self.source.lines)):
            here = [selector for row in rows for selector in self._by_row.get(row, ())]
        else:
            here = []
        return any(specificity(one, finding.code, finding.name) for one in (*self._in_file, *here))

    @cached_property
    def _in_file(self) -> tuple[str, ...]:
        """Selectors of what is silenced in the whole file."""
        text = self.source.text
        if not any(word in text for word in _IN_LIKE_FILE) or not _LIKE_FILE.search(text):
            return ()
        return tuple(one for _, comment, alone in self._comments for one in _file_selectors(comment, alone=alone))

    @cached_property
    def _by_row(self) -> dict[int, tuple[str, ...]]:
        """Selectors of what is silenced in a row."""
        return {row: _row_selectors(comment) for row, comment, _ in self._comments}

    @cached_property
    def _comments(self) -> tuple[tuple[int, str, bool], ...]:
        return tuple(_comments(self.source.text))


def _file_selectors(comment: str, *, alone: bool) -> tuple[str, ...]:
    if _SKIP_FILE.search(comment):
        return _ALL
    found = _NOQA_FILE.match(comment) if alone else None
    return _noqa_selectors(found) if found else ()


def _row_selectors(comment: str) -> tuple[str, ...]:
    noqa = (one for found in _NOQA.finditer(comment) for one in _noqa_selectors(found))
    ignored = (one for found in _IGNORE.finditer(comment) for one in _ignore_selectors(found))
    return (*noqa, *ignored)


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
