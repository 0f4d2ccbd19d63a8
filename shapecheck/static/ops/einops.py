"""einops: rearrange, repeat, reduce, pack. A pattern names every axis, and checks divisibility when it runs."""

from __future__ import annotations

import re

from shapecheck.shapes.details import Reshape
from shapecheck.shapes.dim import ONE, Dim, product
from shapecheck.shapes.reshape import Regrouping, Verdict
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import Const, Layer, Many, Seq, Value, number

Group = list[str]  # the names in one place of a pattern: `(h d)` has two, `1` none


def groups(text: str) -> list[Group]:
    """The places of one side of a pattern. Raises Lost for what is no pattern."""
    found: list[Group] = []
    for match in re.finditer(r"\(([^()]*)\)|(\.\.\.|…)|(\w+)", text):
        if match[1] is not None:
            found.append(["(...)" if word in ("...", "…") else word for word in match[1].split()])
        elif match[2] is not None:
            found.append(["..."])
        else:
            found.append([] if match[3] == "1" else [match[3]])
    return found


def _lengths(call: Call) -> dict[str, Dim]:
    lengths: dict[str, Dim] = {}
    for name, value in call.kwargs.items():
        if name in ("pattern", "tensor", "reduction", "**") or isinstance(value, Seq | Many):
            continue
        dim = number(value)
        if dim is not None:
            lengths[name] = dim
    return lengths


def _pattern(call: Call, index: int = 1) -> tuple[list[Group], list[Group]]:
    value = call.get(index, "pattern")
    if not isinstance(value, Const) or not isinstance(value.value, str) or "->" not in value.value:
        raise Lost(call.name)
    left, _, right = value.value.partition("->")
    return groups(left), groups(right)


def _bind(call: Call, left: list[Group], tensor: Tensor, lengths: dict[str, Dim]) -> dict[str, tuple[Entry, ...]]:
    """What each name of the left side stands for."""
    run = call.run
    shape = run.shape(tensor)
    names: dict[str, tuple[Entry, ...]] = {}
    entries: list[Entry]
    if ["..."] in left:
        place = left.index(["..."])
        before, after = left[:place], left[place + 1 :]
        if before:
            shape = run.front(shape, len(before) - 1)
        if after:
            shape = run.back(shape, -len(after))
        end = len(shape.entries) - len(after)
        names["..."] = shape.entries[len(before) : end]
        entries = [*shape.entries[: len(before)], *shape.entries[end:]]
        left = [*before, *after]
    else:
        shape = run.ranked(shape, len(left))
        entries = list(shape.entries)
    if len(entries) != len(left) or any(isinstance(entry, Row) for entry in entries):
        raise Lost(call.name)
    for group, entry in zip(left, entries, strict=True):
        assert isinstance(entry, Axis)
        for name, axis in _split(call, group, entry, lengths, tensor):
            names[name] = (axis,)
    return names


def _split(call: Call, group: Group, axis: Axis, lengths: dict[str, Dim], tensor: Tensor) -> list[tuple[str, Axis]]:
    """An axis cut into the names of its place."""
    run = call.run
    if not group:
        return []
    if len(group) == 1:
        run.name_size(run.facts.resolve(axis.size), group[0])
        return [(group[0], axis)]
    known = {name: lengths[name] for name in group if name in lengths}
    open_names = [name for name in group if name not in known]
    if len(open_names) > 1:
        return [(name, run.axis(known.get(name) or run.unknown_size())) for name in group]
    sizes = dict(known)
    if open_names:
        total, others = run.facts.simplify(axis.size), product(list(known.values()))
        rest = run.facts.divide(total, others)
        if rest is None:
            rest = total // others if total.known and others.known and others.terms else run.unknown_size()
        sizes[open_names[0]] = rest
    from shapecheck.shapes.reshape import regroup

    cut = regroup((axis,), [sizes[name] for name in group], run.facts, run.fresh, ordered=False)
    if cut.verdict is Verdict.UNEQUAL:
        raise Unequal((axis,), tuple(sizes[name] for name in group), cut)
    return list(zip(group, cut.axes, strict=True))


class Unequal(Exception):
    """The sizes given for a place can't multiply to its axis."""

    def __init__(self, old: tuple[Axis, ...], new: tuple[Dim, ...], cut: Regrouping) -> None:
        super().__init__()
        self.old, self.new, self.cut = old, new, cut


def _joined(names: dict[str, tuple[Entry, ...]], group: Group) -> tuple[Entry, ...]:
    if group == ["..."]:
        return names.get("...", ())
    factors: list[Factor] = []
    for name in group:
        for entry in names.get("...", ()) if name == "(...)" else names[name]:
            if isinstance(entry, Row):
                raise Lost("rank")
            factors += entry.factors
    return (Axis(tuple(factors)),)


