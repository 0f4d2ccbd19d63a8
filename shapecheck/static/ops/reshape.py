"""view, reshape, flatten, unflatten: the same elements in other axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapecheck.shapes.details import Reshape
from shapecheck.shapes.dim import ONE, Dim, Kind, common_factor, product
from shapecheck.shapes.reshape import HELD, Regrouping, Verdict, regroup
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import External, Many, Seq, Unknown, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run

GAP = "gap"  # in a memory: the factors on both sides are no neighbours


@op("view", "reshape")
def view(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    sizes = sizes_given(
        call, [*call.args[1:], *(value for key, value in call.kwargs.items() if key in ("shape", "size"))]
    )
    if sizes is None:  # view(dtype)
        return call.emit([tensor], tensor.shape, op="cast", memory=tensor.memory)
    return reshaped(call, tensor, sizes, call.name)


@op("view_as", "reshape_as")
def view_as(call: Call) -> Value:
    tensor, other = call.tensor(0), call.tensor(1, "other")
    axes = call.run.shape(other).axes
    if axes is None:
        raise Lost("rank")
    return reshaped(call, tensor, [axis.size for axis in axes], "view" if call.name == "view_as" else "reshape")


@op("flatten")
def flatten(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    start, end = call.whole(1, "start_dim", 0), call.whole(2, "end_dim", -1)
    assert start is not None and end is not None
    shape = call.shape(tensor, start, end)
    if shape.row is not None and shape.position(start) is not None and shape.position(end) is not None:
        first, last = shape.entries.index(shape.at(start)), len(shape.entries) + end if end < 0 else end
        if any(isinstance(entry, Row) for entry in shape.entries[first : last + 1]):
            raise Lost("rank")
    first, last = start % len(shape.entries), end % len(shape.entries)
    inside = [entry for entry in shape.entries[first : last + 1] if isinstance(entry, Axis)]
    sizes: list[Any] = [*shape.entries[:first], product([axis.size for axis in inside]), *shape.entries[last + 1 :]]
    return reshaped(call, tensor, [one.size if isinstance(one, Axis) else one for one in sizes], "flatten")


@op("unflatten")
def unflatten(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    dim = call.whole(1, "dim")
    assert dim is not None
    parts = sizes_given(call, [call.get(2, "sizes")])
    shape = call.shape(tensor, dim)
    place = shape.position(dim)
    if parts is None or place is None:
        raise Lost("unflatten")
    axis = shape.entries[place]
    assert isinstance(axis, Axis)
    minus = next(
        (place + index for index, size in enumerate(parts) if isinstance(size, Dim) and size.value == -1), None
    )
    parts = _without_minus(call.run, axis.size, parts)
    before, after = list(shape.entries[:place]), list(shape.entries[place + 1 :])
    sizes = [one.size if isinstance(one, Axis) else one for one in (*before, *parts, *after)]
    return reshaped(call, tensor, sizes, "unflatten", minus)


def sizes_given(call: Call, values: list[Any]) -> list[Any] | None:
    """The sizes that a reshape was given: Dims, Rows; None for view(dtype)."""
    from shapecheck.static.sequences import plain_items

    if len(values) == 1 and isinstance(values[0], Seq):
        if values[0].unsure:
            raise Lost("shape")
        values = plain_items(call.run, values[0], call.node)
    elif len(values) == 1 and isinstance(values[0], Unknown) and values[0].tensor is not None:
        raise Lost("shape")
    elif len(values) == 1 and isinstance(values[0], External):
        return None
    sizes: list[Any] = []
    for value in values:
        if isinstance(value, Row):
            sizes += [one.size if isinstance(one, Axis) else one for one in call.run.facts.row(value)]
            continue
        dim = None if isinstance(value, Many) else number(value)
        if dim is None:
            raise Lost("shape")
        sizes.append(dim)
    return sizes


def _without_minus(run: Run, total: Dim, sizes: list[Any]) -> list[Dim]:
    """The sizes with -1 worked out."""
    minus = [index for index, size in enumerate(sizes) if isinstance(size, Dim) and size.value == -1]
    if not minus:
        return sizes
    others = product([size for index, size in enumerate(sizes) if index not in minus])
    found = list(sizes)
    found[minus[0]] = _quotient(run, total, others)
    return found


def _quotient(run: Run, total: Dim, others: Dim) -> Dim:
    exact = run.facts.resolve(total).exact_quotient(run.facts.resolve(others))
    if exact is not None:
        return exact
    exact = run.facts.divide(total, others)
    if exact is not None:
        return exact
    if not total.known or not others.known or not others.terms:
        return run.unknown_size()
    total, others = run.facts.simplify(total), run.facts.simplify(others)
    above, below = _reduced(total, others)
    if not below.terms:
        return run.unknown_size()
    run.facts.quotients[(above, below)] = above // below
    return above // below


def _reduced(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """A fraction with the factors of a product below taken out that every term above has, too."""
    if b.monomial is None:
        return a, b
    number = Dim.of(common_factor(a, b))
    a, b = a // number, b // number
    for atom, power in b.monomial[0] if b.monomial is not None else ():
        for _ in range(power):
            top, bottom = a.exact_quotient(Dim.of(atom)), b.exact_quotient(Dim.of(atom))
            if top is not None and bottom is not None:
                a, b = top, bottom
    return a, b


def reshaped(call: Call, tensor: Tensor, sizes: list[Any], what: str, minus: int | None = None) -> Value:
    """A tensor regrouped to `sizes` (Dims, at most one of them -1, and Rows); `minus` is a -1 that was worked out."""
    run = call.run
    shape = run.shape(tensor)
    sizes = [run.facts.resolve(size) if isinstance(size, Dim) else size for size in sizes]
    front, shape_rest, rest = _common(run, shape, sizes)
    if any(isinstance(size, Row) for size in rest):
        raise Lost("rank")
    if shape_rest.row is not None:
        shape_rest = _fit(run, shape_rest, rest, what)
    axes = shape_rest.axes
    if axes is None:
        known = [run.unknown_size() if size.value == -1 else size for size in rest]
        run.unsettled = True
        result = Shape((*front, *(run.axis(size) for size in known)))
        return call.emit([tensor], result, op="reshape", lost_by=None if all(one.known for one in known) else "rank")
    inferred = next((index for index, size in enumerate(rest) if size.value == -1), None)
    if inferred is None and minus is not None:
        inferred = minus - (len(sizes) - len(rest))
    new = _without_minus(run, product([axis.size for axis in axes]), rest)
    regrouping = regroup(axes, new, run.facts, run.fresh, ordered=tensor.origin not in HELD)
    result = Shape((*front, *regrouping.axes))
    memory = _split_memory(tensor.memory, regrouping)
    breaks = what == "view" and _breaks(memory, regrouping)
    if what != "view" and memory is not None and _breaks(memory, regrouping):
        memory = in_order(run, result)
    if regrouping.verdict is not Verdict.REGROUPED:
        memory = in_order(run, result) if what != "view" else None
    old = tuple(entry for entry in front if isinstance(entry, Axis))
    detail = Reshape(
        regrouping, (*old, *axes), (*(axis.size for axis in old), *new),
        None if inferred is None else inferred + len(old), breaks, what,
    )  # fmt: skip
    return call.emit([tensor], result, detail, op="reshape", memory=memory, origin=tensor.origin)


def _common(run: Run, shape: Shape, sizes: list[Any]) -> tuple[tuple[Entry, ...], Shape, list[Any]]:
    """Entries that stand unchanged at the front of both, and what is left of each: a Row is matched whole."""
    row = shape.row
    if row is None or row not in sizes:
        return (), shape, sizes
    place, where = shape.entries.index(row), sizes.index(row)
    if place != where:
        return (), shape, sizes
    return shape.entries[: place + 1], Shape(shape.entries[place + 1 :]), sizes[where + 1 :]


def _fit(run: Run, shape: Shape, sizes: list[Any], what: str) -> Shape:
    """A shape whose rank isn't known, given the rank that lets the reshape come out even."""
    row = shape.row
    assert row is not None
    behind = [entry for entry in shape.entries if isinstance(entry, Axis)]
    if shape.entries.index(row) != 0:
        closed = _close(run, shape, sizes)
        return run.ranked(closed, None, what) if row.given else closed
    total = product([axis.size for axis in behind])
    named = [size for size in sizes if isinstance(size, Dim) and size.value != -1]
    minus = len(named) < len(sizes)
    suffix = ONE
    for count in range(1, len(sizes) + 1):
        size = sizes[-count]
        if size.value == -1:
            break
        suffix = suffix * size
        if behind and run.facts.same(suffix, total):
            front = sizes[: len(sizes) - count]
            kinds = [run.facts.kinds(one) for one in front if one.value != -1]
            if front and all(kind <= {Kind.INPUT} and kind for kind in kinds) and not minus:
                axes = [Axis((Factor(one, (row.key, index, "axis"), Origin.INPUT),)) for index, one in enumerate(front)]
                run.close(row, axes)
                return run.facts.shape(shape)
    return run.ranked(shape, None, what)


