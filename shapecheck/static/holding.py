"""What a rule says of one path → whether it holds on the others, follows from something worse, and where it holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from shapecheck.rule import Draft, Holds, Rule
from shapecheck.shapes.details import Applied, Contraction, Detail
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Axis
from shapecheck.shapes.trace import Trace
from shapecheck.static.paths import Paths, Root
from shapecheck.static.ranks import USUAL
from shapecheck.static.subject import FIRST_WORK


@dataclass(frozen=True)
class Said:
    """What a rule says of one path."""

    rule: Rule
    draft: Draft
    path: int


class OtherRank:
    """A root traced as if its inputs had an axis more, or less, than is usual: what is found with each rests on none."""

    def __init__(self, root: Root) -> None:
        self._root = root

    @cached_property
    def _more(self) -> tuple[Trace, ...]:
        return self._traces(USUAL + 1)

    @cached_property
    def _less(self) -> tuple[Trace, ...]:
        return self._traces(USUAL - 1)

    def _traces(self, rank: int) -> tuple[Trace, ...]:
        followed = Paths(self._root, rank).follow(FIRST_WORK)
        return tuple(trace for trace in followed.traces if trace.completed and not trace.contradictory)

    def has(self, one: Said) -> bool:
        """Whether it is said there, too, or what meets there isn't known to fit; a rank that can't be proves nothing."""
        more = [trace for trace in self._more if _reaches(trace, one.draft)]
        return bool(more) and all(_says(trace, one) for trace in (*more, *self._less) if _reaches(trace, one.draft))


def _says(trace: Trace, one: Said) -> bool:
    return _is_open(trace, one.draft) or any(draft.place == one.draft.place for draft in one.rule.check(trace))


def holds(one: Said, said: list[Said], traces: list[Trace], elsewhere: OtherRank) -> bool:
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


def agreed(one: Said, said: list[Said], *, one_of_many: bool) -> Draft:
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


def follows(one: Said, proven: list[Said], trace: Trace) -> bool:
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


def where_it_holds(one: Said, said: list[Said], traces: list[Trace]) -> str:
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
