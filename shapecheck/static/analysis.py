"""Source → traces → findings: every root is traced, every rule asked, and what they say is put together."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from shapecheck.rule import Draft, Edit, Finding, Fix, Holds, Related, Rewrite, Rule, Span
from shapecheck.shapes.trace import Trace
from shapecheck.source import Source
from shapecheck.static.constructions import constructions
from shapecheck.static.holding import OtherRank, Said, agreed, follows, holds, where_it_holds
from shapecheck.static.paths import Root, Traced
from shapecheck.static.project import File, Project
from shapecheck.static.subject import Subject
from shapecheck.static.syntax import Broken, NodePlace, SyntaxProblem

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Defect:
    """A crash of our own on one class or function; the run goes on."""

    symbol: str
    rule: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that is found in one file."""

    findings: tuple[Finding, ...] = ()
    syntax_errors: tuple[SyntaxProblem, ...] = ()
    defects: tuple[Defect, ...] = ()


def analyse(source: Source, project: Project, rules: Sequence[Rule], scope: str) -> Analysis:
    """Everything that `rules` find in a file."""
    file = File(source.path, source.text, project, notebook=bool(source.cells))
    try:
        _ = file.outline
    except Broken as error:
        return Analysis(syntax_errors=(error.problem,))
    subject = Subject(file, scope)
    defects: list[Defect] = []
    found: dict[tuple[str, Path, Span], Finding] = {}
    for finding in (*_of_roots(subject, rules, defects), *_of_constructions(subject, rules, defects)):
        found.setdefault((finding.code, finding.path, finding.span), finding)
    subject.forget()
    return Analysis(tuple(sorted(found.values(), key=lambda finding: finding.order)), (), tuple(defects))


def findings_of(source: Source, project: Project, rules: Sequence[Rule], name: str) -> tuple[Finding, ...]:
    """What `rules` find in one class or function of a file, be it attention or not; a crash of ours is an error here."""
    subject = Subject(File(source.path, source.text, project, notebook=bool(source.cells)), "modules")
    defects: list[Defect] = []
    found: dict[tuple[str, Span], Finding] = {}
    for root in subject.roots:
        if root.symbol == name:
            for finding in _findings(subject, root, rules, defects):
                found.setdefault((finding.code, finding.span), finding)
    return tuple(sorted(found.values(), key=lambda finding: finding.order))


def traces_of(source: Source, project: Project, name: str) -> tuple[Trace, ...]:
    """The traces of one class or function of a file, on every path; each can ask for those of its owners."""
    subject = Subject(File(source.path, source.text, project, notebook=bool(source.cells)), "modules")
    return tuple(
        trace for root in subject.roots if root.symbol == name for trace in subject.traced(root, every=True).traces
    )


def _of_roots(subject: Subject, rules: Sequence[Rule], defects: list[Defect]) -> Iterator[Finding]:
    for root in subject.roots:
        yield from _listed(defects, root.symbol, None, _findings, subject, root, rules, defects)


def _of_constructions(subject: Subject, rules: Sequence[Rule], defects: list[Defect]) -> Iterator[Finding]:
    for construction in _listed(defects, "<module>", None, constructions, subject):
        for rule in rules:
            if rule.check_construction is not None:
                for draft in _listed(defects, construction.symbol, rule.code, rule.check_construction, construction):
                    yield _finding(rule, draft, construction.symbol)


def _listed(
    defects: list[Defect],
    symbol: str,
    rule: str | None,
    work: Callable[P, Iterator[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> list[T]:
    """All that some work yields; a crash of ours is put down as a defect, and the run goes on."""
    try:
        return list(work(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 (whatever it is, it is reported as ours)
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        defects.append(Defect(symbol, rule, said))
        return []


# -- findings of one root ------------------------------------------------------------------------------------------------
def _findings(subject: Subject, root: Root, rules: Sequence[Rule], defects: list[Defect]) -> Iterator[Finding]:
    result, said = _said(subject, root, rules, defects)
    if said:  # whatever is said must hold on every path that it may be said of
        result, said = _said(subject, root, rules, defects, every=True)
    traces = [trace for trace in result.traces if trace.completed]
    one_of_many = bool(result.left_out) and len(result.traces) == 1
    subject.meant |= {_sign(one.rule, one.draft) for one in said if one.draft.meant}
    said = [one for one in said if _sign(one.rule, one.draft) not in subject.meant]
    elsewhere = OtherRank(root)
    proven = [one for one in said if holds(one, said, traces, elsewhere)]
    kept = [one for one in proven if not follows(one, proven, traces[one.path])]
    done: set[object] = set()
    for one in kept:
        keys = {(one.rule.code, one.draft.place), (one.rule.code, one.draft.key)} - {(one.rule.code, None)}
        if keys & done:
            continue
        done |= keys
        where = where_it_holds(one, said, traces)
        draft = agreed(one, said, one_of_many=one_of_many)
        yield _finding(one.rule, draft, root.symbol, where)


def _sign(rule: Rule, draft: Draft) -> object:
    """What a draft and the sign that it is meant have in common: the place, or a key in one class."""
    assert isinstance(draft.place, NodePlace)
    return rule.code, (draft.place.frame, draft.key) if draft.key is not None else draft.place


def _said(
    subject: Subject, root: Root, rules: Sequence[Rule], defects: list[Defect], *, every: bool = False
) -> tuple[Traced, list[Said]]:
    """What rules say of the paths of a root."""
    result = subject.traced(root, every=every)
    said = _asked(result, root, rules, defects)
    if every and result.unseen and any(one.rule.holds is Holds.RAISING for one in said):
        result = subject.seen(root)
        said = _asked(result, root, rules, defects)
    if every and (result.unseen or (result.left_out and len(result.traces) == 1)):  # these prove nothing of the others
        said = [one for one in said if one.rule.holds is not Holds.RAISING]
    return result, said


def _asked(result: Traced, root: Root, rules: Sequence[Rule], defects: list[Defect]) -> list[Said]:
    traces = [trace for trace in result.traces if trace.completed]
    return [
        Said(rule, draft, index)
        for index, trace in enumerate(traces)
        for rule in rules
        for draft in _listed(defects, root.symbol, rule.code, rule.check, trace)
    ]


def _finding(rule: Rule, draft: Draft, symbol: str, where: str = "") -> Finding:
    place = draft.place
    assert isinstance(place, NodePlace)
    related = tuple(
        Related(message, other.path, other.span) for message, other in draft.related if isinstance(other, NodePlace)
    )
    return Finding(
        rule.code, rule.name, draft.severity or rule.severity, place.path, place.span, place.frame or symbol,
        draft.message + where, draft.outcome, draft.help, related, _fix(draft.fix, place.path) if draft.fix else None,
    )  # fmt: skip


def _fix(rewrite: Rewrite, path: Path) -> Fix | None:
    """The repair as edits of a file; None where it reaches into another one."""
    places = [place for place, _ in rewrite.edits if isinstance(place, NodePlace) and place.path == path]
    if len(places) < len(rewrite.edits):
        return None
    edits = (Edit(place.span, text) for place, (_, text) in zip(places, rewrite.edits, strict=True))
    return Fix(rewrite.message, tuple(edits), rewrite.safe)