def _close(run: Run, shape: Shape, sizes: list[Any]) -> Shape:
    """A shape with a row between its axes: without the row, where what stands behind it is what the sizes end in.

    `[t, *x, 3*d]` to [t, 3, heads, -1] has two axes, since 3*heads divides 3*d; one axis more would be mixed into the -1.
    A batch of one that is put in front changes nothing.
    """
    row = shape.row
    assert row is not None
    ones = next((count for count, size in enumerate(sizes) if not size.is_one), 0)
    sizes = sizes[ones:]
    place = shape.entries.index(row)
    front, rest = sizes[:place], sizes[place:]
    last = shape.entries[-1]
    if not all(run.facts.kinds(size) == {Kind.INPUT} for size in front) or place != len(shape.entries) - 2:
        return shape
    if not isinstance(last, Axis) or any(factor.origin is not Origin.LAYER for factor in last.factors):
        return shape  # what is cut must be features and nothing else
    named = [size for size in rest if size.value != -1]
    fits = len(named) == len(rest) and last.size.known and run.facts.same(product(named), last.size)
    rounds_up = len(named) < len(rest) and -1 in (rest[-1].value, rest[0].value if ones else None)
    if len(rest) > 1 and (fits or (rounds_up and _divides(run, product(named), last.size))):
        run.close(row, ())
        return run.facts.shape(shape)
    return shape


