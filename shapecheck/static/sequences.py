"""Lists, tuples, dicts and shapes: reading items, slices and iterations of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.shape import Axis, Factor, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.classes import find_in_class
from shapecheck.static.run import Run
from shapecheck.static.values import (
    NONE,
    Class,
    Cond,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Many,
    Num,
    Partial,
    Seq,
    Table,
    Unknown,
    Value,
    number,
)  # fmt: skip

UNROLLED = 12  # a loop over more known items runs its body for the first ones only


def sizes(run: Run, tensor: Tensor) -> Seq:
    """`x.shape` as a tuple; a Row stands for the axes whose number isn't known."""
    shape = run.shape(tensor)
    return Seq([entry if isinstance(entry, Row) else Num(entry.size) for entry in shape.entries], fields=("shape",))


def plain_items(run: Run, sequence: Seq, node: cst.CSTNode) -> list[Any]:
    """The items with rows that are bound by now laid open."""
    items: list[Any] = []
    for item_ in sequence.items:
        if isinstance(item_, Row):
            items += [entry if isinstance(entry, Row) else Num(entry.size) for entry in run.facts.row(item_)]
        else:
            items.append(item_)
    return items


def as_shape(items: list[Any]) -> Shape:
    return Shape(tuple(
        item_ if isinstance(item_, Row) else Axis((Factor(number(item_) or Dim.of(1), ("item", index)),))
        for index, item_ in enumerate(items)
    ))  # fmt: skip


def item(run: Run, owner: Value, index: Value, node: cst.CSTNode) -> Value:
    """`owner[index]`."""
    from shapecheck.static.calls import call

    match owner:
        case Seq():
            place = number(index) if isinstance(index, Num | Unknown) else None
            if place is None or place.value is None:
                return _any_item(run, owner, node)
            return _at(run, owner, place.value, node)
        case Table():
            key = index.value if isinstance(index, Const) else index.dim.value if isinstance(index, Num) else None
            if key is not None and key in owner.items:
                return owner.items[key]
            if isinstance(index, Const) and isinstance(index.value, str):
                value = Unknown(("item", owner.key or id(owner), key), index.value, Kind.CONFIG)
                owner.items[key] = value
                return value
            if isinstance(index, Unknown) and isinstance(index.default, str) and index.default in owner.items:
                return owner.items[index.default]
            values = list(owner.items.values())
            if values and all(_makes_layers(one) for one in values):
                return values[0]  # a registry: whatever is chosen does the same to a shape
        case Unknown():
            key = (
                index.value if isinstance(index, Const) else str(index.dim) if isinstance(index, Num) else run.key(node)
            )
            name = key if isinstance(key, str) and key.isidentifier() else owner.name
            kind = Kind.CONFIG if owner.kind is Kind.CONSTRUCTOR else owner.kind
            return Unknown(("item", owner.key, key), name, kind, tensor=owner.tensor)
        case Layer(children=Seq() as children):
            return item(run, children, index, node)
        case Layer(table=Table() as table):
            return item(run, table, index, node)
        case External():
            return owner  # typing: Optional[Tensor]
        case Instance():
            getter = find_in_class(run, owner.of, "__getitem__")
            if isinstance(getter, Function):
                bound = Function(getter.name, getter.node, getter.slice, getter.scope, getter.owner, owner)
                return call(run, bound, [index], {}, node)
            key = index.value if isinstance(index, Const) else None
            if isinstance(key, str) and key in owner.attributes:
                return owner.attributes[key]  # type: ignore[no-any-return]
            if isinstance(index, Num) and owner.of.file is not None:
                values = list(owner.attributes.values())
                if index.dim.value is not None and 0 <= index.dim.value < len(values):
                    return values[index.dim.value]
    return Unknown(run.key(node), "?")


