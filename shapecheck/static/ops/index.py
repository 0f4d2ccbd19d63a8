"""Indexing, chunk, split, unbind, cat, stack, gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapecheck.shapes.dim import ONE, Dim, Kind
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Detail, Joined, Meeting, Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.elementwise import broadcast, in_order
from shapecheck.static.ops.reshape import GAP
from shapecheck.static.sequences import plain_items
from shapecheck.static.values import NONE, Const, Many, Num, Seq, Unknown, Value, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run


@op("index")
def index(call: Call) -> Value:
    """`x[…]`: numbers, slices, None, ... and tensors."""
    tensor, keys = call.tensor(0), call.args[1:]
    run = call.run
    ellipsis = next((place for place, key in enumerate(keys) if isinstance(key, Const) and key.value is ...), None)
    front, back = (keys, []) if ellipsis is None else (keys[:ellipsis], keys[ellipsis + 1 :])
    shape = run.shape(tensor)
    ahead, behind = sum(map(_consumes, front)), sum(map(_consumes, back))
    if (
        shape.row is not None
        and ellipsis is None
        and ahead > 1
        and _is_whole(keys[-1])
        and len(shape.entries) <= ahead + 1
    ):
        shape = run.ranked(shape, ahead)  # a last `:` does nothing but say that there is no further axis
    if ahead:
        shape = run.front(shape, ahead - 1) if shape.row is not None else shape
    if behind:
        shape = run.back(shape, -behind)
    end = len(shape.entries) - behind
    if ahead > end or any(isinstance(entry, Row) for entry in (*shape.entries[:ahead], *shape.entries[end:])):
        raise Lost("index")
    taken = _Taken(call, tensor)
    entries = [*taken.apply(front, shape.entries[:ahead]), *shape.entries[ahead:end]]
    entries += taken.apply(back, shape.entries[end:], len(entries))
    memory = taken.memory if taken.memory is not None else None
    if taken.advanced is not None:
        return _gathered(call, tensor, entries, taken, together=_stand_together(keys))
    return call.emit([tensor], Shape(tuple(entries)), op="index", memory=memory, origin=tensor.origin)


def _is_whole(key: Any) -> bool:
    """Whether a key is a plain `:`."""
    return isinstance(key, Seq) and key.fields == ("slice",) and all(bound == NONE for bound in key.items)


def _stand_together(keys: list[Any]) -> bool:
    """Whether the tensors among the keys are neighbours: then what they gather stays in their place.

    A number is none of them: torch takes it out before it looks at the others, where NumPy doesn't.
    """
    left = [key for key in keys if not _is_number(key)]
    places = [place for place, key in enumerate(left) if not _keeps_axis(key)]
    return places == list(range(places[0], places[-1] + 1))


def _keeps_axis(key: Any) -> bool:
    return isinstance(key, Const) or (isinstance(key, Seq) and key.fields == ("slice",))


def _is_number(key: Any) -> bool:
    """Whether a key is one index; what isn't known but no argument of forward counts as one."""
    return isinstance(key, Num) or (isinstance(key, Unknown) and key.tensor is None and key.kind is not Kind.INPUT)


def _consumes(key: Any) -> int:
    if isinstance(key, Const) and isinstance(key.value, bool):
        raise Lost("index")
    return 0 if key == NONE else 1


