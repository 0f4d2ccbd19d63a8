"""A path that has ended → its Trace: everything that rules may ask of it."""

from __future__ import annotations

from collections.abc import Iterator

from shapecheck.shapes.built import BuiltLayer
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.trace import Bound, Tensor, Trace
from shapecheck.static.annotations import annotated
from shapecheck.static.remarks import remarks
from shapecheck.static.run import Run
from shapecheck.static.values import Const, Layer, Seq, Table, Unknown, Value, iterate, number


def trace_of(run: Run, symbol: str, result: Value, *, completed: bool) -> Trace:
    """The path as a value: everything that rules may ask of it."""
    told = [(run.told[key], value) for key, value in run.decisions.items() if run.told[key]]
    return Trace(
        symbol, tuple(run.steps), tuple(_bound(run)), tuple(run.divisions), tuple(map(_built, run.layers)), run.facts,
        tuple(told), tuple(_tensors(result)), tuple(run.sizes), tuple(run.scales), completed,
        tuple(run.guarded), frozenset(instance.of.name for instance, *_ in run.constructions), run.conflict,
        frozenset(run.even), run.by_flag, tuple(run.discarded), remarks=tuple(remarks(run)), annotated=annotated(run),
        changed=run.changed,
    )  # fmt: skip


def _bound(run: Run) -> Iterator[Bound]:
    """The tensors that were bound to names: inputs too, where something later took them for tensors."""
    for one in run.bound:
        if isinstance(one, Bound):
            yield one
        elif (tensor := run.inputs.get(one.value.key)) is not None:
            yield Bound(one.name, tensor, one.place, one.frame)


def _tensors(value: Value) -> list[Tensor]:
    match value:
        case Tensor():
            return [value]
        case Unknown(tensor=Tensor() as tensor):
            return [tensor]
        case Seq():
            return [tensor for item in iterate(value) for tensor in _tensors(item)]
        case Table(items=items):
            return [tensor for item in items.values() for tensor in _tensors(item)]
    return []


def _built(layer: Layer) -> BuiltLayer:
    def width(name: str) -> Dim | None:
        return number(layer.arguments.get(name, Const(None)))

    takes, gives, heads = _WIDTHS.get(layer.type, ("", "", ""))
    in_init = layer.built_in == "__init__"
    return BuiltLayer(layer.type, layer.name, layer.place, width(takes), width(gives), in_init, width(heads))


_WIDTHS = {
    "Linear": ("in_features", "out_features", ""),
    "Conv1D": ("nx", "nf", ""),
    "MultiheadAttention": ("embed_dim", "embed_dim", "num_heads"),
}
