"""Source → traces → findings: every root is traced, every rule asked, and what they say is put together."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from shapecheck.rule import Draft, Edit, Finding, Fix, Holds, Related, Rewrite, Rule, Span
from shapecheck.shapes.details import Applied, Contraction, Detail
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Axis
from shapecheck.shapes.trace import Place, Trace
from shapecheck.source import Source
from shapecheck.static.constructions import constructions
from shapecheck.static.paths import Paths, Root, Traced
from shapecheck.static.project import File, Project
from shapecheck.static.ranks import USUAL
from shapecheck.static.roots import Candidates, builders, candidates, resolved
from shapecheck.static.syntax import Broken, NodePlace, SyntaxProblem
from shapecheck.static.values import Class

# Expressions evaluated for one class, all its paths together.
FIRST_WORK = 1_500  # until some rule says something
MOST_WORK = 5_000  # from then on
NEAR = 1_500  # for a class that only builds or calls one that attends: a few paths at most
SEEKING = 12_000  # for such a class when a path is looked for that gets to a place
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


class Subject:
    """One file under analysis: its roots, each traced once."""

    def __init__(self, file: File, scope: str) -> None:
        self.file = file
        self.scope = scope
        self._traces: dict[tuple[int, bool], Traces] = {}
        self.meant: set[object] = set()  # the signs, seen so far, that something is as it is on purpose

    @cached_property
    def candidates(self) -> Candidates:
        return candidates(self.file, self.scope)

    @cached_property
    def roots(self) -> list[Root]:
        return [Root(of) for of in resolved(self.file, self.candidates.blocks)]

    def traced(self, root: Root, *, every: bool = False) -> Traced:
        """The traces of a root, on the paths that run new code or on `every` one; each can ask for those of its owners."""
        key = id(root.of.node), root.forward
        if key not in self._traces:
            self._traces[key] = Traces(self, root)
        return self._traces[key].traced(every=every)

    def forget(self) -> None:
        """Let go of everything: it goes round in circles, and the collector takes long to find that out."""
        for traces in self._traces.values():
            traces.forget()
        self._traces.clear()
        self.file.forget()

    def owners(self, root: Root, place: Place | None = None, *, forward: bool) -> tuple[Trace, ...]:
        """The traces of the classes that build this one; without `forward` they may end once it is built.

        Where a place is given, one that divides there is among them, if there is any.
        """
        return tuple(
            trace
            for owner in self._owners(root, forward=forward)
            for trace in self._asked(owner, place)
            if trace.completed
        )

    def _asked(self, owner: Root, place: Place | None) -> tuple[Trace, ...]:
        traces = self.traced(owner).traces
        if place is None or any(trace.divides_at(place) for trace in traces[:8]):
            return traces[:8]
        sought = self._traces[id(owner.of.node), owner.forward].sought(place)
        return traces[:8] if sought is None else (*traces[:8], sought)

    def _owners(self, root: Root, *, forward: bool) -> Iterator[Root]:
        if isinstance(root.of, Class):
            for block in builders(self.file, root.of.name):
                traced_anyway = block in self.candidates.blocks
                for of in resolved(self.file, (block,)):
                    if isinstance(of, Class):
                        yield Root(of, forward=forward or traced_anyway)


class Traces:
    """The traces of one root, more of them when more are asked for."""

    def __init__(self, subject: Subject, root: Root) -> None:
        self._subject = subject
        self._root = root
        self._paths = Paths(root)
        self._traces: list[Trace] = []
        self._left_out = 0
        self._asked: set[bool] = set()
        self._sought: set[Place] = set()

    def forget(self) -> None:
        """Let go of the traces, and of what was worked out of them: some of that knows its trace."""
        for trace in self._traces:
            vars(trace).clear()
        self._traces.clear()
        self._paths.forget()

    def traced(self, *, every: bool) -> Traced:
        """Those of the paths that run new code, or of every path."""
        if every not in self._asked:
            self._asked.add(every)  # a class that owns itself asks while it is being traced
            self._follow(every=every)
        return Traced(self._root, tuple(self._traces), self._left_out)

    def sought(self, place: Place) -> Trace | None:
        """A trace that divides at a place: of the paths so far, or of some more, followed for it."""
        if place not in self._sought:
            self._sought.add(place)
            if not any(trace.divides_at(place) for trace in self._traces):
                self._take(self._paths.follow(SEEKING, every=True, until=lambda trace: trace.divides_at(place)))
        return next((trace for trace in self._traces if trace.divides_at(place)), None)

    def _follow(self, *, every: bool) -> None:
        if not self._root.of.slice.block.mentions_attention:
            self._take(self._paths.follow(NEAR, most_paths=4))
        else:
            self._take(self._paths.follow(MOST_WORK if every else FIRST_WORK, every=every))

    def _take(self, found: Traced) -> None:
        elsewhere = self._root.symbol in self._subject.candidates.elsewhere
        for trace in found.traces[len(self._traces) :]:
            owners = partial(self._subject.owners, self._root, forward=True)
            built = partial(self._subject.owners, self._root, forward=False)
            self._traces.append(
                replace(trace, owners=owners, builders=built, siblings=self._so_far, elsewhere=elsewhere)
            )
        self._left_out = found.left_out

    def _so_far(self) -> tuple[Trace, ...]:
        return tuple(trace for trace in self._traces if trace.completed)


# -- findings of one root ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Said:
    """What a rule says of one path."""

    rule: Rule
    draft: Draft
    path: int


def _findings(subject: Subject, root: Root, rules: Sequence[Rule], defects: list[Defect]) -> Iterator[Finding]:
    result, said = _said(subject, root, rules, defects)
    if said:  # whatever is said must hold on every path that it may be said of
        result, said = _said(subject, root, rules, defects, every=True)
    traces = [trace for trace in result.traces if trace.completed]
    one_of_many = bool(result.left_out) and len(result.traces) == 1
    subject.meant |= {_sign(one.rule, one.draft) for one in said if one.draft.meant}
    said = [one for one in said if _sign(one.rule, one.draft) not in subject.meant]
    elsewhere = OtherRank(root)
    proven = [one for one in said if _holds(one, said, traces, elsewhere)]
    kept = [one for one in proven if not _follows(one, proven, traces[one.path])]
    done: set[object] = set()
    for one in kept:
        keys = {(one.rule.code, one.draft.place), (one.rule.code, one.draft.key)} - {(one.rule.code, None)}
        if keys & done:
            continue
        done |= keys
        where = _where(one, said, traces)
        draft = _agreed(one, said, one_of_many=one_of_many)
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
    traces = [trace for trace in result.traces if trace.completed]
    if result.left_out and len(result.traces) == 1:  # one path of many proves nothing of the others
        rules = [rule for rule in rules if rule.holds is not Holds.RAISING]
    return result, [
        Said(rule, draft, index)
        for index, trace in enumerate(traces)
        for rule in rules
        for draft in _listed(defects, root.symbol, rule.code, rule.check, trace)
    ]


class OtherRank:
    """A root traced as if its inputs had an axis more than is usual: what is found with both rests on neither."""

    def __init__(self, root: Root) -> None:
        self._root = root

    @cached_property
    def _traces(self) -> tuple[Trace, ...]:
        followed = Paths(self._root, USUAL + 1).follow(FIRST_WORK)
        return tuple(trace for trace in followed.traces if trace.completed and not trace.contradictory)

    def has(self, one: Said) -> bool:
        """Whether it is said there, too, or what meets there isn't known to fit."""
        others = [trace for trace in self._traces if _reaches(trace, one.draft)]
        return bool(others) and all(
            _is_open(trace, one.draft) or any(draft.place == one.draft.place for draft in one.rule.check(trace))
            for trace in others
        )