class _Taken:
    """What the keys of an index leave of each axis."""

    def __init__(self, call: Call, tensor: Tensor) -> None:
        self.call = call
        self.memory = tensor.memory
        self.advanced: list[tuple[int, Tensor]] | None = None

    def apply(self, keys: list[Any], entries: tuple[Entry, ...], before: int = 0) -> list[Entry]:
        """What is left of `entries`, which come after `before` others."""
        left = list(entries)
        found: list[Entry] = []
        for key in keys:
            if isinstance(key, Const) and key.value is None:
                found.append(Axis())
                continue
            if not left:
                raise Lost("index")
            axis = left.pop(0)
            assert isinstance(axis, Axis)
            found += self._one(key, axis, before + len(found))
        return found

    def _one(self, key: Any, axis: Axis, place: int) -> list[Entry]:
        run = self.call.run
        if isinstance(key, Seq) and key.fields == ("slice",):
            kept = sliced(self.call, axis, key.items)
            if kept is not axis:
                step = number(key.items[2])
                self.memory = cut_memory(self.memory, axis, kept, stepped=step is not None and not step.is_one)
            return [kept]
        if _is_number(key):
            self.memory = cut_memory(self.memory, axis, None)
            return []
        tensor = self._listed(key) if isinstance(key, Seq) else run.tensor(key, self.call.node)
        if tensor is None:
            raise Lost("index")
        self.advanced = [*(self.advanced or []), (place, tensor)]
        return []

    def _listed(self, key: Seq) -> Tensor | None:
        """A list of numbers is an index by a tensor as long as it is."""
        if not key.plain or not all(isinstance(item, Num) for item in key.items):
            return None
        shape = Shape((self.call.axis(Dim.of(len(key.items)), Origin.CREATED),))
        return self.call.emit([], shape, op="create", origin=Origin.CREATED)


def _gathered(call: Call, tensor: Tensor, entries: list[Entry], taken: _Taken, *, together: bool) -> Value:
    """An index by tensors: their shape, broadcast, stands where the first of them stood, in front if they are apart."""
    assert taken.advanced is not None
    shape: Shape | None = call.run.shape(taken.advanced[0][1])
    for _, other in taken.advanced[1:]:
        if shape is not None:
            shape, _ = broadcast(call.run, shape, call.run.shape(other))
    if shape is None or (shape.row is not None and any(isinstance(entry, Row) for entry in entries)):
        raise Lost("index by tensor")
    place = taken.advanced[0][0] if together else 0
    fresh = tuple(
        Axis(tuple(call.run.fresh(factor.size, None) for factor in entry.factors)) if isinstance(entry, Axis) else entry
        for entry in shape.entries
    )
    result = Shape((*entries[:place], *fresh, *entries[place:]))
    operands = [tensor, *(other for _, other in taken.advanced)]
    origin = tensor.origin
    if shape.row is not None:
        return call.emit(operands, result, op="gather", origin=origin, lost_by="index by tensor")
    return call.emit(operands, result, op="gather", origin=origin)


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


def _shorter(run: Any, size: Dim, high: Dim) -> bool:
    """`mask[:, :, :t, :t]` of a mask that is t long: the same axis."""
    return bool(run.facts.same(size, high))


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
        return _parts(call, tensor, shape, dim, known)
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


def _parts(call: Call, tensor: Tensor, shape: Shape, dim: int, sizes: list[Dim]) -> Value:
    place, axis = shape.position(dim), shape.at(dim)
    assert place is not None and axis is not None
    kept = [Axis((part_of(call.run, axis, size),)) if not size.is_one else Axis() for size in sizes]
    shapes = [shape.put(place, one) for one in kept]
    step = call.run.step("split", call.node, [tensor], shapes, origin=tensor.origin)
    made = [
        Tensor(result.shape, result.step, result.origin, cut_memory(tensor.memory, axis, one), result.count)
        for result, one in zip(step.results, kept, strict=True)
    ]
    return Seq(list(made))


# -- joining -------------------------------------------------------------------------------------------------------------
def _joined(call: Call) -> tuple[list[Tensor], Dim | None, bool]:
    """The tensors of a list, how many they are, and whether one stands for all."""
    value = call.get(0, "tensors")
    if not isinstance(value, Seq) or value.unsure:
        raise Lost(call.name)
    tensors: list[Tensor] = []
    count: Dim | None = Dim.of(len(value.items))
    many = False
    for item in value.items:
        if isinstance(item, Row):
            raise Lost(call.name)
        one = item.element if isinstance(item, Many) else item
        tensor = call.run.tensor(one, call.node)
        if tensor is None:
            raise Lost(call.name)
        if isinstance(item, Many):
            many, count = True, item.count if len(value.items) == 1 else None
        tensors.append(tensor)
    if not tensors:
        raise Lost(call.name)
    return tensors, count, many


