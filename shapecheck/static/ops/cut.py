"""An axis cut: select, narrow, unbind, chunk, split, and what a slice leaves of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapecheck.shapes.details import Parted
from shapecheck.shapes.dim import ONE, Dim, Function
from shapecheck.shapes.shape import Axis, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.reshape import GAP
from shapecheck.static.sequences import plain_items
from shapecheck.static.values import NONE, Many, Seq, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run


def sliced(call: Call, axis: Axis, bounds: list[Any]) -> Axis:
    """The axis after `lower:upper:step`."""
    run = call.run
    lower, upper, step = bounds
    jump = number(step) if step != NONE else ONE
    if lower == NONE and upper == NONE:
        if jump is not None and jump.is_one:
            return axis
        if jump is not None and jump.value == -1:
            return Axis((run.fresh(axis.size),))
        if jump is not None and jump.terms:
            return Axis((part_of(run, axis, run.facts.divide(axis.size, jump) or (axis.size + jump - ONE) // jump),))
        return run.axis(run.unknown_size())
    low = Dim.of(0) if lower == NONE else number(lower)
    high = axis.size if upper == NONE else number(upper)
    if low is None or high is None or jump is None or not jump.is_one:
        return run.axis(run.unknown_size())
    low, high, size = run.facts.resolve(low), run.facts.resolve(high), run.facts.resolve(axis.size)
    low = low + size if _negative(low) else low
    high = high + size if _negative(high) else high
    if size.value is not None and high.value is not None:
        high = Dim.of(min(high.value, size.value))
    if high == size and low.value == 0:
        return axis
    if low.value == 0 and upper != NONE and _shorter(run, size, high):
        return axis
    length = high - low
    if not length.known or (length.value is not None and length.value < 0):
        return run.axis(run.unknown_size())
    if length.is_one:
        return Axis()
    return Axis((part_of(run, axis, length),))


def start_of(run: Run, axis: Axis, bounds: list[Any]) -> Dim | None:
    """Where the stretch `lower:upper` begins; None where that isn't known."""
    lower, _, step = bounds
    if step != NONE:
        return None
    low = Dim.of(0) if lower == NONE else number(lower)
    if low is None:
        return None
    low = run.facts.resolve(low)
    return low + run.facts.resolve(axis.size) if _negative(low) else low


def _shorter(run: Any, size: Dim, high: Dim) -> bool:
    """`mask[:, :, :t, :t]` of a mask that is t long: the same axis. What `t // n * n` cuts off is why it is written."""
    divided = any(isinstance(atom, Function) and atom.name == "//" for atom in high.atoms())
    return high == size or (not divided and bool(run.facts.same(size, high)))


def _negative(dim: Dim) -> bool:
    """Whether an index counts from the end: -1, -n."""
    return bool(dim.terms) and all(coefficient < 0 for _, coefficient in dim.terms.values())


def part_of(run: Any, axis: Axis, size: Dim, place: tuple[int, int] | None = None) -> Factor:
    """A stretch of an axis: of the same origin, with an identity of its own."""
    first = axis.factors[0] if axis.factors else None
    fresh = run.fresh(size, None, first.origin if first else Origin.OTHER)
    part = first.part if first is not None and len(axis.factors) == 1 else None
    return Factor(size, fresh.id, fresh.origin, part if place is None else place, first.whole if first else None)


def cut_memory(
    memory: tuple[object, ...] | None, axis: Axis, kept: Axis | None, *, stepped: bool = False
) -> tuple[object, ...] | None:
    """The memory after a stretch (None: one element) of an axis was taken.

    The gap is in front of a stretch: what lies before it has the stride of the whole. With a step it is behind, and none
    is in front: where the step divides the axis, those strides still fit.
    """
    if memory is None:
        return None
    ids = axis.ids
    result: list[object] = []
    stretch: list[object] | None = [factor.id for factor in kept.factors] if kept is not None else []
    for one in memory:
        if one not in ids:
            result.append(one)
        elif stretch is not None:  # the factors of one axis lie side by side
            if stepped and result[-1:] == [GAP]:
                result.pop()
            result += [*stretch, GAP] if stepped else [GAP, *stretch]
            stretch = None
    return tuple(result)


