"""Elements taken by index: `x[…]`, gather, index_select, embedding."""

from __future__ import annotations

from typing import Any

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.making import Cut
from shapecheck.shapes.shape import Axis, Entry, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.broadcast import broadcast
from shapecheck.static.ops.cut import cut_memory, sliced, start_of
from shapecheck.static.values import NONE, Const, Num, Seq, Unknown, Value, number


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
    cut = Cut(tuple(taken.cuts)) if taken.cuts else None
    return call.emit([tensor], Shape(tuple(entries)), cut, op="index", memory=memory, origin=tensor.origin)


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
        self.cuts: list[tuple[Axis, Axis, Dim | None]] = []

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
                self.cuts.append((axis, kept, start_of(run, axis, key.items)))
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