@op("cat", "concat", "concatenate")
def cat(call: Call) -> Value:
    tensors, count, many = _joined(call)
    dim = call.whole(1, "dim", call.whole(1, "axis", 0))
    assert dim is not None
    run = call.run
    shapes = [call.shape(tensor, dim) for tensor in tensors]
    axes = [shape.at(dim) for shape in shapes]
    known = [axis for axis in axes if axis is not None]
    place = shapes[0].position(dim)
    assert place is not None
    if many:
        size = count if count is not None else run.unknown_size()
        axis = Axis((run.fresh(size, None, Origin.LIST), *known[0].factors))
        symbol = known[0].size.symbol
        if symbol in run.stretches and len(tensors) == 1:  # all the stretches that an axis was cut into
            axis = run.axis(run.stretches[symbol].size, _origin([run.stretches[symbol]]))
        shape = shapes[0].put(place, axis)
        return call.emit(tensors, shape, Joined(axis, size), op="cat", memory=in_order(run, shape))
    total = Dim.of(0)
    for axis in known:
        total = total + axis.size
    same = all(run.facts.same(axis.size, known[0].size) for axis in known)
    if same and len(known) > 1:
        axis = Axis((run.fresh(Dim.of(len(known)), None, Origin.LIST), *known[0].factors))
    else:
        axis = known[0] if len(known) == 1 else run.axis(total, _origin(known))
    merged = _merged_others(call, shapes, dim)
    detail: Detail = Joined(axis, Dim.of(len(tensors)))
    clash = _clash(run, shapes, place)
    if clash is not None:
        detail = Meeting(*clash, run.facts.ratio(clash[0].size, clash[1].size))
    shape = (
        merged.put(merged.position(dim) or 0, axis) if merged.position(dim) is not None else shapes[0].put(place, axis)
    )
    origin = tensors[0].origin if len({tensor.origin for tensor in tensors}) == 1 else Origin.OTHER
    return call.emit(tensors, shape, detail, op="cat", memory=in_order(run, shape), origin=origin)


def _clash(run: Run, shapes: list[Shape], place: int) -> tuple[Axis, Axis] | None:
    """Two axes beside the one that is joined which are never the same size."""
    first = shapes[0]
    for other in shapes[1:]:
        if first.rank is None or first.rank != other.rank:
            continue
        for index, (one, two) in enumerate(zip(first.entries, other.entries, strict=True)):
            if index == place or not isinstance(one, Axis) or not isinstance(two, Axis):
                continue
            never = run.facts.ratio(one.size, two.size) is not None and Kind.UNKNOWN not in run.facts.kinds(one.size)
            if never and not _inputs_only(run, one, two):
                return one, two
    return None


def _inputs_only(run: Run, one: Axis, two: Axis) -> bool:
    return bool((run.facts.kinds(one.size) | run.facts.kinds(two.size)) & {Kind.INPUT, Kind.OPAQUE})


def _origin(axes: list[Axis]) -> Origin:
    origins = {factor.origin for axis in axes for factor in axis.factors}
    return origins.pop() if len(origins) == 1 else Origin.OTHER


def _merged_others(call: Call, shapes: list[Shape], dim: int) -> Shape:
    """The axes that aren't joined, from whichever operand knows most of them."""
    best = shapes[0]
    for shape in shapes[1:]:
        if (best.row is not None and shape.row is None) or (
            best.rank is not None and best.rank == shape.rank and not best.known and shape.known
        ):
            best = shape
    return best