def _holds(one: Said, said: list[Said], traces: list[Trace], elsewhere: OtherRank) -> bool:
    """Whether what is said of one path is said of as many as the rule asks for, and rests on no assumption."""
    if one.draft.step is not None and one.rule.holds is not Holds.EVERY:
        trace = traces[one.path]
        about_shapes = one.rule.holds is Holds.RAISING or one.rule.code.startswith("SHP")
        if trace.contradictory or (about_shapes and _assumed(trace, one.draft.step) and not elsewhere.has(one)):
            return False
    if one.rule.holds is Holds.SOME and not one.draft.everywhere:
        return True
    paths = {other.path for other in said if other.rule is one.rule and other.draft.place == one.draft.place}
    if one.draft.everywhere:
        return len(paths) == len(traces)
    if one.rule.holds is Holds.EVERY:
        attending = {index for index, trace in enumerate(traces) if trace.attentions and not _has_one_head(trace)}
        anywhere = {other.path for other in said if other.rule is one.rule}
        agrees = one.draft.agrees
        return all(index in anywhere or (agrees is not None and agrees(traces[index])) for index in attending)
    reaching = {index for index, trace in enumerate(traces) if _reaches(trace, one.draft)}
    # a path that doesn't show what an unchecked division is for is no witness that it is checked
    reaching -= {index for index in reaching - paths if one.draft.place in traces[index].unchecked}
    if 0 in paths:  # where the default path has it, a path on which nothing is known there is no witness
        unsure = {index for index in reaching - paths if _in_the_dark(traces[index], one.draft)}
        unsure |= {index for index in reaching - paths if _is_open(traces[index], one.draft)}
        reaching -= unsure
    return reaching <= paths


