"""A class run for real, followed, and its recorded trace put before the rules."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from shapecheck.rule import Draft, Finding, Holds, Related, Rule, Span
from shapecheck.runtime.built import held
from shapecheck.runtime.confirm import at
from shapecheck.runtime.follow import Contradiction, Follower
from shapecheck.runtime.reach import Reach
from shapecheck.runtime.record import Log, Watched
from shapecheck.runtime.recording import Site
from shapecheck.runtime.spot import BETWEEN, Spot
from shapecheck.shapes.dim import Kind
from shapecheck.shapes.trace import Bound, Place, Trace
from shapecheck.static.run import MOST_STEPS, GiveUp

DEEPEST = 2  # how far objects of objects that a constructor is given are looked into


@dataclass(frozen=True, slots=True)
class Followed:
    """A real run as a trace that rules read; `error` says why there is none, or what the run raised."""

    trace: Trace | None
    error: str | None = None
    contradictions: tuple[Contradiction, ...] = ()
    spoilt: frozenset[int] = frozenset()
    raised_at: int | None = None


def follow(of: type, arguments: Mapping[str, Any], inputs: Mapping[str, Any], device: str = "cpu") -> Followed:
    """Build a class with these arguments, its sizes under their names, call it, and follow what happens.

    `inputs` are tensors by the names of forward's parameters. What the class or our own following raises is told in
    `error`; the run is a second one, beside the one that is compared with the prediction.
    """
    follower = Follower(of.__name__)
    torch.manual_seed(0)
    trace, error = None, None
    _forget_sizes()
    try:
        trace, error = _followed(follower, of, arguments, inputs, device)
    except Exception as raised:  # noqa: BLE001 (a number that knows its formula may break code that wants a plain one)
        error = _words(raised)
    finally:
        _forget_sizes()
    return Followed(trace, error, tuple(follower.contradictions), frozenset(follower.spoilt), follower.raised_at)


def _followed(
    follower: Follower, of: type, arguments: Mapping[str, Any], inputs: Mapping[str, Any], device: str
) -> tuple[Trace, str | None]:
    with held(follower):
        with follower.listening(), torch.device(device):
            subject = of(**_named(follower, of, arguments))
        subject.eval()
        follower.running = True
        reach = Reach(of)
        reach.module(subject)
        for name, value in inputs.items():
            if isinstance(value, torch.Tensor):
                follower.input(name, value)
        output, error = None, None
        log = Log(lambda site, value: _bind(follower, site, value), lambda site, value: _name(follower, site, value))
        with Watched(iter(reach.functions.values())).recording(log), follower.listening():
            try:
                output = subject(**inputs)
            except Exception as raised:  # noqa: BLE001 (it is told, and a rule may say why)
                error = _words(raised)
    return follower.trace(output, completed=error is None), error


def _words(error: Exception) -> str:
    return f"it has more than {MOST_STEPS} ops" if isinstance(error, GiveUp) else f"{type(error).__name__}: {error}"


def _forget_sizes() -> None:
    """Empty the caches of packages that work with shapes: a number of this run is equal to one of another run."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in BETWEEN:
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _bind(follower: Follower, site: Site, value: torch.Tensor) -> None:
    known = follower.bound(value)
    if known is not None and site.kind == "assign":
        spot = Spot(site.path, Span(site.row, site.column, site.end_row, site.end_column), site.name, follower.symbol)
        follower.run.bound.append(Bound(site.name, known, spot, follower.symbol))


def _name(follower: Follower, site: Site, value: Any) -> None:
    """Call a size of an input as the code does: `b, t, _ = x.shape`."""
    follower.run.name_size(value.dim, site.name)