@op("select")
def select(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim")
    assert dim is not None
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    return call.emit(
        [tensor], shape.put(place, None), op="index", memory=cut_memory(tensor.memory, axis, None), origin=tensor.origin
    )


@op("narrow")
def narrow(call: Call) -> Value:
    tensor, dim, length = call.tensor(0, "input"), call.whole(1, "dim"), number(call.get(3, "length", NONE))
    if dim is None or length is None:
        raise Lost("narrow")
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    kept = Axis((part_of(call.run, axis, length),))
    return call.emit([tensor], shape.put(place, kept), op="index", memory=cut_memory(tensor.memory, axis, kept))


@op("unbind")
def unbind(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(1, "dim", 0)
    assert dim is not None
    expected = call.kwargs.get("count")
    shape = call.shape(tensor, dim)
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    size = call.run.facts.resolve(axis.size)
    count = size.value if size.value is not None else number(expected).value if expected is not None else None  # type: ignore[union-attr]
    if count is None or count > 64:
        return Seq([Many(call.emit([tensor], shape.put(place, None), op="index"), size)])
    memory = cut_memory(tensor.memory, axis, None)
    step = call.run.step(
        "unbind", call.node, [tensor], [shape.put(place, None)] * count, memory=memory, origin=tensor.origin
    )
    return Seq(list(step.results))


@op("chunk", "tensor_split")
def chunk(call: Call) -> Value:
    tensor, count, dim = call.tensor(0, "input"), call.whole(1, "chunks"), call.whole(2, "dim", 0)
    if count is None or dim is None or not 0 < count <= 64:
        raise Lost("chunk")
    _fit_last(call, tensor, dim, count)
    shape = call.shape(tensor, dim)
    axis = shape.at(dim)
    assert axis is not None
    size = call.run.facts.divide(axis.size, Dim.of(count))
    if size is None and (whole := call.run.facts.resolve(axis.size).value) is not None:
        return _parts(
            call, tensor, shape, dim, [Dim.of(one) for one in _uneven(whole, count, even=call.name == "tensor_split")]
        )
    if size is None:
        size = axis.size // Dim.of(count) if axis.size.known else call.run.unknown_size()
    return _parts(call, tensor, shape, dim, [size] * count)


def _fit_last(call: Call, tensor: Tensor, dim: int, count: int) -> None:
    """Settle a rank that isn't known by what comes out even: `linear(emb).chunk(6, dim=1)` of [*emb, 6*d] is of two axes."""
    shape = call.run.shape(tensor)
    last = shape.at(-1)
    if shape.row is None or shape.entries[0] != shape.row or len(shape.entries) != 2 or dim < 1 or last is None:
        return
    if call.run.facts.resolve(last.size).exact_quotient(Dim.of(count)) is not None:
        call.run.ranked(shape, dim + 1)
        call.run.facts.assumed.add(shape.row.key)


def _uneven(whole: int, count: int, *, even: bool) -> list[int]:
    """The parts of an axis that doesn't come out even: chunk rounds up and may give fewer, tensor_split gives `count`."""
    if even:
        return [whole // count + (index < whole % count) for index in range(count)]
    size = -(-whole // count)
    return [min(size, whole - start) for start in range(0, whole, size)]


@op("split", "split_with_sizes")
def split(call: Call) -> Value:
    tensor, dim = call.tensor(0, "input"), call.whole(2, "dim", 0)
    value = call.get(1, "split_size_or_sections", call.get(1, "split_size"))
    assert dim is not None
    shape = call.shape(tensor, dim)
    axis = shape.at(dim)
    assert axis is not None
    if isinstance(value, Seq):
        sizes = [
            number(item) if not isinstance(item, Row | Many) else None
            for item in plain_items(call.run, value, call.node)
        ]
        known = [size for size in sizes if size is not None]
        if len(known) != len(sizes):
            raise Lost("split")
        return _parts(call, tensor, shape, dim, known, _short(call, axis, known))
    size = number(value) if value is not None and not isinstance(value, Many) else None
    if size is None:
        raise Lost("split")
    count = call.run.facts.divide(axis.size, size)
    if count is not None and count.value is not None and 0 < count.value <= 64:
        return _parts(call, tensor, shape, dim, [size] * count.value)
    whole, part = call.run.facts.resolve(axis.size).value, call.run.facts.resolve(size).value
    if whole and part and part > 0 and whole / part <= 64:
        return _parts(call, tensor, shape, dim, [Dim.of(min(part, whole - start)) for start in range(0, whole, part)])
    place = shape.position(dim)
    assert place is not None
    if (symbol := size.symbol) is not None:
        call.run.stretches.setdefault(symbol, axis)
    element = call.emit([tensor], shape.put(place, Axis((part_of(call.run, axis, size),))), op="index")
    return Seq([Many(element, count)])


def _short(call: Call, axis: Axis, sizes: list[Dim]) -> Parted | None:
    """That the sizes never add up to the axis, where they never do."""
    total = sum(sizes, start=Dim.of(0))
    never = axis.size.known and total.known and call.run.facts.ratio(total, axis.size) is not None
    return Parted(axis, tuple(sizes)) if never else None


def _parts(call: Call, tensor: Tensor, shape: Shape, dim: int, sizes: list[Dim], detail: Parted | None = None) -> Value:
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    kept = [Axis((part_of(call.run, axis, size),)) if not size.is_one else Axis() for size in sizes]
    shapes = [shape.put(place, one) for one in kept]
    step = call.run.step("split", call.node, [tensor], shapes, detail, origin=tensor.origin)
    made = [
        Tensor(result.shape, result.step, result.origin, cut_memory(tensor.memory, axis, one), result.count)
        for result, one in zip(step.results, kept, strict=True)
    ]
    return Seq(list(made))
