"""Broadcasting: the shape of two that meet, axis by axis from the right, and two axes that never agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.shape import Axis, Entry, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost
from shapecheck.static.ranks import USUAL

if TYPE_CHECKING:
    from shapecheck.static.run import Run


def broadcast(run: Run, a: Shape, b: Shape) -> tuple[Shape | None, tuple[Axis, Axis] | None]:
    """The shape of two shapes broadcast, and two axes that never agree; None where it can't be told."""
    if a == b:
        return a, None
    if a.row is not None and a.row == b.row and len(a.entries) == len(b.entries):
        return _pairwise(run, a.entries, b.entries)
    if a.row is None and b.row is None:
        short, long = (a, b) if len(a.entries) < len(b.entries) else (b, a)
        run.conflict |= len(short.entries) < len(long.entries) and _lined_up(long) and run.only_assumed(short)
        return _pairwise(run, a.entries, b.entries)
    for one, other in ((a, b), (b, a)):
        row = one.row
        if row is not None and other.row is None:
            behind = len(one.entries) - 1 - one.entries.index(row)
            if len(other.entries) <= behind:  # `x[..., None] * v` says nothing of x
                return _pairwise(run, one.entries, other.entries)
            if (
                any(isinstance(entry, Axis) and entry.is_one for entry in one.entries)
                and len(one.entries) <= len(other.entries) + 1
            ):
                one = run.ranked(one, len(other.entries))  # whoever puts in an axis of 1 lines the others up
                return _pairwise(run, other.entries, one.entries)
            if _lined_up(other) and len(one.entries) <= len(other.entries):
                one = run.ranked(one, len(other.entries))
                return _pairwise(run, one.entries, other.entries)
            if _asks_for_one_axis(one, other):
                one = run.ranked(one, len(one.entries) - 1)
                run.facts.assumed.add(row.key)
                return _pairwise(run, one.entries, other.entries)
            if row.given and _stretched(other) and len(one.entries) <= len(other.entries) and run.assume:
                rank = len(other.entries) + _is_learnt(other)  # what is learnt has no axis for the batch
                one = run.supposed(one, rank, "met by an axis that was put in for it")
                return _pairwise(run, one.entries, other.entries)
            if (
                row.given and len(other.entries) < USUAL and _is_learnt(other)
            ):  # features scaled: the input has them, too
                return _pairwise(run, run.back(one, -len(other.entries)).entries, other.entries)
            length = _length(run, one, other)
            if length is not None:
                one = run.ranked(one, len(one.entries) - 1 + length)
                return _pairwise(run, one.entries, other.entries)
            if len(one.entries) > len(other.entries):  # as many axes or more, wherever the row puts them
                return _unless_one(run, one), None
            if not any(
                isinstance(entry, Axis) and entry.is_one for entry in other.entries[: len(other.entries) - behind]
            ):
                shape, clash = _pairwise(run, other.entries, one.entries[one.entries.index(row) + 1 :])
                return shape, clash
    run.unsettled = run.blind = True
    run.facts.assumed |= {shape.row.key for shape in (a, b) if shape.row is not None}
    if len(a.entries) != len(b.entries):
        return _unless_one(run, a if len(a.entries) > len(b.entries) else b), None
    return (_unless_one(run, a), None) if run.assume else (None, None)


def run_broadcast(call: Call, a: Tensor, b: Tensor) -> tuple[Shape, tuple[Axis, Axis] | None]:
    shape, clash = broadcast(call.run, call.run.shape(a), call.run.shape(b))
    if shape is None:
        raise Lost("rank")
    return _told_apart(call.run, shape), clash


def _told_apart(run: Run, shape: Shape) -> Shape:
    """`i[None, :] > i[:, None]` is [t, t]: one axis may not be there twice, or rows and columns can't be told apart."""
    ids = [entry.ids for entry in shape.entries if isinstance(entry, Axis) and entry.factors]
    if len(set(ids)) == len(ids):
        return shape
    seen: set[frozenset[object]] = set()
    for place, entry in enumerate(shape.entries):
        if isinstance(entry, Axis) and entry.factors:
            if entry.ids in seen:
                shape = shape.put(place, Axis(tuple(replace(one, id=run.fresh(one.size).id) for one in entry.factors)))
            seen.add(entry.ids)
    return shape


