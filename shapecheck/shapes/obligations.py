"""Divisions that must come out even: which are owed a check, and who checks them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shapecheck.shapes.built import Division
from shapecheck.shapes.details import Applied, Joined, Reshape
from shapecheck.shapes.dim import Dim, Function, Kind, Symbol, product
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.shape import Axis, Origin

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Trace


def splitting(trace: Trace) -> Iterator[Division]:
    """Divisions of sizes by a number of heads, checked or not: quotient and divisor are parts of one tensor."""
    for division in trace.divisions:
        dividend, divisor = _pair(trace, division)
        quotient = (dividend // divisor).function
        if quotient is not None and divisor.value is None and _splits_heads(trace, quotient):
            yield division


def guarding(trace: Trace) -> Iterator[Place]:
    """Where the remainders of such divisions are worked out."""
    pairs = {_pair(trace, division) for division in splitting(trace)}
    for place, dividend, divisor in trace.guarded:
        if (trace.facts.resolve(dividend), trace.facts.resolve(divisor)) in pairs:
            yield place


def owed(trace: Trace) -> Iterator[Division]:
    """Divisions of sizes from `__init__` that nothing checks, and that split or join heads."""
    for division in unchecked(trace):
        dividend, divisor = _pair(trace, division)
        quotient = (dividend // divisor).function
        if quotient is None or not _splits_heads(trace, quotient) or _is_of_other_heads(trace, dividend, divisor):
            continue
        if not _checked_by_owners(trace, division):
            yield division


def unchecked(trace: Trace) -> Iterator[Division]:
    """Divisions of sizes from `__init__` that nothing in the class checks, whatever they are for."""
    seen = {_pair(trace, division) for division in trace.divisions if division.fallback}
    for division in trace.divisions:
        pair = dividend, divisor = _pair(trace, division)
        if dividend.monomial is None:  # a sum is rounded: `(n + m - 1) // m`
            continue
        if pair in seen or not division.in_sight or division.fallback or divisor.value is not None:
            continue
        seen.add(pair)
        kinds = {symbol.kind for dim in pair for symbol in dim.symbols()}
        if not kinds or not kinds <= {Kind.CONSTRUCTOR, Kind.CONFIG} or _is_checked(trace, division):
            continue
        if not division.in_init and _is_anothers(*pair):
            continue
        quotient = (dividend // divisor).function
        if quotient is not None and quotient not in _given(trace.facts):
            yield division


def _is_anothers(dividend: Dim, divisor: Dim) -> bool:
    """Whether forward divides what others chose: the sizes of a module handed in, or a product made of other sizes."""
    handed_in = any(
        isinstance(symbol.key, tuple) and symbol.key[0] == "param" and "." in str(symbol.key[1])
        for dim in (dividend, divisor)
        for symbol in dim.symbols()
    )
    return handed_in or len([atom for atom in dividend.atoms() if not isinstance(atom, Function)]) > 1


def _given(facts: Facts) -> set[Function | Symbol]:
    """What widths that were given by name have to be on this path: a division that equals one isn't what is used."""
    given = (symbol for symbol in facts.bindings if symbol.kind in (Kind.CONSTRUCTOR, Kind.CONFIG))
    return {atom for symbol in given for atom in facts.resolve(Dim.of(symbol)).atoms()}


def _pair(trace: Trace, division: Division) -> tuple[Dim, Dim]:
    return trace.facts.resolve(division.dividend), trace.facts.resolve(division.divisor)


def _is_checked(trace: Trace, division: Division) -> bool:
    """Whether the path itself knows that a division comes out even, or looks at its remainder."""
    pair = _pair(trace, division)
    if not trace.facts.owes(*pair):
        return True
    return trace.facts.is_looked_at(*pair) and not trace.facts.is_uneven(*pair)


def _is_of_other_heads(trace: Trace, dividend: Dim, divisor: Dim) -> bool:
    """Whether a width was made of a head's width that the divisor's heads have, too: `head_dim * kv_heads` by `heads`.

    Then it isn't that the one has to divide the other: they have to be the same.
    """
    if divisor.symbol is None:
        return False
    widths = [dividend.exact_quotient(Dim.of(symbol)) for symbol in dividend.symbols()]
    wholes = {width * divisor for width in widths if width is not None and width.symbol is not None}
    return bool(wholes) and any(
        isinstance(step.detail, Applied)
        and (shape := trace.shape(step.result)) is not None
        and (last := shape.at(-1)) is not None
        and trace.facts.resolve(last.size) in wholes
        for step in trace.steps
    )


def _checked_by_owners(trace: Trace, division: Division, depth: int = 3) -> bool:
    """Whether every class that builds this one checks the division first, or is built by such."""
    checked: dict[str, bool] = {}
    followed = trace.builders if division.in_init else trace.owners
    for owner in followed(division.place):
        if _contradict(owner, trace, division):  # what is there on one path is missing on the other
            continue
        if not owner.divides_at(division.place):  # it goes another way
            continue
        same = [other for other in owner.divisions if other.place == division.place]
        if trace.symbol in owner.built and checked.get(owner.symbol, True):
            checked[owner.symbol] = all(_is_checked(owner, other) for other in same) or (
                depth > 0 and all(_checked_by_owners(owner, other, depth - 1) for other in same)
            )
    return bool(checked) and all(checked.values())


def _contradict(one: Trace, other: Trace, division: Division) -> bool:
    """Whether two paths took a decision about a size of the division each its own way."""
    names = {symbol.name for dim in (division.dividend, division.divisor) for symbol in dim.symbols()}
    taken = dict(one.decisions)
    return any(
        taken.get(told, value) != value and not names.isdisjoint(told.split()) for told, value in other.decisions
    )


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