# -- names for what a constructor is given -------------------------------------------------------------------------------
def _named(follower: Follower, of: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments and the defaults, each whole number with its name."""
    given = dict(arguments)
    for one in inspect.signature(of).parameters.values():
        plain = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        if plain and one.name not in given and type(one.default) is int:
            given[one.name] = one.default
    return {
        name: _with_names(follower, value, name, Kind.CONSTRUCTOR, ("param", of.__name__, name))
        for name, value in given.items()
    }


def _with_names(follower: Follower, value: Any, name: str, kind: Kind, key: object, depth: int = DEEPEST) -> Any:
    if type(value) is int and value > 1:
        return follower.numbers.symbol(value, name, kind, key)
    if (
        not depth
        or not hasattr(value, "__dict__")
        or isinstance(value, type | torch.nn.Module | torch.Tensor)
        or callable(value)
    ):
        return value
    twin = copy.copy(value)
    for field, own in list(vars(twin).items()):
        new = _with_names(follower, own, field, Kind.CONFIG, ("attribute", key, field), depth - 1)
        if new is not own:
            object.__setattr__(twin, field, new)
    return twin


# -- rules ---------------------------------------------------------------------------------------------------------------
def findings_on(followed: Followed, static: Sequence[Trace], rules: Sequence[Rule]) -> Iterator[Finding]:
    """What the rules say of a recorded trace.

    A rule about something that raises is asked where something was raised, and of that alone. What is missing somewhere is
    the source's business where the source was understood: its other paths, its owners and its guards are known there.
    """
    trace = followed.trace
    if trace is None:
        return
    source = next((one for one in static if one.completed), None)
    if source is not None:  # who owns the class is known from the source; a place of the run is none of theirs
        owners = source.owners
        trace = replace(trace, owners=lambda place=None: owners(), elsewhere=any(one.elsewhere for one in static))
    understood = _understood(static)
    drafts = [(rule, draft) for rule in rules for draft in rule.check(trace) if _is_proven(followed, rule, draft)]
    said: set[object] = set()
    for rule, draft in drafts:
        if not isinstance(draft.place, Spot) or draft.meant or _follows(trace, rule, draft, drafts):
            continue
        missing = rule.holds in (Holds.EVERY, Holds.REACHING)
        if missing and (not trace.completed or _where(draft.place) in understood):
            continue  # of a run that ended early nobody knows what would have come
        keys = {(rule.code, draft.place), (rule.code, draft.key)} - {(rule.code, None)}
        if not keys & said:
            said |= keys
            yield _finding(rule, draft, draft.place)


def _is_proven(followed: Followed, rule: Rule, draft: Draft) -> bool:
    assert followed.trace is not None
    if rule.holds is Holds.RAISING:
        return draft.step is not None and draft.step == followed.raised_at
    if draft.step is None:
        return True
    return not followed.spoilt & followed.trace.ancestors(followed.trace.steps[draft.step])


def _follows(trace: Trace, rule: Rule, draft: Draft, drafts: Sequence[tuple[Rule, Draft]]) -> bool:
    """Whether it is the consequence of another finding, or the same defect told by a lesser rule."""
    if draft.step is None or rule.holds is Holds.EVERY:
        return False
    before = trace.ancestors(trace.steps[draft.step]) - {draft.step}
    for other_rule, other in drafts:
        if other is draft or other.step is None or other.meant or other_rule.holds is Holds.EVERY:
            continue
        if other.spoils and other.step in before and other.place != draft.place:
            return True
        if other.step == draft.step and other_rule.code < rule.code and other_rule.code[:3] != rule.code[:3]:
            return True
    return False


def _understood(static: Sequence[Trace]) -> set[object]:
    """Where the source's own traces know that heads are joined, or that sizes are divided, or what becomes of scores."""
    found: set[object] = set()
    for trace in static:
        if trace.completed:
            found.update(_where(one.step.place) for one in trace.joins)
            found.update(_where(one.place) for one in trace.divisions)
            found.update(_where(one.softmax.place) for one in trace.attentions)
    return found


def _where(place: Place) -> object:
    if isinstance(place, Spot):
        return str(place.path), place.span.row
    where = at(place)
    return where[:2] if where is not None else None


def _finding(rule: Rule, draft: Draft, place: Spot) -> Finding:
    related = tuple(Related(told, one.path, one.span) for told, one in draft.related if isinstance(one, Spot))
    return Finding(
        rule.code, rule.name, draft.severity or rule.severity, place.path, place.span, place.frame, draft.message,
        draft.outcome, draft.help, related,
    )  # fmt: skip