def _length(run: Run, one: Shape, other: Shape) -> int | None:
    """How many axes a row has if an input's axis before it meets itself: `x + places(arange(x.shape[1]))`."""
    row = one.row
    assert row is not None
    found = set()
    for place, axis in enumerate(one.entries[: one.entries.index(row)]):
        assert isinstance(axis, Axis)
        symbol = run.facts.resolve(axis.size).symbol
        for index, met_ in enumerate(other.entries):
            if isinstance(met_, Axis) and symbol is not None and symbol.kind is Kind.INPUT:
                if run.facts.same(axis.size, met_.size):
                    found.add(len(other.entries) - 1 - index - (len(one.entries) - 2 - place))
    return found.pop() if len(found) == 1 and min(found) >= 0 else None


def _asks_for_one_axis(shape: Shape, other: Shape) -> bool:
    """`arange(n) < lengths.unsqueeze(1)`: the axis of 1 is for the only one that the other has."""
    if len(other.entries) != 1 or len(shape.entries) < 3 or not isinstance(shape.entries[-1], Row):
        return False
    before = shape.entries[-2]
    return isinstance(before, Axis) and before.is_one


def _is_learnt(shape: Shape) -> bool:
    """Whether all axes are a parameter's own."""
    return all(factor.origin is Origin.PARAMETER for factor in shape.factors())


def _unless_one(run: Run, shape: Shape) -> Shape:
    """A shape taken for the result of a broadcast with one that isn't known: what is 1 may become anything."""
    if run.assume:
        run.facts.assumptions.append(f"{shape} is not the shorter of two")
    return Shape(tuple(
        run.axis(run.unknown_size()) if isinstance(entry, Axis) and entry.is_one else entry for entry in shape.entries
    ))  # fmt: skip


def _lined_up(shape: Shape) -> bool:
    """Whether an axis of 1 leads: `torch.zeros(1, dim, 1, 1)` has the rank of what it is added to."""
    first = shape.entries[0] if len(shape.entries) > 2 else None
    return isinstance(first, Axis) and first.is_one


def _stretched(shape: Shape) -> bool:
    """Whether an axis of 1 stands between others: `gate[:, None]` is to go over the tokens of what it meets."""
    return any(isinstance(entry, Axis) and entry.is_one for entry in shape.entries[1:-1])


def _pairwise(run: Run, a: tuple[Entry, ...], b: tuple[Entry, ...]) -> tuple[Shape, tuple[Axis, Axis] | None]:
    """Axes met from the right."""
    if len(a) < len(b):
        a, b = b, a
    entries: list[Entry] = list(a)
    clash = None
    for back in range(1, len(b) + 1):
        left, right = a[-back], b[-back]
        if isinstance(left, Row) or isinstance(right, Row):
            continue
        entries[-back], never = met(run, left, right)
        if never and clash is None:
            clash = (left, right)
    return Shape(tuple(entries)), clash


def met(run: Run, left: Axis, right: Axis) -> tuple[Axis, bool]:
    """Two axes broadcast: the one that isn't 1, and whether they never agree."""
    if left.is_one:
        return right, False
    if right.is_one or left == right:
        return left, False
    a, b = left.size, right.size
    if run.facts.same(a, b):
        return (left if _specific(left) >= _specific(right) else right), False
    if not a.known:
        return right, False
    if not b.known:
        return left, False
    if a.value is not None and b.value is not None:
        return left, True
    if run.facts.ratio(a, b) is not None:
        return left, True
    return left, False  # two axes of one input too: images and pairs of residues are square by convention


def _specific(axis: Axis) -> int:
    """How much is known of where an axis came from."""
    order = {
        Origin.INPUT: 3,
        Origin.LAYER: 3,
        Origin.LIST: 3,
        Origin.REPEAT: 3,
        Origin.PARAMETER: 1,
        Origin.CREATED: 0,
        Origin.OTHER: 1,
    }
    return max((order[factor.origin] for factor in axis.factors), default=0)
