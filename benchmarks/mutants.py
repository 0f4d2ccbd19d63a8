"""What share of mutants is reported: attention code that can be run, broken in every way that `mutations` knows.

    python benchmarks/mutants.py [fixtures] [LIBRARY …] [--seed 0] [--each 1] [--operator NAME …] [--show] [--output FILE]

The code is that of fixtures/ which nothing is to be reported of, and the classes of agreement.jsonl; run this where
those libraries are installed. In each class, --each places are drawn by seed for each operator. Every mutant is run: it is left
out as harmless if outputs and gradients are the original's on three seeds (never where a guard was dropped or a comment
changed), and as unreached if no run comes to its line. The others are caught by the right rule, caught by another one,
or missed; a miss stands under the construct that lost the shapes it would take to see it.
"""

import argparse
import ast
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from agreement import cases
from mutant_runs import SEEDS, Subject
from mutations import TRIED, Mutant, Operator
from mutations.attention import ATTENDS, PRODUCTS, Attention, Module, reached
from recall import findings_in
from shapecheck.source import Source
from shapecheck.static import show
from shapecheck.static.project import Project

FIXTURES = Path(__file__).parents[1] / "fixtures"
LEFT_OUT = ("harmless", "unreached")
FEW = 20  # mutants, below which an operator's share says little


@dataclass(frozen=True)
class Trial:
    """A mutant and what became of it: harmless, unreached, right, another or missed."""

    operator: str
    subject: str
    symbol: str
    row: int
    change: str
    verdict: str
    runs: str = ""  # silent, or what it raises
    codes: tuple[str, ...] = ()
    cause: str = ""  # of a miss