def _makes_layers(value: Value) -> bool:
    """Whether a value is a layer, a class or a function, or such a one with its arguments."""
    if isinstance(value, Seq) and value.items and isinstance(value.items[-1], Table):
        value = value.items[0]
    return isinstance(value, External | Layer | Class | Function | Partial)


def _any_item(run: Run, owner: Seq, node: cst.CSTNode) -> Value:
    """An item at an index that isn't known: the one that all are like."""
    if len(owner.items) == 1 and isinstance(owner.items[0], Many):
        return owner.items[0].element
    if owner.items and isinstance(owner.items[0], Layer | Instance):
        return owner.items[0]
    return Unknown(run.key(node), "?")


def _at(run: Run, owner: Seq, index: int, node: cst.CSTNode) -> Value:
    items = plain_items(run, owner, node)
    if owner.unsure and not isinstance(items[0] if items else None, Layer | Instance):
        return Unknown(run.key(node), "?")
    if any(isinstance(one, Row) for one in items):
        shape = as_shape(items)
        (run.front if index >= 0 else run.back)(shape, index)
        items = plain_items(run, Seq(items), node)
    if any(isinstance(one, Many) for one in items):
        ahead = items[: index + 1] if index >= 0 else items[index:]
        if any(isinstance(one, Many) for one in ahead):
            return _any_item(run, Seq(items), node)
    if -len(items) <= index < len(items):
        found = items[index]
        return found if not isinstance(found, Row | Many) else Unknown(run.key(node), "?")
    return Unknown(run.key(node), "?")


def slice_of(run: Run, owner: Value, bounds: list[Value], node: cst.CSTNode) -> Value:
    """`owner[lower:upper:step]` of a sequence."""
    if isinstance(owner, Layer) and owner.children is not None:
        owner = owner.children
    if not isinstance(owner, Seq):
        if isinstance(owner, Const) and isinstance(owner.value, str):
            return Unknown(run.key(node), "?")
        return Unknown(
            ("slice", getattr(owner, "key", None), run.key(node)), "?", tensor=getattr(owner, "tensor", None)
        )
    items = plain_items(run, owner, node)
    lower, upper, step = (None if bound == NONE else number(bound) for bound in bounds)
    low = lower.value if lower is not None else None
    high = upper.value if upper is not None else None
    if any(
        bound != NONE and (dim is None or dim.value is None)
        for bound, dim in zip(bounds, (lower, upper, step), strict=True)
    ):
        return Seq(list(items), owner.is_list, unsure=True)
    for index in (low, high):
        if index is not None and any(isinstance(one, Row) for one in items):
            shape = as_shape(items)
            if index > 0:
                run.front(shape, index - 1)
            elif index < 0:
                run.back(shape, index)
            items = plain_items(run, Seq(items), node)
    if any(isinstance(one, Many) for one in items):
        passed = low if low is not None and low > 0 and not any(isinstance(one, Many) for one in items[:low]) else 0
        return Seq(items[passed:], owner.is_list)
    jump = step.value if step is not None else None
    position = next((place for place, one in enumerate(items) if isinstance(one, Row)), None)
    if position is not None and not _rows_whole(items, position, low, high, jump):
        return Seq([Row(run.key(node), "…")], owner.is_list)
    return Seq(items[low:high:jump], owner.is_list, owner.unsure)


def _rows_whole(items: list[Any], position: int, low: int | None, high: int | None, jump: int | None) -> bool:
    """Whether counting the row as one item gives the right slice."""
    if jump not in (None, 1):
        return False
    low_fits = low is None or low <= position if (low or 0) >= 0 else low is not None and low >= position - len(items)
    high_fits = high is None or (0 <= high <= position) or (high < 0 and high >= position + 1 - len(items))
    return low_fits and high_fits