def _rearranged(call: Call, tensor: Tensor, left: list[Group], right: list[Group], lengths: dict[str, Dim]) -> Value:
    run = call.run
    try:
        names = _bind(call, left, tensor, lengths)
        if any("(...)" in group for group in left):
            raise Lost(call.name)
        missing = [name for group in right for name in group if name not in names and name not in ("...", "(...)")]
        if call.name == "repeat":
            for name in missing:
                size = lengths.get(name)
                names[name] = (
                    Axis((run.fresh(size if size is not None else run.unknown_size(), None, Origin.REPEAT),)),
                )
        elif missing:
            raise Lost(call.name)
        entries = [entry for group in right for entry in _joined(names, group)]
    except Unequal as error:
        detail = Reshape(error.cut, error.old, error.new, what=call.name)
        shape = Shape(tuple(run.axis(run.unknown_size()) for _ in right))
        return call.emit([tensor], shape, detail, op="reshape")
    result = Shape(tuple(entries))
    axes, old = result.axes, run.shape(tensor).axes
    joins = axes is not None and old is not None and any(len(group) > 1 for group in (*left, *right))
    regrouped: Reshape | None = None
    if joins and axes is not None and old is not None:
        regrouped = Reshape(Regrouping(Verdict.REGROUPED, axes), old, tuple(axis.size for axis in axes), what=call.name)
    op_name = "reduce" if call.name == "reduce" else "rearrange"
    memory = in_order(run, result) if joins else None
    return call.emit([tensor], result, regrouped, op=op_name, memory=memory, origin=tensor.origin)


@op("rearrange")
def rearrange(call: Call) -> Value:
    value = call.get(0, "tensor")
    if isinstance(value, Seq):
        from shapecheck.static.ops.join import stacked

        value = stacked(call, value, 0)
        call.args = [value, *call.args[1:]]
    tensor = call.tensor(0, "tensor")
    left, right = _pattern(call)
    return _rearranged(call, tensor, left, right, _lengths(call))


def repeat_pattern(call: Call) -> Value:
    """einops.repeat: names that only the right side has are copies."""
    tensor = call.tensor(0, "tensor")
    left, right = _pattern(call)
    return _rearranged(call, tensor, left, right, _lengths(call))


@op("reduce")
def reduce(call: Call) -> Value:
    tensor = call.tensor(0, "tensor")
    left, right = _pattern(call)
    return _rearranged(call, tensor, left, right, _lengths(call))


@op("pack")
def pack(call: Call) -> Value:
    """einops.pack: the axes at `*` flattened, and what they were."""
    values, pattern = call.get(0, "tensors"), call.get(1, "pattern")
    if not isinstance(values, Seq) or len(values.items) != 1 or not isinstance(pattern, Const):
        raise Lost("pack")
    tensor = call.run.tensor(values.items[0], call.node)
    if tensor is None or not isinstance(pattern.value, str):
        raise Lost("pack")
    words = pattern.value.split()
    place = words.index("*")
    before, after = place, len(words) - place - 1
    shape = call.run.shape(tensor)
    shape = call.run.front(shape, before - 1) if before else shape
    shape = call.run.back(shape, -after) if after else shape
    end = len(shape.entries) - after
    middle = shape.entries[before:end]
    packed: Entry
    if any(isinstance(entry, Row) for entry in middle):
        packed = call.run.axis(call.run.unknown_size())
    else:
        packed = Axis(tuple(factor for entry in middle if isinstance(entry, Axis) for factor in entry.factors))
    result = call.emit([tensor], Shape((*shape.entries[:before], packed, *shape.entries[end:])), op="rearrange")
    taken = Seq([entry if isinstance(entry, Row) else Num(entry.size) for entry in middle], fields=("packed",))
    return Seq([result, Seq([taken], is_list=True)])


@op("unpack")
def unpack(call: Call) -> Value:
    tensor, taken, pattern = call.tensor(0, "tensor"), call.get(1, "packed_shapes"), call.get(2, "pattern")
    if not isinstance(taken, Seq) or len(taken.items) != 1 or not isinstance(pattern, Const):
        raise Lost("unpack")
    sizes = taken.items[0]
    if not isinstance(sizes, Seq) or not isinstance(pattern.value, str):
        raise Lost("unpack")
    words = pattern.value.split()
    place = words.index("*")
    shape = call.shape(tensor, *([place] if place < len(words) else []))
    if shape.rank != len(words):
        raise Lost("unpack")
    entries: list[Entry] = [item if isinstance(item, Row) else call.axis(number(item) or ONE) for item in sizes.items]
    return Seq(
        [call.emit([tensor], Shape((*shape.entries[:place], *entries, *shape.entries[place + 1 :])), op="rearrange")]
    )


def rearrange_layer(call: Call, layer: Layer) -> Value:
    """einops.layers.torch.Rearrange."""
    tensor = call.tensor(0)
    inner = Call(call.run, call.node, "rearrange", [tensor, layer.arguments.get("pattern")], dict(layer.arguments))
    left, right = _pattern(inner)
    return _rearranged(inner, tensor, left, right, _lengths(inner))


from shapecheck.static.values import Num  # noqa: E402
