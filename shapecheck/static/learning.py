"""Learning: what follows for sizes and ranks from a condition's being true or false."""

from __future__ import annotations

from typing import Any

from shapecheck.shapes.dim import Dim, Function, Kind
from shapecheck.shapes.shape import Row
from shapecheck.static.run import Run
from shapecheck.static.sequences import as_shape
from shapecheck.static.values import Cond, Const, Num, Seq, Unknown, Value, number


def learn(run: Run, cond: Value, truth: bool) -> None:
    """What follows for sizes from a condition's being true or false."""
    match cond:
        case Cond("not", (operand,)):
            learn(run, operand, not truth)
        case Cond("and", operands) if truth:
            for operand in operands:
                learn(run, operand, True)
        case Cond("and", operands):  # false, and all but one are known to be true
            left = [operand for operand in operands if not (isinstance(operand, Const) and operand.value)]
            for operand in left:  # a check with an exception that can't be told is taken to check
                if len(left) == 1 or _is_remainder_check(operand):
                    learn(run, operand, False)
        case Cond("or", operands) if not truth:
            for operand in operands:
                learn(run, operand, False)
        case Cond("==" | "!=" as op, (left, right)):
            if truth is (op == "=="):
                _equal(run, left, right)
            else:
                _unequal(run, left, right)
        case Cond("truth", (operand,)) if not truth:
            _equal(run, operand, Num(Dim.of(0)))
        case Cond(">", (left, right)) if not truth:  # `if d % h > 0: raise`, `if stride > 1`
            one = number(right)
            if _remainder(left) or (one is not None and one.value == 1):
                _equal(run, left, right)
        case Num() if not truth:
            _equal(run, cond, Num(Dim.of(0)))
        case Num():
            _unequal(run, cond, Num(Dim.of(0)))


def _equal(run: Run, left: Value, right: Value) -> None:
    if isinstance(left, Seq) and isinstance(right, Seq):
        _equal_shapes(run, left, right)
        return
    a, b = number(left), number(right)
    if isinstance(left, Unknown) and left.key in run.ranks and b is not None and b.value is not None:
        run.ranked(run.facts.shape(run.ranks[left.key]), b.value)
        return
    if a is None or b is None:
        return
    a, b = run.facts.resolve(a), run.facts.resolve(b)
    for one, other in ((a, b), (b, a)):
        function = one.function
        if function is not None and function.name == "%" and other.value == 0:
            run.facts.divisible.add((function.arguments[0], function.arguments[1]))
            return
    if a != b and run.facts.same(a, b):
        for dim in (a, b):
            for atom in dim.atoms():
                if isinstance(atom, Function) and atom.name == "//":
                    run.facts.divisible.add((atom.arguments[0], atom.arguments[1]))
        return
    if not (a.function is not None and a.function.name == "%") and not _remainder(right):
        run.facts.equate(a, b)


def _unequal(run: Run, left: Value, right: Value) -> None:
    """A remainder that isn't 0, or a product of a quotient that isn't the whole: the division comes out uneven."""
    a, b = number(left), number(right)
    if a is None or b is None:
        return
    a, b = run.facts.resolve(a), run.facts.resolve(b)
    for one, other in ((a, b), (b, a)):
        function = one.function
        if function is not None and function.name == "%" and other.value == 0:
            run.facts.uneven.add((function.arguments[0], function.arguments[1]))
            return
    if a != b and run.facts.same(a, b):
        quotients = [atom for dim in (a, b) for atom in dim.atoms() if isinstance(atom, Function)]
        if len(quotients) == 1 and quotients[0].name == "//":
            run.facts.uneven.add((quotients[0].arguments[0], quotients[0].arguments[1]))


def _equal_shapes(run: Run, left: Seq, right: Seq) -> None:
    """`x.size() == (b, t, d)`: the rank, and each size that isn't known otherwise."""
    if not all(one.unsure is False and all(map(_is_size, one.items)) for one in (left, right)):
        return
    shapes = [run.facts.shape(as_shape(one.items)) for one in (left, right)]
    for one, other in (shapes, shapes[::-1]):
        if one.row is not None and other.rank is not None:
            run.ranked(one, other.rank)
    pair = [run.facts.shape(shape).axes for shape in shapes]
    if pair[0] is not None and pair[1] is not None and len(pair[0]) == len(pair[1]):
        for a, b in zip(pair[0], pair[1], strict=True):
            if run.facts.kinds(a.size) & {Kind.INPUT, Kind.UNKNOWN} or run.facts.kinds(b.size) & {Kind.INPUT}:
                run.facts.equate(a.size, b.size)


def _is_remainder_check(cond: Value) -> bool:
    """Whether a condition is `d % h != 0`, or `d % h` itself."""
    match cond:
        case Cond("!=" | ">", (left, _)):
            return _remainder(left)
    return _remainder(cond)


def _is_size(item: Any) -> bool:
    return isinstance(item, Row | Num) or (isinstance(item, Unknown) and item.tensor is None)


def _remainder(value: Value) -> bool:
    return isinstance(value, Num) and value.dim.function is not None and value.dim.function.name == "%"
