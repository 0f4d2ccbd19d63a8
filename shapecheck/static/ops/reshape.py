"""view, reshape, flatten, transpose, permute, squeeze, expand, repeat: the same elements in other axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapecheck.shapes.dim import ONE, Dim, Kind, common_factor, product
from shapecheck.shapes.reshape import HELD, Regrouping, Verdict, regroup
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Reshape, Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.elementwise import in_order
from shapecheck.static.values import Const, External, Many, Num, Seq, Unknown, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run

GAP = "gap"  # in a memory: the factors on both sides are no neighbours


# -- reshape -------------------------------------------------------------------------------------------------------------
@op("view", "reshape")
def view(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    sizes = _sizes(call, [*call.args[1:], *(value for key, value in call.kwargs.items() if key in ("shape", "size"))])
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
    parts = _sizes(call, [call.get(2, "sizes")])
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


def _sizes(call: Call, values: list[Any]) -> list[Any] | None:
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
        return _close(run, shape, sizes)
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
    """
    row = shape.row
    assert row is not None
    place = shape.entries.index(row)
    front, rest = sizes[:place], sizes[place:]
    last = shape.entries[-1]
    if not all(run.facts.kinds(size) == {Kind.INPUT} for size in front) or place != len(shape.entries) - 2:
        return shape
    if not isinstance(last, Axis) or any(factor.origin is not Origin.LAYER for factor in last.factors):
        return shape  # what is cut must be features and nothing else
    named = [size for size in rest if size.value != -1]
    fits = len(named) == len(rest) and last.size.known and run.facts.same(product(named), last.size)
    rounds_up = len(named) < len(rest) and rest[-1].value == -1
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