@op("stack", "hstack", "vstack")
def stack(call: Call) -> Value:
    value = call.get(0, "tensors")
    if call.name != "stack" or not isinstance(value, Seq):
        raise Lost(call.name)
    dim = call.whole(1, "dim", 0)
    assert dim is not None
    return stacked(call, value, dim)


def stacked(call: Call, value: Seq, dim: int) -> Value:
    """A list of tensors of one shape, with a new axis."""
    inner = Call(call.run, call.node, "stack", [value], {})
    tensors, count, _ = _joined(inner)
    shape = call.run.shape(tensors[0])
    for other in tensors[1:]:
        found = call.run.shape(other)
        shape = found if shape.row is not None and found.row is None else shape
    size = count if count is not None else call.run.unknown_size()
    axis = Axis((call.run.fresh(size, None, Origin.LIST),)) if not size.is_one else Axis()
    if shape.row is not None and not (dim == 0 or -len(shape.entries) + shape.entries.index(shape.row) <= dim < 0):
        raise Lost("rank")
    place = dim if dim >= 0 else len(shape.entries) + 1 + dim
    result = shape.insert(place, axis)
    return call.run.emit("stack", call.node, tensors, result, Joined(axis, size), memory=in_order(call.run, result))


@op("gather")
def gather(call: Call) -> Value:
    tensor, by = call.tensor(0, "input"), call.tensor(2, "index")
    return call.emit([tensor, by], by.shape, op="gather")


@op("take_along_dim")
def take_along_dim(call: Call) -> Value:
    """As gather, but the other axes are broadcast."""
    tensor, by, dim = call.tensor(0, "input"), call.tensor(1, "indices"), call.whole(2, "dim")
    if dim is None:
        raise Lost("take_along_dim")
    left, right = call.shape(tensor, dim), call.shape(by, dim)
    one, other, kept = left.position(dim), right.position(dim), right.at(dim)
    if one is None or other is None or kept is None:
        raise Lost("rank")
    shape, _ = broadcast(call.run, left.put(one, Axis()), right.put(other, Axis()))
    place = None if shape is None else shape.position(dim)
    if shape is None or place is None:
        raise Lost("rank")
    return call.emit([tensor, by], shape.put(place, kept), op="gather")


@op("index_select")
def index_select(call: Call) -> Value:
    tensor, dim, by = call.tensor(0, "input"), call.whole(1, "dim"), call.tensor(2, "index")
    assert dim is not None
    shape, length = call.shape(tensor, dim), call.run.shape(by).at(0)
    place = shape.position(dim)
    if place is None or length is None:
        raise Lost("index_select")
    return call.emit([tensor, by], shape.put(place, length), op="gather", origin=tensor.origin)


@op("embedding")
def embedding(call: Call) -> Value:
    """F.embedding(ids, weight)."""
    ids, weight = call.tensor(0, "input"), call.tensor(1, "weight")
    width = call.run.back(call.run.shape(weight), -1).at(-1)
    if width is None:
        raise Lost("embedding")
    return call.emit([ids, weight], Shape((*call.run.shape(ids).entries, width)), op="embedding")


@op("pad")
def pad(call: Call) -> Value:
    """F.pad: pairs of widths, the last axis first."""
    tensor, widths = call.tensor(0, "input"), call.get(1, "pad")
    if not isinstance(widths, Seq) or not widths.plain or len(widths.items) % 2:
        raise Lost("pad")
    dims = [number(item) for item in widths.items]
    known = [dim for dim in dims if dim is not None]
    if len(known) != len(dims):
        raise Lost("pad")
    shape = call.shape(tensor, -len(known) // 2)
    for back in range(len(known) // 2):
        extra = known[2 * back] + known[2 * back + 1]
        axis = shape.at(-back - 1)
        assert axis is not None
        if extra.terms:
            size = call.run.facts.resolve(axis.size) + extra
            shape = shape.put(len(shape.entries) - back - 1, Axis((part_of(call.run, axis, size),)))
    return call.emit([tensor], shape, op="pad")
