"""A fixture → what it expects; the linter's JSON → what it found; the two compared.

A comment on the very line says what is reported there, and every line without one asserts silence:

    return scores.softmax(dim=1) @ v  # expect: ATN011
    self.head_dim = dim // heads  # expect: ATN003 error "dim % heads", ATN002

A severity and texts that the message or the help contains may follow the code; a comma separates several findings.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tree import ROOT

FIXTURES = ROOT / "fixtures"
MAGIC = re.compile(r"\s*(?:[%!]|[\w.]+\s*=\s*[%!]|[\w.]+\?\??\s*$)")

_EXPECTED = re.compile(r"""([A-Z]+\d+)(?:\s+(error|warning|info))?((?:\s+"[^"]*")*)""")
_RUN = re.compile(r"""(?P<call>.+?)\s*->\s*(?:silent|raises\s+"(?P<message>[^"]+)")""")
_SHAPE = re.compile(r"(?P<name>\w+)\s*=\s*(?P<shape>\[.*\])")


class FixtureError(Exception):
    """A comment that starts like an expectation and can't be read."""


@dataclass(frozen=True)
class Expectation:
    """One finding that a line must have; `cell` is None outside notebooks."""

    cell: int | None
    row: int
    code: str
    severity: str | None = None
    texts: tuple[str, ...] = ()

    def meets(self, finding: Mapping[str, Any], *, by_text: bool) -> bool:
        said = f"{finding['message']}\n{finding['help'] or ''}"
        return (
            (self.cell, self.row, self.code) == (finding["cell"], finding["location"]["row"], finding["code"])
            and self.severity in (None, finding["severity"])
            and (not by_text or all(text in said for text in self.texts))
        )

    def __str__(self) -> str:
        texts = "".join(f' "{text}"' for text in self.texts)
        return f"{_where(self.cell, self.row)}: {self.code}{texts}"


@dataclass(frozen=True)
class Run:
    """How to run a class or function of the fixture, and the error it raises (None: it is silent)."""

    call: str
    message: str | None


@dataclass(frozen=True)
class ShapeClaim:
    """The shape that a name has after a line."""

    row: int
    name: str
    shape: str


@dataclass(frozen=True)
class Fixture:
    """A file of fixtures/ and all that its comments claim."""

    path: Path
    text: str
    expectations: tuple[Expectation, ...]
    runs: tuple[Run, ...]
    shapes: tuple[ShapeClaim, ...]


def fixture_paths() -> list[Path]:
    """Every fixture of the repository, in a fixed order."""
    return sorted(path for path in FIXTURES.rglob("*") if path.suffix in {".py", ".ipynb"})


def name_of(path: Path) -> str:
    return path.relative_to(FIXTURES).as_posix()


@cache
def read(path: Path) -> Fixture:
    """A fixture with its claims; FixtureError where a claim is misspelt."""
    cells = list(code_cells(path))
    comments = [(cell, row, comment) for cell, text in cells for row, comment in _comments(text)]
    return Fixture(
        path=path,
        text="\n".join(text for _, text in cells),
        expectations=tuple(
            expectation
            for cell, row, comment in comments
            if (claim := _claim(comment, "expect")) is not None
            for expectation in _expectations(cell, row, claim)
        ),
        runs=tuple(
            Run(match["call"], match["message"])
            for _, _, comment in comments
            if (match := _matched(_RUN, _claim(comment, "run")))
        ),
        shapes=tuple(
            ShapeClaim(row, match["name"], match["shape"])
            for _, row, comment in comments
            if (match := _matched(_SHAPE, _claim(comment, "shape")))
        ),
    )


def code_cells(path: Path) -> Iterator[tuple[int | None, str]]:
    """The whole text of a module, or each code cell of a notebook with its number, magics blanked."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        yield None, text
        return
    for number, cell in enumerate(json.loads(text)["cells"], start=1):
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).split("\n")
            yield number, "\n".join("" if MAGIC.match(line) else line for line in lines)


def lint(paths: Sequence[Path]) -> dict[Path, list[dict[str, Any]]]:
    """The findings of `shapecheck check` for each of the files, from one run of the command line."""
    command = [sys.executable, "-m", "shapecheck", "check", "--isolated", "--select", "ALL", "--output-format", "json"]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, encoding="utf-8", cwd=ROOT, check=False)
    assert done.returncode in (0, 1), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr.strip(), done.stderr
    findings: dict[Path, list[dict[str, Any]]] = {path: [] for path in paths}
    for finding in json.loads(done.stdout):
        findings[Path(finding["filename"])].append(finding)
    return findings


def differences(
    expectations: Iterable[Expectation], findings: Iterable[Mapping[str, Any]], *, by_text: bool = True
) -> list[str]:
    """What was reported and not expected, and what was expected and not reported; each claim is met once."""
    open_ = list(expectations)
    unexpected = []
    for finding in findings:
        met = next((claim for claim in open_ if claim.meets(finding, by_text=by_text)), None)
        if met is None:
            unexpected.append(
                f"unexpected: {_where(finding['cell'], finding['location']['row'])}: "
                f"{finding['code']} ({finding['severity']}) {finding['message']}"
            )
        else:
            open_.remove(met)
    return [*unexpected, *(f"not reported: {claim}" for claim in open_)]


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _claim(comment: str, kind: str) -> str | None:
    """What a comment claims; it may stand behind another one: `# (b, t, d)  # expect: SHP006`."""
    for part in re.split(r"(?:^|\s)#\s*", comment):
        head, colon, claim = part.partition(":")
        if colon and head.strip() == kind:
            return claim.strip()
    return None


def _expectations(cell: int | None, row: int, claim: str) -> Iterator[Expectation]:
    position = 0
    while match := _EXPECTED.match(claim, position):
        code, severity, texts = match.groups()
        yield Expectation(cell, row, code, severity, tuple(re.findall(r'"([^"]*)"', texts)))
        position = match.end()
        if position == len(claim):
            return
        if separator := re.compile(r"\s*,\s*").match(claim, position):
            position = separator.end()
    raise FixtureError(f"{_where(cell, row)}: cannot read `# expect: {claim}`")


def _matched(pattern: re.Pattern[str], claim: str | None) -> re.Match[str] | None:
    if claim is None:
        return None
    if match := pattern.fullmatch(claim):
        return match
    raise FixtureError(f"cannot read `{claim}`")


def _where(cell: int | None, row: int) -> str:
    return f"line {row}" if cell is None else f"cell {cell} line {row}"
