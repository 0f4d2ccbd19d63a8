"""einsum: one letter is one axis."""

from __future__ import annotations

from typing import Any

from shapecheck.shapes.details import Contraction
from shapecheck.shapes.shape import Axis, Entry, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.broadcast import broadcast
from shapecheck.static.ops.matmul import agree, both_projected, differ, renewed, weighted
from shapecheck.static.ops.memory import in_order
from shapecheck.static.values import Const, Seq, Value


@op("einsum")
def einsum(call: Call) -> Value:
    """torch.einsum, and einops' with words for axes. https://docs.pytorch.org/docs/stable/generated/torch.einsum.html"""
    args = list(call.args)
    pattern = args[0] if args and isinstance(args[0], Const) else args[-1] if args else None
    if not isinstance(pattern, Const) or not isinstance(pattern.value, str):
        raise Lost("einsum")
    values: list[Any] = [value for value in args if value is not pattern]
    if len(values) == 1 and isinstance(values[0], Seq):
        values = values[0].items
    operands = [call.run.tensor(value, call.node) for value in values]
    inputs, output = _terms(pattern.value, words=pattern is not args[0])
    if len(inputs) != len(operands) or any(tensor is None for tensor in operands):
        raise Lost("einsum")
    tensors = [tensor for tensor in operands if tensor is not None]
    return _contract(call, inputs, output, tensors)


def _terms(pattern: str, *, words: bool) -> tuple[list[list[str]], list[str]]:
    """The letters (einops, whose pattern comes last: words) of each operand and of the result; `...` is one of them."""
    left, arrow, right = pattern.partition("->")
    parts = [_letters(part, words=words) for part in left.split(",")]
    if arrow:
        return parts, _letters(right, words=words)
    names = [name for part in parts for name in part]
    once = sorted(name for name in set(names) if names.count(name) == 1 and name != "...")
    return parts, (["..."] if "..." in names else []) + once


def _letters(text: str, *, words: bool) -> list[str]:
    parts = text.replace("...", " ... ").split()
    return [name for part in parts for name in ([part] if words or part == "..." else part)]


def _contract(call: Call, inputs: list[list[str]], output: list[str], tensors: list[Tensor]) -> Value:
    run = call.run
    axes: dict[str, tuple[Axis, Tensor]] = {}
    rest: tuple[Entry, ...] = ()
    clash: tuple[Axis, Axis] | None = None
    pairs: list[tuple[Axis, Axis]] = []
    for names, tensor in zip(inputs, tensors, strict=True):
        shape = run.shape(tensor)
        if "..." not in names:
            shape = run.ranked(shape, len(names))
            if shape.rank != len(names):
                raise Lost("einsum")
            found = list(zip(names, shape.entries, strict=True))
        else:
            found, middle = _with_ellipsis(call, names, shape, tensor)
            shared, _ = broadcast(run, Shape(rest), Shape(middle))
            rest = shared.entries if shared is not None else max(rest, middle, key=len)
        for name, entry in found:
            assert isinstance(entry, Axis)
            if name not in axes:
                axes[name] = (entry, tensor)
                continue
            known, holder = axes[name]
            both = both_projected(tensor, holder, shape, run.shape(holder))
            if differ(run, known, entry, activations=both) and not known.is_one and not entry.is_one:
                clash = clash or (known, entry)
            else:
                agree(run, known, entry)
            pairs.append((known, entry)) if name not in output else None
            if known.is_one or (holder.origin is not Origin.OTHER and tensor.origin is Origin.OTHER):
                axes[name] = (entry, tensor)
    return _result(call, inputs, output, tensors, axes, rest, pairs, clash)


def _with_ellipsis(
    call: Call, names: list[str], shape: Shape, tensor: Tensor
) -> tuple[list[tuple[str, Entry]], tuple[Entry, ...]]:
    place = names.index("...")
    before, after = names[:place], names[place + 1 :]
    if before:
        shape = call.run.front(shape, len(before) - 1)
    if after:
        shape = call.run.back(shape, -len(after))
    end = len(shape.entries) - len(after)
    entries = [*shape.entries[: len(before)], *shape.entries[end:]]
    if (
        len(entries) != len(before) + len(after)
        or end < len(before)
        or any(isinstance(entry, Row) for entry in entries)
    ):
        raise Lost("einsum")
    return list(zip([*before, *after], entries, strict=True)), shape.entries[len(before) : end]


def _result(
    call: Call, inputs: list[list[str]], output: list[str], tensors: list[Tensor],
    axes: dict[str, tuple[Axis, Tensor]], rest: tuple[Entry, ...], pairs: list[tuple[Axis, Axis]],
    clash: tuple[Axis, Axis] | None,
) -> Value:  # fmt: skip
    run = call.run
    mixed = len({tensor.origin is Origin.PARAMETER for tensor in tensors}) == 2
    entries: list[Entry] = []
    for name in output:
        if name == "...":
            entries += rest
        elif name not in axes:
            raise Lost("einsum")
        else:
            axis, holder = axes[name]
            if any(isinstance(other, Axis) and axis.ids & other.ids for other in entries):
                axis = renewed(run, axis, Shape(tuple(entries)))
                axes[name] = (axis, holder)
            brought = mixed and holder.origin is Origin.PARAMETER and sum(name in names for names in inputs) == 1
            entries.append(weighted(run, axis) if brought else axis)
    shape = Shape(tuple(entries))
    own: list[tuple[Axis, ...]] = [
        tuple(
            axes[name][0]
            for name in names
            if name in axes and name in output and sum(name in other for other in inputs) == 1
        )
        for names in (*inputs, [])[:2]
    ]
    ratio = run.facts.ratio(clash[0].size, clash[1].size) if clash is not None else None
    detail = Contraction(tuple(pairs), own[0], own[1], clash, ratio)
    return call.emit(tensors, shape, detail, op="matmul" if len(tensors) > 1 else "einsum", memory=in_order(run, shape))
