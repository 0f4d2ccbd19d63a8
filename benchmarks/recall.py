"""How many planted bugs are found: six mutations, each put into 20 library classes drawn by seed.

    python benchmarks/recall.py CACHE [--seed 0] [--count 20] [--operator "softmax axis"] [--show]

CACHE is the folder of benchmarks/libraries.py. A mutant is caught when the linter reports, in the mutated class, something
that it didn't report before, with a code that names the bug. Every miss is listed; --show prints its diff. Nothing on
disk is changed: the linter is handed the mutated text in the place of the file's.
"""

import argparse
import ast
import difflib
import random
import re
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import libraries
from libraries import Library
from mutations import OPERATORS, Mutant, Operator, mutants
from shapecheck.rule import Finding, load_rules
from shapecheck.source import Source
from shapecheck.static import analyse
from shapecheck.static.project import Project

_MENTIONS_ATTENTION = re.compile(rb"softmax|attend|scaled_dot_product|attention_interface|flash_attn")
_GUARDS_HEADS = re.compile(r"%\s*(self\.|config\.)?\w*head")


@dataclass(frozen=True)
class File:
    library: Library
    path: Path

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode("utf-8").replace("\r\n", "\n")

    def __str__(self) -> str:
        return f"{self.library.name} {self.library.relative(self.path)}"


@dataclass(frozen=True)
class Trial:
    """A mutant that was drawn, and what became of it."""

    operator: Operator
    file: File
    mutant: Mutant
    caught: tuple[str, ...]  # codes
    beside: tuple[str, ...]  # codes of new findings that don't name this bug

    def diff(self) -> Iterator[str]:
        before, after = self.file.text.splitlines(), self.mutant.apply(self.file.text).splitlines()
        return (
            line for line in difflib.unified_diff(before, after, n=1, lineterm="") if line[:3] not in ("---", "+++")
        )


def applicable(file: File) -> dict[str, dict[str, tuple[Mutant, ...]]]:
    """Operator → class → mutants, for one file. Sources that another file is generated from are never imported."""
    data = file.path.read_bytes()
    if file.path.name.startswith("modular_") or b"forward" not in data or not _MENTIONS_ATTENTION.search(data):
        return {}
    found = mutants(file.text)
    if any(_GUARDS_HEADS.search(path.read_text("utf-8")) for path in file.path.parent.glob("configuration_*.py")):
        found["dropped guard"] = {}  # the config beside it still guards
    return found


def draw(
    files: Iterable[File], seed: int, count: int, processes: ProcessPoolExecutor
) -> Iterator[tuple[Operator, int, list[tuple[File, Mutant]]]]:
    """For each operator: how many classes it applies to, and the drawn ones."""
    files = list(files)
    found = list(zip(files, processes.map(applicable, files, chunksize=16), strict=True))
    for operator in OPERATORS:
        classes = [
            (file, ways)
            for file, by_operator in found
            for _, ways in sorted(by_operator.get(operator.name, {}).items())
        ]
        chance = random.Random(f"{operator.name} {seed}")
        drawn = chance.sample(classes, min(count, len(classes)))
        yield operator, len(classes), [(file, chance.choice(ways)) for file, ways in drawn]


def attempt(operator: Operator, file: File, mutant: Mutant) -> Trial:
    text = file.text
    found = _findings(file, mutant.apply(text), mutant.symbol)
    known = {_key(finding) for finding in _findings(file, text, mutant.symbol)} if found else set()
    new = [finding for finding in found if _key(finding) not in known]
    codes = sorted({finding.code for finding in new})
    caught = tuple(code for code in codes if code in operator.codes)
    return Trial(operator, file, mutant, caught, tuple(code for code in codes if code not in operator.codes))


def _findings(file: File, text: str, symbol: str) -> list[Finding]:
    """What is reported inside a class when the file has this text."""
    rows = range(0)
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == symbol:
            rows = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return [finding for finding in findings_in(file.path, text) if finding.span.row in rows]


def findings_in(path: Path, text: str) -> tuple[Finding, ...]:
    """What is reported of a file when it has this text."""
    analysis = analyse(Source(path, text), _project(path.parent), _rules(), "attention")
    if analysis.defects:
        print(f"defect: {path}: {analysis.defects[0]}", file=sys.stderr)
    return analysis.findings


_project = cache(Project.of)
_rules = cache(load_rules)


def _key(finding: Finding) -> tuple[str, str]:
    """A finding, wherever its line went."""
    return finding.code, finding.message


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--operator", choices=[operator.name for operator in OPERATORS])
    parser.add_argument("--show", action="store_true", help="print the diff of each miss")
    options = parser.parse_args()
    files = (File(library, path) for library in libraries.load(options.cache) for path in library.files())
    trials: list[Trial] = []
    with ProcessPoolExecutor() as processes:
        for operator, applies, drawn in draw(files, options.seed, options.count, processes):
            if options.operator in (None, operator.name):
                done = list(processes.map(attempt, [operator] * len(drawn), *zip(*drawn, strict=True)))
                caught = sum(bool(trial.caught) for trial in done)
                print(
                    f"{operator.name:24} {caught:3} of {len(done):3} caught (of {applies} classes that it applies to)"
                )
                trials += done
    caught = sum(bool(trial.caught) for trial in trials)
    print(f"{'all':24} {caught:3} of {len(trials):3} caught: {caught / max(len(trials), 1):.0%}\n\nmissed:")
    for trial in trials:
        if not trial.caught:
            beside = f"  (reported: {', '.join(trial.beside)})" if trial.beside else ""
            print(f"{trial.operator.name:24} {trial.file}:{trial.mutant.row} {trial.mutant.symbol}{beside}")
            if options.show:
                print(*(f"    {line}" for line in trial.diff()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
