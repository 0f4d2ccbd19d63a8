"""A division that leaves a remainder → what becomes of it: torch raises, or the result is narrower, or it can't be told."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from shapecheck.shapes.built import Division
from shapecheck.shapes.details import Applied, Contraction, Reshape, Sdpa
from shapecheck.shapes.dim import Dim, Function, product
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.joins import Fate
from shapecheck.shapes.shape import Axis, Origin, Shape
from shapecheck.shapes.substitute import replace
from shapecheck.shapes.trace import Step

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Trace


class Consequence(enum.Enum):
    """What sizes that don't divide lead to."""

    RAISES = "raises"
    NARROWER = "narrower"
    OTHER_COUNT = "other count"
    UNKNOWN = "unknown"


def consequence(trace: Trace, division: Division) -> tuple[Consequence, str | None]:
    """What the trace does where the division leaves a remainder: the first step that no longer fits.

    Silence is only claimed where every head that was joined went through a projection that fits, torch's words only
    where every step before is known to fit.
    """
    facts = trace.facts
    dividend, divisor = facts.resolve(division.dividend), facts.resolve(division.divisor)
    quotient = (dividend // divisor).function
    assert quotient is not None
    doubt = False
    for step in trace.steps:
        found = _breaks(trace, step, quotient)
        if found is not None:
            what, words = found
            return what, words.split(":")[0] if doubt else words
        doubt = doubt or _doubtful(trace, step, quotient)
    unprojected = not trace.joins or any(join.fate is not Fate.PROJECTED for join in trace.joins)
    if doubt or unprojected or _is_repeated(trace, quotient):
        return Consequence.UNKNOWN, None
    return Consequence.NARROWER, f"silent: {divisor} times {quotient} falls short of {dividend}"


def _breaks(trace: Trace, step: Step, quotient: Function) -> tuple[Consequence, str] | None:
    """What a step does that only fits if the division comes out even; None for any other."""
    facts = trace.facts
    match step.detail:
        case Reshape(old=old, new=new, inferred=inferred, what=what) if not step.lost_by:
            if _fits(facts, product([axis.size for axis in old]), product(list(new)), quotient) is not False:
                return None
            if what in ("rearrange", "repeat", "reduce"):
                return Consequence.RAISES, "raises at the first forward: einops can't divide the axis in chunks"
            if inferred is not None and facts.resolve(new[inferred]).function != quotient:
                return Consequence.OTHER_COUNT, "raises, or the -1 beside it takes another number"
            if what == "unflatten":
                return Consequence.RAISES, "raises at the first forward: unflatten: Provided sizes don't multiply up"
            return (
                Consequence.RAISES,
                f"raises at the first forward: shape '{_sizes(trace, step)}' is invalid for input of size …",
            )
        case Applied(takes=Dim() as takes, got=Axis() as got):
            if _fits(facts, takes, got.size, quotient) is False:
                return Consequence.RAISES, "raises at the first forward"
        case Sdpa() | Contraction(clash=None):
            clash = _uneven(trace, step)
            if clash is not None and _has(facts, quotient, clash):
                return Consequence.RAISES, f"raises at the first forward: {clash[0]} heads meet {clash[1]}"
    return None


def _doubtful(trace: Trace, step: Step, quotient: Function) -> bool:
    """Whether a step may no longer fit where the division leaves a remainder, and nothing is known for certain."""
    match step.detail:
        case Reshape(old=old, new=new) if not step.lost_by:
            return _fits(trace.facts, product([axis.size for axis in old]), product(list(new)), quotient) is None
        case Applied(takes=Dim() as takes, got=Axis() as got):
            return _fits(trace.facts, takes, got.size, quotient) is None
    shapes = [trace.shape(operand) for operand in step.operands]
    if step.op in _MEETING and len(shapes) == 2:
        return _may_clash(trace.facts, shapes, quotient)
    if step.lost_by is None:
        return False
    return step.op in _REGROUPING or any(
        _has(trace.facts, quotient, [factor.size for factor in shape.factors()])
        for shape in shapes
        if shape is not None
    )


def _may_clash(facts: Facts, shapes: Sequence[Shape | None], quotient: Function) -> bool:
    """Whether heads, or what nothing is known of, meet an axis that may be of another size."""
    axes = [shape.axes if shape is not None else None for shape in shapes]
    if axes[0] is None or axes[1] is None:
        return True
    for left, right in zip(reversed(axes[0]), reversed(axes[1]), strict=False):
        sizes = [facts.resolve(left.size), facts.resolve(right.size)]
        concerned = any(size.exact_quotient(one) is not None for size in sizes for one in quotient.arguments)
        if concerned and not (left.is_one or right.is_one or facts.same(*sizes)):
            return True
    return False


_MEETING = frozenset({"add", "sub", "mul", "div"})
_REGROUPING = frozenset({"reshape", "view", "unflatten", "rearrange"})


def _fits(facts: Facts, a: Dim, b: Dim, quotient: Function) -> bool | None:
    """Whether two sizes are the same although the division leaves a remainder; None where that isn't known."""
    a, b = _reduced(facts.resolve(a), facts.resolve(b))
    if a == b or not _has(facts, quotient, [a, b]):
        return True
    return False if _evened(a, quotient) == _evened(b, quotient) else None


def _evened(dim: Dim, quotient: Function) -> Dim:
    """A size where this one division comes out even: `n` put as `d * (n // d)`."""
    dividend, divisor = quotient.arguments
    atoms = list(dividend.atoms())
    if len(atoms) != 1 or dividend != Dim.of(atoms[0]):
        return replace(dim, lambda _: None)
    return replace(dim, lambda atom: divisor * Dim.of(quotient) if atom == atoms[0] else None)


def _reduced(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """Two products without the factors that they have in common."""
    powers = a.monomial[0] if a.monomial is not None else ()
    for atom in [atom for atom, power in powers for _ in range(power)]:
        one, other = a.exact_quotient(Dim.of(atom)), b.exact_quotient(Dim.of(atom))
        if one is not None and other is not None:
            a, b = one, other
    return a, b


def _sizes(trace: Trace, step: Step) -> str:
    """The sizes that a reshape was given, as torch's error says them."""
    assert isinstance(step.detail, Reshape)
    new = [str(trace.facts.resolve(size)) for size in step.detail.new]
    if step.detail.inferred is not None:
        new[step.detail.inferred] = "-1"
    shape = trace.shape(step.result)
    before = shape.entries[: -len(new)] if shape is not None else ()
    return f"[{', '.join([*(str(one) if isinstance(one, Axis) else '…' for one in before), *new])}]"


def _is_repeated(trace: Trace, quotient: Function) -> bool:
    """Whether the quotient counts copies of key and value heads."""
    shapes = (trace.shape(step.result) for step in trace.steps)
    factors = (factor for shape in shapes if shape is not None for factor in shape.factors())
    return any(
        factor.origin is Origin.REPEAT and quotient in set(trace.facts.resolve(factor.size).atoms())
        for factor in factors
    )


def _has(facts: Facts, quotient: Function, sizes: Iterable[Dim]) -> bool:
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