def subjects(names: list[str]) -> Iterator[Subject]:
    """The clean fixtures and the cases of the libraries that are installed here."""
    if not names or "fixtures" in names:
        for folder in ("clean", "styles", "shapes"):
            for path in sorted((FIXTURES / folder).glob("*.py")):
                text = path.read_text("utf-8")
                roots = {node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
                if "-> silent" in text and "# expect:" not in text:
                    yield Subject("fixtures", path, frozenset(roots), None)
    wanted = [name for name in names if name != "fixtures"]
    for case in cases(wanted) if wanted or not names else ():
        if case.library == "torch" or find_spec(case.library) is None:
            continue
        module, _, root = case.name.rpartition(".")
        spec = find_spec(module)
        assert spec is not None and spec.origin is not None
        yield Subject(case.library, Path(spec.origin), frozenset({root}), case)


def definitions(subject: Subject) -> Iterator[Attention]:
    """The classes and functions that a subject reaches."""
    module = Module(subject.text)
    for node in reached(module, set(subject.roots)):
        yield Attention(module, node)


def planted(subject: Subject, wanted: list[str], seed: int, each: int) -> Iterator[tuple[Operator, Attention, Mutant]]:
    """The drawn mutants of a subject; the same class reached from two of them gives the same ones."""
    for attention in definitions(subject):
        text = attention.module.source(attention.node)
        attends = bool(ATTENDS.search(text) or PRODUCTS.search(text))
        for operator in TRIED:
            if (wanted and operator.name not in wanted) or not (attends or operator.anywhere):
                continue
            ways = operator.mutants(attention)
            chance = random.Random(f"{operator.name} {subject.path.name} {attention.node.name} {seed}")
            for mutant in chance.sample(ways, min(each, len(ways))):
                yield operator, attention, mutant


class Judge:
    """One subject: its original, run, and its mutants, run and checked."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.text = subject.text
        self.calls = [call for call in subject.calls() if call.outcome(self.text, 0).error is None]
        self.ran = {line for call in self.calls for line in call.lines(self.text, subject.compiled_as)}
        self.like = [[call.parameters(self.text, seed) for seed in SEEDS] for call in self.calls]
        self.expected = [
            [call.outcome(self.text, seed, like) for seed, like in zip(SEEDS, likes, strict=True)]
            for call, likes in zip(self.calls, self.like, strict=True)
        ]

    def trial(self, operator: Operator, attention: Attention, mutant: Mutant) -> Trial:
        text = mutant.apply(self.text)
        name = self.subject.name
        told = Trial(operator.name, name, mutant.symbol, mutant.row, changed_lines(self.text, text), "")
        runs = ""
        if operator.harmless_when_equal:
            if not any(row in self.ran for row in _rows(attention, mutant.row)):
                return _with(told, verdict="unreached")
            difference = self._difference(text)
            if difference is None:
                return _with(told, verdict="harmless")
            runs = difference
        found = findings_in(self.subject.path, text)
        known = self.known if found else set()
        codes = sorted({finding.code for finding in found if (finding.code, finding.message) not in known})
        if any(code in operator.codes for code in codes):
            return _with(told, verdict="right", runs=runs, codes=tuple(codes))
        if codes:
            return _with(told, verdict="another", runs=runs, codes=tuple(codes))
        return _with(told, verdict="missed", runs=runs, cause=self._cause(text, attention, mutant))

    @cached_property
    def known(self) -> set[tuple[str, str]]:
        """What is reported of the original."""
        return {(finding.code, finding.message) for finding in findings_in(self.subject.path, self.text)}

    def _difference(self, text: str) -> str | None:
        """What tells the mutant from the original: the error it raises, or that it is silent; None for nothing."""
        for call, likes, expected in zip(self.calls, self.like, self.expected, strict=True):
            for seed, like, one in zip(SEEDS, likes, expected, strict=True):
                outcome = call.outcome(text, seed, like)
                if not outcome.matches(one):
                    return outcome.error or "silent"
        return None

    def _cause(self, text: str, attention: Attention, mutant: Mutant) -> str:
        """What lost the shape nearest before the mutated line, or else after it."""
        rows = range(attention.node.lineno, (attention.node.end_lineno or 0) + 2)
        shown = [
            one for one in show(Source(self.subject.path, text), _project(self.subject.path.parent)) if one.row in rows
        ]
        if not shown:
            return "not traced"
        lost = [one for one in shown if one.lost_by is not None]
        if not lost:
            return "every shape is known"
        nearest = min(lost, key=lambda one: (abs(one.row - mutant.row), one.row))
        return f"{nearest.lost_by}"


_project = cache(Project.of)


def _with(trial: Trial, **changes: object) -> Trial:
    return Trial(**{**vars(trial), **changes})


def _rows(attention: Attention, row: int) -> range:
    """The rows of the innermost statement at a row, of its head where it has a body."""
    spans = [range(row, row + 1)]
    for node in ast.walk(attention.node):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if node.lineno <= row <= max(end, node.lineno):
                spans.append(range(node.lineno, max(end, node.lineno) + 1))
    return spans[-1]


def changed_lines(before: str, after: str) -> str:
    old, new = before.split("\n"), after.split("\n")
    kept = set(old)
    return " ⏎ ".join(line.strip() for line in new if line not in kept)[:200]


def judged(subject: Subject, wanted: list[str], seed: int, each: int) -> list[Trial]:
    """Every drawn mutant of a subject."""
    ways = list(planted(subject, wanted, seed, each))
    if not ways:
        return []
    try:
        judge = Judge(subject)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told, and the others are still judged)
        print(f"left out: {subject.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return []
    if not judge.calls:
        print(f"left out: {subject.name}: it can't be run here", file=sys.stderr)
        return []
    return [judge.trial(*way) for way in ways]


def table(trials: list[Trial]) -> Iterator[str]:
    yield f"{'':22} {'made':>5} {'unreached':>9} {'harmless':>8} {'counted':>7} {'right':>6} {'another':>7} {'missed':>6}  caught"
    for operator in TRIED:
        if some := [trial for trial in trials if trial.operator == operator.name]:
            yield line(operator.name, some)
    yield line("all", trials)


def line(name: str, trials: list[Trial]) -> str:
    verdicts = Counter(trial.verdict for trial in trials)
    counted = len(trials) - sum(verdicts[left] for left in LEFT_OUT)
    right = verdicts["right"]
    reached_ones = max(len(trials) - verdicts["unreached"], 1)
    share = f"{right / counted:.0%}" if counted else "–"
    few = " (few)" if counted < FEW else ""
    return (
        f"{name:22} {len(trials):5} {verdicts['unreached']:9} {verdicts['harmless']:4} {verdicts['harmless'] / reached_ones:3.0%} "
        f"{counted:7} {right:6} {verdicts['another']:7} {verdicts['missed']:6}  {share}{few}"
    )


def causes(trials: list[Trial]) -> Iterator[str]:
    missed = [trial for trial in trials if trial.verdict == "missed"]
    for cause, count in Counter(trial.cause for trial in missed).most_common():
        operators = Counter(trial.operator for trial in missed if trial.cause == cause)
        yield f"{count:5}  {cause}: " + ", ".join(f"{name} {number}" for name, number in operators.most_common())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--operator", nargs="*", default=[], choices=[operator.name for operator in TRIED])
    parser.add_argument("--show", action="store_true", help="list the missed mutants")
    parser.add_argument("--output", type=Path, help="a file for all trials, one JSON object a line")
    parser.add_argument("--jobs", type=int)
    options = parser.parse_args()
    every: dict[tuple[str, str, str, int, str], Trial] = {}
    with ProcessPoolExecutor(options.jobs) as processes:
        waiting = [
            processes.submit(judged, subject, options.operator, options.seed, options.each)
            for subject in subjects(options.library)
        ]
        for future in as_completed(waiting):
            for trial in future.result():
                where = trial.subject.rpartition(".")[0] if not trial.subject.startswith("fixtures") else trial.subject
                every.setdefault((trial.operator, where, trial.symbol, trial.row, trial.change), trial)
    trials = [every[key] for key in sorted(every)]
    print(*table(trials), sep="\n")
    print("\nmissed, by what lost the shapes:", *causes(trials), sep="\n")
    if options.output:
        options.output.write_text("".join(json.dumps(asdict(trial)) + "\n" for trial in trials), "utf-8")
    if options.show:
        for trial in trials:
            if trial.verdict in ("missed", "another"):
                told = ", ".join(trial.codes) or trial.cause
                print(f"{trial.operator:22} {trial.subject}:{trial.row} {trial.runs} [{told}]\n    {trial.change}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