def _divides(run: Run, part: Dim, whole: Dim) -> bool:
    """Whether features are cut into parts of which one has no number: `heads` of d_model, when d_model // heads was written."""
    quotient = run.facts.divide(whole, part)
    return quotient is not None and not part.is_one and run.facts.kinds(part) <= {Kind.CONSTRUCTOR, Kind.CONFIG}


def _split_memory(memory: tuple[object, ...] | None, regrouping: Regrouping) -> tuple[object, ...] | None:
    if memory is None:
        return None
    parts = {whole: [factor.id for factor in factors] for whole, factors in regrouping.splits}
    result: list[object] = []
    for one in memory:
        result += parts.get(one, [one])
    return tuple(result)


def _breaks(memory: tuple[object, ...] | None, regrouping: Regrouping) -> bool:
    """Whether some new axis joins factors that are no neighbours in memory."""
    if memory is None or regrouping.verdict not in (Verdict.REGROUPED, Verdict.SCRAMBLED):
        return False
    if regrouping.verdict is Verdict.SCRAMBLED:
        return False
    ids = [factor.id for axis in regrouping.axes for factor in axis.factors]
    if len(set(ids)) < len(ids):
        return False  # one axis broadcast against itself
    place = {one: index for index, one in enumerate(memory) if one is not GAP}
    for axis in regrouping.axes:
        for first, second in zip(axis.factors, axis.factors[1:], strict=False):
            if first.id in place and second.id in place and place[second.id] != place[first.id] + 1:
                return True
    return False