def _agreed(one: Said, said: list[Said], *, one_of_many: bool) -> Draft:
    """What all paths say of a place, for a rule that asks them all: they may differ in what happens at run time."""
    draft = one.draft
    if one.rule.holds is Holds.SOME or draft.outcome is None:
        return draft
    drafts = [other.draft for other in said if other.rule is one.rule and other.draft.place == draft.place]
    starts = {other.outcome.split(":")[0] if other.outcome is not None else None for other in drafts}
    if len(starts) > 1 or (one_of_many and starts == {"silent"}):
        return replace(draft, outcome=None, severity=None)
    if one_of_many or any(other.outcome != draft.outcome for other in drafts):
        return replace(draft, outcome=starts.pop())
    return draft


def _assumed(trace: Trace, step: int) -> bool:
    """Whether a step's operands have axes that are only there if a rank is as is usual."""
    shapes = (trace.shape(operand) for operand in trace.steps[step].operands)
    return trace.facts.rests_on_assumption(shapes, trace.attended)


def _in_the_dark(trace: Trace, draft: Draft) -> bool:
    """Whether every step at a place is given something of which not even the rank is known."""
    steps = [step for step in trace.steps if step.place == draft.place]
    shapes = [[trace.shape(operand) for operand in step.operands] for step in steps]
    return bool(steps) and all(any(shape is None or shape.row is not None for shape in some) for some in shapes)


def _is_open(trace: Trace, draft: Draft) -> bool:
    """Whether at every step of a place two sizes meet of which nothing says that they are the same."""
    details = [step.detail for step in trace.steps if step.place == draft.place and step.detail is not None]
    return bool(details) and all(_is_unsure(trace, detail) for detail in details)


def _is_unsure(trace: Trace, detail: Detail) -> bool:
    match detail:
        case Contraction(clash=None, certain=certain):
            return not certain
        case Applied(clash=False, takes=Dim() as takes, got=Axis() as got):
            return not trace.facts.same(takes, got.size)
    return False


def _has_one_head(trace: Trace) -> bool:
    """Whether a path was told that there is a single head: it joins none, and owes nothing for it."""
    shapes = [trace.shape(one.scores.result) for one in trace.attentions if one.scores is not None]
    single = [
        shape is not None and any(isinstance(axis, Axis) and axis.is_one for axis in shape.entries[:-2])
        for shape in shapes
    ]
    return bool(single) and all(single) and all(join.heads.is_one for join in trace.joins)


def _reaches(trace: Trace, draft: Draft) -> bool:
    return draft.place in trace.places


def _follows(one: Said, proven: list[Said], trace: Trace) -> bool:
    """Whether a finding follows from another one of the same path, or is the same defect told by a lesser rule."""
    if one.draft.step is None or one.rule.holds is Holds.EVERY:
        return False
    others = [
        other for other in proven if other.path == one.path and other.rule.holds is not Holds.EVERY and other is not one
    ]
    before = trace.ancestors(trace.steps[one.draft.step]) - {one.draft.step}
    for other in others:
        if other.draft.step is None:
            continue
        if other.draft.spoils and other.draft.step in before and other.draft.place != one.draft.place:
            return True
        if (
            other.draft.step == one.draft.step
            and other.rule.code < one.rule.code
            and other.rule.code[:3] != one.rule.code[:3]
        ):
            return True
    return False


def _where(one: Said, said: list[Said], traces: list[Trace]) -> str:
    """On which paths a finding holds, where it doesn't hold on all that reach its place: `, where flash is false`."""
    paths = {other.path for other in said if other.rule is one.rule and other.draft.place == one.draft.place}
    others = [trace for index, trace in enumerate(traces) if index not in paths]
    reaching = [trace for trace in others if _reaches(trace, one.draft)]
    rest = reaching or (others if one.rule.holds is Holds.RAISING else [])
    if not rest:
        return ""
    common = set.intersection(*(set(traces[index].decisions) for index in paths))
    telling = [decision for decision in traces[one.path].decisions if decision in common]
    for told, value in telling:
        if not any((told, value) in trace.decisions for trace in rest):
            return f", where `{told}` is {str(value).lower()}"
    return ", on some paths" if reaching else ""


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
