"""Divisions that must come out even: which are owed a check, and what happens where there is none."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from shapecheck.shapes.attention import Fate
from shapecheck.shapes.dim import Dim, Function, Kind, product
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.shape import Axis, Origin
from shapecheck.shapes.trace import Applied, Contraction, Division, Joined, Reshape, Sdpa, Step

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Trace


class Consequence(enum.Enum):
    """What sizes that don't divide lead to."""

    RAISES = "raises"
    NARROWER = "narrower"
    OTHER_COUNT = "other count"
    UNKNOWN = "unknown"


def splitting(trace: Trace) -> Iterator[Division]:
    """Divisions of sizes by a number of heads, checked or not: quotient and divisor are parts of one tensor."""
    for division in trace.divisions:
        quotient = (trace.facts.resolve(division.dividend) // trace.facts.resolve(division.divisor)).function
        if quotient is not None and _splits_heads(trace, quotient):
            yield division


def owed(trace: Trace) -> Iterator[Division]:
    """Divisions of sizes from `__init__` that nothing checks, and that split or join heads."""
    seen = {_pair(trace, division) for division in trace.divisions if division.fallback}
    for division in trace.divisions:
        pair = dividend, divisor = _pair(trace, division)
        if dividend.monomial is None:  # a sum is rounded: `(n + m - 1) // m`
            continue
        if pair in seen or not division.in_sight or division.fallback or divisor.value is not None:
            continue
        seen.add(pair)
        kinds = {symbol.kind for dim in pair for symbol in dim.symbols()}
        if not kinds or not kinds <= {Kind.CONSTRUCTOR, Kind.CONFIG} or not trace.facts.owes(dividend, divisor):
            continue
        quotient = (dividend // divisor).function
        if quotient is not None and _splits_heads(trace, quotient) and not _checked_by_owners(trace, division):
            yield division


def _pair(trace: Trace, division: Division) -> tuple[Dim, Dim]:
    return trace.facts.resolve(division.dividend), trace.facts.resolve(division.divisor)


def _checked_by_owners(trace: Trace, division: Division) -> bool:
    """Whether every class that builds this one checks the division first."""
    checked = []
    for owner in trace.owners():
        if trace.symbol in owner.built:
            same = [other for other in owner.divisions if other.place == division.place]
            checked.append(bool(same) and not any(
                owner.facts.owes(owner.facts.resolve(other.dividend), owner.facts.resolve(other.divisor)) for other in same
            ))  # fmt: skip
    return bool(checked) and all(checked)


def _attending(trace: Trace) -> set[int]:
    """The steps that lead to a context or join its heads."""
    found = {join.step.index for join in trace.joins}
    for attention in trace.attentions:
        found |= trace.ancestors(attention.context or attention.softmax)
    return found


_OF_HEADS = frozenset({Origin.LAYER, Origin.LIST, Origin.REPEAT})


def _splits_heads(trace: Trace, quotient: Function) -> bool:
    """Whether a step of an attention has the quotient and its divisor as parts of one tensor's features."""
    divisor = quotient.arguments[1]
    for step in (trace.steps[index] for index in sorted(_attending(trace))):
        if isinstance(step.detail, Reshape):
            groups = [step.detail.old, step.detail.regrouping.axes]
        elif isinstance(step.detail, Joined) or step.op in ("repeat", "repeat_interleave"):
            shape = trace.shape(step.result)
            groups = [tuple(entry for entry in shape.entries if isinstance(entry, Axis))] if shape is not None else []
        else:
            continue
        for axes in groups:
            factors = [(trace.facts.resolve(factor.size), factor.origin) for axis in axes for factor in axis.factors]
            whole = product([size for size, _ in factors])
            has = any(quotient in set(size.atoms()) and origin in _OF_HEADS for size, origin in factors)
            if has and whole.exact_quotient(divisor * Dim.of(quotient)) is not None:
                return True
    return False


def consequence(trace: Trace, division: Division) -> tuple[Consequence, str | None]:
    """What the trace does where the division leaves a remainder: the first step that no longer fits.

    Silence is only claimed where every head that was joined went through a projection that fits.
    """
    facts = trace.facts
    dividend, divisor = facts.resolve(division.dividend), facts.resolve(division.divisor)
    quotient = (dividend // divisor).function
    for step in trace.steps:
        found = _breaks(trace, step, quotient)
        if found is not None:
            return found
    if _is_repeated(trace, quotient) or not trace.joins or any(join.fate is not Fate.PROJECTED for join in trace.joins):
        return Consequence.UNKNOWN, None
    return Consequence.NARROWER, f"silent: {divisor} times {quotient} falls short of {dividend}"


def _breaks(trace: Trace, step: Step, quotient: Function | None) -> tuple[Consequence, str] | None:
    """What a step does that only fits if the division comes out even; None for any other."""
    facts = trace.facts
    match step.detail:
        case Reshape(regrouping=regrouping, old=old, new=new, inferred=inferred, what=what):
            sizes = [*new, *(axis.size for axis in old)]
            if regrouping.verdict is not Verdict.REGROUPED or step.lost_by or not _has(facts, quotient, sizes):
                return None
            if _same(facts, product([axis.size for axis in old]), product(list(new))):
                return None
            if inferred is not None and "-1" in step.place.code and facts.resolve(new[inferred]).function != quotient:
                return Consequence.OTHER_COUNT, "raises, or the -1 beside it takes another number"
            if what in ("rearrange", "repeat", "reduce"):
                return Consequence.RAISES, "raises at the first forward: einops can't divide the axis in chunks"
            shape = ", ".join(str(facts.resolve(size)) for size in new)
            return Consequence.RAISES, f"raises at the first forward: shape '[{shape}]' is invalid for input of size …"
        case Applied(takes=Dim() as takes, got=Axis() as got):
            even = facts.same(takes, got.size) and not _same(facts, takes, got.size)
            if even and _has(facts, quotient, [takes, got.size]):
                return Consequence.RAISES, "raises at the first forward"
        case Sdpa() | Contraction(clash=None):
            clash = _uneven(trace, step)
            if clash is not None and _has(facts, quotient, clash):
                return Consequence.RAISES, f"raises at the first forward: {clash[0]} heads meet {clash[1]}"
    return None


def _is_repeated(trace: Trace, quotient: Function | None) -> bool:
    """Whether the quotient counts copies of key and value heads."""
    shapes = (trace.shape(step.result) for step in trace.steps)
    factors = (factor for shape in shapes if shape is not None for factor in shape.factors())
    return any(
        factor.origin is Origin.REPEAT and quotient in set(trace.facts.resolve(factor.size).atoms())
        for factor in factors
    )


def _has(facts: Facts, quotient: Function | None, sizes: Iterable[Dim]) -> bool:
    """Whether some size is made of a quotient."""
    return any(quotient in set(facts.resolve(size).atoms()) for size in sizes)


def _uneven(trace: Trace, step: Step) -> tuple[Dim, Dim] | None:
    """Two axes in front of a product's operands that are only the same if divisions come out even."""
    shapes = [trace.shape(operand) for operand in step.operands[:2]]
    if any(shape is None or shape.rank is None for shape in shapes):
        return None
    left, right = (shape.axes[:-2] for shape in shapes if shape is not None and shape.axes is not None)
    for one, other in zip(reversed(left), reversed(right), strict=False):
        a, b = trace.facts.resolve(one.size), trace.facts.resolve(other.size)
        if not a.is_one and not b.is_one and a != b and trace.facts.same(a, b):
            return a, b
    return None


def _same(facts: Facts, a: Dim, b: Dim) -> bool:
    """Whether two sizes are the same without any division being taken to come out even."""
    return facts.resolve(a) == facts.resolve(b)