def iterations(run: Run, value: Value, node: cst.CSTNode) -> Iterator[Any]:
    """What a loop over a value runs through: items, or one Many that stands for them all."""
    from shapecheck.static.ops import apply

    if isinstance(value, Layer) and value.children is not None:
        value = value.children
    if isinstance(value, Layer) and value.table is not None:
        value = Seq([Const(key) for key in value.table.items], is_list=True)
    if isinstance(value, Tensor):
        axis = run.shape(value).at(0)
        size = axis.size if axis is not None else None
        if size is not None and size.value is not None and size.value <= UNROLLED:
            value = apply(run, "unbind", node, [value], {})
        else:
            yield Many(apply(run, "index", node, [value, Unknown(run.key(node), "i", Kind.CONFIG)], {}), size)
            return
    match value:
        case Seq():
            items = plain_items(run, value, node)
            if value.unsure or any(isinstance(one, Row) for one in items):
                element = items[0] if items and not isinstance(items[0], Row | Many) else Unknown(run.key(node), "?")
                yield Many(items[0].element if items and isinstance(items[0], Many) else element, None)
            else:
                yield from items[:UNROLLED]
        case Table(items=entries):
            if value.open:
                yield Many(Unknown(run.key(node), "?"), None)
            else:
                yield from [Const(key) for key in list(entries)[:UNROLLED]]
        case Unknown():
            yield Many(Unknown(("each", value.key), value.name, value.kind, tensor=value.tensor), None)
        case _:
            yield Many(Unknown(run.key(node), "?"), None)


def unpack(run: Run, value: Value, before: int, after: int | None, node: cst.CSTNode) -> list[Value]:
    """The values of `before` targets, a starred one and `after` more (None for no star)."""
    from shapecheck.static.ops import apply

    count = before + (after or 0)
    if isinstance(value, Tensor):
        if after is None:
            value = apply(run, "unbind", node, [value], {"count": Num(Dim.of(count))})
        else:
            value = Unknown(run.key(node), "?", tensor=value)
    if isinstance(value, Instance):
        value = Seq(list(value.attributes.values()))
    if isinstance(value, Layer) and value.children is not None:
        value = value.children
    if isinstance(value, Cond | Const | Num):
        value = Unknown(run.key(node), "?")
    if not isinstance(value, Seq):
        if isinstance(value, Unknown):
            found: list[Value] = [
                Unknown(("part", value.key, index), value.name, value.kind, tensor=value.tensor)
                for index in range(count)
            ]
        else:
            found = [Unknown((run.key(node), index), "?") for index in range(count)]
        if after is not None:
            found.insert(before, Seq([Many(Unknown((run.key(node), "rest"), "?"), None)], is_list=True))
        return found
    return _unpack_sequence(run, value, before, after, node)


def _unpack_sequence(run: Run, value: Seq, before: int, after: int | None, node: cst.CSTNode) -> list[Value]:
    items = plain_items(run, value, node)
    count = before + (after or 0)
    row = next((one for one in items if isinstance(one, Row)), None)
    if row is not None and after is None:
        run.ranked(as_shape(items), count, "unpacked")
        items = plain_items(run, Seq(items), node)
    elif row is not None:
        shape = as_shape(items)
        if before:
            run.front(shape, before - 1)
        if after:
            run.back(shape, -after)
        items = plain_items(run, Seq(items), node)
    if any(isinstance(one, Many) for one in items):
        many = items[0] if len(items) == 1 else Many(Unknown(run.key(node), "?"), None)
        filled: list[Value] = [many.element] * count
        if after is not None:
            filled.insert(before, Seq([many], is_list=True))
        return filled
    if after is None:
        if len(items) == count and not any(isinstance(one, Row) for one in items):
            return items
        run.conflict = True
        return [Unknown((run.key(node), index), "?") for index in range(count)]
    middle = Seq(items[before : len(items) - after], is_list=True)
    ends = [*items[:before], middle, *(items[len(items) - after :] if after else [])]
    fits = len(items) >= count and not any(isinstance(one, Row) for one in ends if not isinstance(one, Seq))
    return ends if fits else [Unknown((run.key(node), index), "?") for index in range(count + 1)]