# -- order of axes -------------------------------------------------------------------------------------------------------
@op("transpose", "swapaxes", "swapdims")
def transpose(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    first, second = call.whole(1, "dim0"), call.whole(2, "dim1")
    if first is None or second is None:
        raise Lost("transpose")
    shape = call.shape(tensor, first, second)
    a, b = shape.position(first), shape.position(second)
    assert a is not None and b is not None
    if shape.row is not None and (first >= 0) != (second >= 0):
        shape = call.run.ranked(shape, None, "transpose")
        if shape.row is not None:
            raise Lost("rank")
        a, b = first % len(shape.entries), second % len(shape.entries)
    entries = list(shape.entries)
    entries[a], entries[b] = entries[b], entries[a]
    return permuted(call, tensor, Shape(tuple(entries)))


def permuted(call: Call, tensor: Tensor, shape: Shape) -> Value:
    memory = tensor.memory
    return call.emit([tensor], shape, op="permute", memory=memory, origin=tensor.origin)


@op("permute")
def permute(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    values = call.args[1:] or [call.kwargs.get("dims")]
    if len(values) == 1 and isinstance(values[0], Seq):
        values = values[0].items
    order = [number(value) if value is not None and not isinstance(value, Row | Many) else None for value in values]
    known = [dim.value for dim in order if dim is not None and dim.value is not None]
    if len(known) != len(values):
        raise Lost("permute")
    shape = call.run.ranked(call.run.shape(tensor), len(known), "permute")
    if shape.rank != len(known) or sorted(index % len(known) for index in known) != list(range(len(known))):
        raise Lost("permute")
    return permuted(call, tensor, Shape(tuple(shape.entries[index] for index in known)))


@op("movedim", "moveaxis")
def movedim(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    source, target = call.whole(1, "source"), call.whole(2, "destination")
    shape = call.run.shape(tensor)
    if source is None or target is None or shape.rank is None:
        raise Lost("movedim")
    entries = list(shape.entries)
    entries.insert(target % len(entries), entries.pop(source % len(entries)))
    return permuted(call, tensor, Shape(tuple(entries)))


@op("T", "mT", "H", "mH", "t", "adjoint")
def turned(call: Call) -> Value:
    tensor = call.tensor(0)
    shape = call.run.shape(tensor)
    if call.name in ("mT", "mH", "adjoint"):
        shape = call.shape(tensor, -2)
        return permuted(call, tensor, Shape((*shape.entries[:-2], shape.entries[-1], shape.entries[-2])))
    if shape.row is not None:
        shape = call.run.ranked(shape, 2)  # `.T` is written for two axes
        if shape.row is not None:
            raise Lost("rank")
    return call.emit(
        [tensor], Shape(tuple(reversed(shape.entries))), op="reverse", memory=tensor.memory, origin=tensor.origin
    )


# -- axes of size 1 ------------------------------------------------------------------------------------------------------
@op("unsqueeze")
def unsqueeze(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim")
    if dim is None:
        raise Lost("unsqueeze")
    shape = call.run.shape(tensor)
    if shape.rank is None:
        row = shape.row
        assert row is not None
        place = shape.entries.index(row)
        if not (0 <= dim <= place or (dim < 0 and -dim - 1 <= len(shape.entries) - 1 - place)):
            shape = call.run.front(shape, dim - 1) if dim > 0 else call.run.back(shape, dim + 1)
    index = dim if dim >= 0 else len(shape.entries) + dim + 1
    if not 0 <= index <= len(shape.entries):
        raise Lost("unsqueeze")
    return call.emit([tensor], shape.insert(index, Axis()), memory=tensor.memory, origin=tensor.origin)


@op("squeeze")
def squeeze(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim")
    if dim is None:
        axes = call.run.shape(tensor).axes
        if axes is None or any(axis.size.value is None for axis in axes):
            raise Lost("squeeze")
        kept = tuple(axis for axis in axes if not axis.is_one)
        return call.emit([tensor], Shape(kept), memory=tensor.memory, origin=tensor.origin)
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    size = call.run.facts.resolve(axis.size)
    if size.is_one:
        shape = shape.put(place, None)
    elif (
        (size.symbol is not None and size.symbol.kind in (Kind.CONSTRUCTOR, Kind.CONFIG, Kind.UNKNOWN))
        or (size.value is None and size.symbol is None)
        or size.symbol is not None
    ):
        raise Lost("squeeze")
    return call.emit([tensor], shape, memory=tensor.memory, origin=tensor.origin)


# -- copies --------------------------------------------------------------------------------------------------------------
@op("expand", "broadcast_to")
def expand(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    sizes = _sizes(call, [*call.args[1:], *call.kwargs.values()])
    if sizes is None or any(isinstance(size, Row) for size in sizes):
        raise Lost("expand")
    shape = call.run.ranked(call.run.shape(tensor), None)
    if shape.axes is None:
        if any(size.value == -1 for size in sizes):
            raise Lost("rank")
        return call.emit([tensor], Shape(tuple(call.axis(size) for size in sizes)))
    axes = list(shape.axes)
    entries: list[Axis] = [
        Axis((call.run.fresh(size, None, Origin.REPEAT),)) for size in sizes[: len(sizes) - len(axes)]
    ]
    for axis, size in zip(axes, sizes[len(sizes) - len(axes) :], strict=False):
        if size.value == -1 or call.run.facts.same(axis.size, size) or not (size.known or axis.is_one):
            entries.append(axis)
        elif len(axis.factors) == 1:  # an axis that isn't 1 must be as long already
            (own,) = axis.factors
            entries.append(Axis((Factor(size, own.id, own.origin, own.part, own.whole),)))
        else:
            entries.append(Axis((call.run.fresh(size, None, Origin.REPEAT),)))
    return call.emit([tensor], Shape(tuple(entries)), origin=tensor.origin)


@op("expand_as")
def expand_as(call: Call) -> Value:
    tensor, other = call.tensor(0), call.tensor(1, "other")
    return call.emit([tensor, other], other.shape, op="expand", origin=tensor.origin)


@op("repeat", "tile")
def repeat(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    if call.args[1:2] and isinstance(call.args[1], Const):
        from shapecheck.static.ops.einops import repeat_pattern

        return repeat_pattern(call)
    counts = _sizes(call, [*call.args[1:], *(value for value in call.kwargs.values())])
    if counts is None or any(isinstance(count, Row) for count in counts):
        raise Lost("repeat")
    axes = call.run.shape(tensor).axes
    if axes is None:
        raise Lost("rank")
    padded = [*[Axis()] * (len(counts) - len(axes)), *axes]
    counts = [*[ONE] * (len(padded) - len(counts)), *counts]
    entries = [
        axis if count.is_one else Axis((call.run.fresh(count, None, Origin.REPEAT), *axis.factors))
        for count, axis in zip(counts, padded, strict=True)
    ]
    return call.emit([tensor], Shape(tuple(entries)), op="repeat", origin=tensor.origin)


@op("repeat_interleave")
def repeat_interleave(call: Call) -> Value:
    tensor = call.tensor(0, "input")
    count = call.get(1, "repeats")
    dim = call.whole(2, "dim")
    size = number(count) if count is not None and not isinstance(count, Tensor | Many) else None
    if dim is None or size is None:
        raise Lost("repeat_interleave")
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    if not size.is_one:
        axis = Axis((*axis.factors, call.run.fresh(size, None, Origin.REPEAT)))
    return call.emit([tensor], shape.put(place, axis), op="repeat_interleave", origin=tensor.origin)


@op("size")
def size_of(call: Call) -> Value:
    from shapecheck.static.sequences import item, sizes

    tensor = call.tensor(0)
    index = call.get(1, "dim")
    found = sizes(call.run, tensor)
    return found if index is None else item(call.run, found, index, call.node)


@op("dim", "ndimension")
def rank_of(call: Call) -> Value:
    rank = call.run.shape(call.tensor(0)).rank
    return Num(Dim.of(rank)) if rank is not None else Unknown(call.run.key(call.node), "dim")


@op("numel", "nelement")
def numel(call: Call) -> Value:
    total = call.run.shape(call.tensor(0)).total
    return Num(total) if total is not None else Unknown(call.run.key(call.node), "numel")


@op("item", "tolist", "numpy", "stride", "is_contiguous", "is_floating_point", "data_ptr", "element_size", "is_complex",
    "get_device", "storage_offset", "untyped_storage", "backward", "register_hook", "is_sparse")  # fmt: skip
def no_tensor(call: Call) -> Value:
    return Unknown(call.run.key(call.node), call.name)
